"""Small phantoms that the tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from phantom_samples import LESION, SMALL

from phantom import Phantom, PhantomSpec, WrittenStudy, simulate, write_study
from phantom.layouts import LAYOUTS


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A right-sided lesion that washes out."""
    return simulate(PhantomSpec(seed=7, grid=SMALL, lesion=LESION))


@pytest.fixture(scope="session")
def tiny(coarse_phantom: Phantom) -> Phantom:
    """The same patient in few voxels, for tests that are about files."""
    return coarse_phantom


@pytest.fixture(scope="session")
def in_layout(tiny: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], WrittenStudy]:
    """Writes the phantom in a layout, with or without the other series, once."""

    @cache
    def write(layout: str, distractors: bool) -> WrittenStudy:
        return write_study(tiny, layout, tmp_path_factory.mktemp(layout), distractors=distractors)

    return write


@pytest.fixture(params=list(LAYOUTS))
def written(request: pytest.FixtureRequest, in_layout: Callable[[str, bool], WrittenStudy]) -> WrittenStudy:
    """The dynamic series in each layout, also in those that are to be refused."""
    return in_layout(request.param, False)


@pytest.fixture(params={layout.others: name for name, layout in LAYOUTS.items()}.values())
def with_others(request: pytest.FixtureRequest, in_layout: Callable[[str, bool], WrittenStudy]) -> WrittenStudy:
    """A whole study for each choice of series that are no phases."""
    return in_layout(request.param, True)
