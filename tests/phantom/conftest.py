"""Small phantoms that the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from phantom_samples import LESION, SMALL, TINY

from phantom import Phantom, PhantomSpec, WrittenStudy, simulate, write_study
from phantom.layouts import LAYOUTS


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A right-sided lesion that washes out."""
    return simulate(PhantomSpec(seed=7, grid=SMALL, lesion=LESION))


@pytest.fixture(scope="session")
def tiny() -> Phantom:
    """The same patient in few voxels, for tests that are about files."""
    return simulate(PhantomSpec(seed=7, grid=TINY, lesion=LESION))


@pytest.fixture(scope="session", params=list(LAYOUTS))
def written(request: pytest.FixtureRequest, tiny: Phantom, tmp_path_factory: pytest.TempPathFactory) -> WrittenStudy:
    """A whole study in each layout."""
    out: Path = tmp_path_factory.mktemp(request.param)
    return write_study(tiny, request.param, out)
