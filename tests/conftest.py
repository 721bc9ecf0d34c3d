"""What all tests share: how hypothesis runs, and simulated studies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from phantom import GridSpec, LesionSpec, Phantom, PhantomSpec, WrittenStudy, simulate, write_study
from phantom.layouts import LAYOUTS

# No luck and no clock: the same examples every time, however busy the machine.
settings.register_profile("repository", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("repository")


@pytest.fixture(scope="session")
def coarse_phantom() -> Phantom:
    """Five phases with a lesion in so few voxels (8 slices) that it serves tests about files, not about places."""
    lesion = LesionSpec(side="right", quadrant="upper-outer", diameter_mm=28, margin="irregular", kinetics="washout")
    return simulate(PhantomSpec(seed=7, grid=GridSpec().coarser(6), lesion=lesion))


@pytest.fixture(scope="session")
def study_in_layout(coarse_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], WrittenStudy]:
    """The coarse phantom as a whole study, with all series that are no phases, in a layout; each is written once."""

    @cache
    def written(layout: str) -> WrittenStudy:
        out: Path = tmp_path_factory.mktemp(layout)
        # Half of the slices of a phase that was broken off have to be a volume still.
        taller = replace(coarse_phantom.spec, grid=replace(coarse_phantom.spec.grid, slices=16))
        return write_study(simulate(taller) if layout == "repeated-pre" else coarse_phantom, layout, out)

    return written


@pytest.fixture(scope="session", params=[name for name, layout in LAYOUTS.items() if layout.outcome == "read"])
def study_in_each_layout(
    request: pytest.FixtureRequest, study_in_layout: Callable[[str], WrittenStudy]
) -> WrittenStudy:
    """The same in each layout that is to be read."""
    return study_in_layout(request.param)
