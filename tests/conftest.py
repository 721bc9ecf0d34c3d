"""What all tests share: how hypothesis runs, and simulated studies."""

from __future__ import annotations

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


@pytest.fixture(scope="session", params=list(LAYOUTS))
def study_in_each_layout(
    request: pytest.FixtureRequest, coarse_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory
) -> WrittenStudy:
    """The coarse phantom as a whole study, with all series that are no phases, in each layout that scanners write."""
    out: Path = tmp_path_factory.mktemp(request.param)
    return write_study(coarse_phantom, request.param, out)
