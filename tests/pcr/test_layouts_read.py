"""Every layout that the phantom writes is read as what it is, or refused with the reason that it should have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pydicom
import pytest
from tiny_mr import CROP

from pcr.phases import DceSeries, select_dce
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox
from pcr.volume import DceVolume, VolumeLimits, load
from phantom import WrittenStudy
from phantom.layouts import LAYOUTS

ROLES = ("pre", "early", "late")
# Refused later, for what the model was made for; the images can be read.
READABLE = {"read", "outside_model_domain"}
READ = [name for name, layout in LAYOUTS.items() if layout.outcome in READABLE]
REFUSED = [name for name, layout in LAYOUTS.items() if layout.outcome not in READABLE]

Written = Callable[[str], WrittenStudy]
each_that_is_read = pytest.mark.parametrize("read", READ, indirect=True)


@dataclass(frozen=True)
class Read:
    """What was written, and what was read of it."""

    written: WrittenStudy
    volumes: tuple[DceVolume, ...]

    @property
    def series(self) -> tuple[DceSeries, ...]:
        return tuple(volume.series for volume in self.volumes)


@pytest.fixture(scope="module")
def read(request: pytest.FixtureRequest, study_in_layout: Written) -> Read:
    written = study_in_layout(request.param)
    (study,) = read_inbox(written.folder).studies
    study.check_identity()
    return Read(written, tuple(load(series, VolumeLimits()) for series in select_dce(study, CROP)))


def test_there_are_enough_layouts_of_either_kind() -> None:
    assert len(READ) >= 14 and len(REFUSED) >= 4


@each_that_is_read
def test_all_phases_are_found_at_their_times_in_distinct_roles(read: Read) -> None:
    expected = [phase.time_s for phase in read.written.phantom.phases]
    for series in read.series:
        assert [phase.time_s for phase in series.phases] == pytest.approx(expected, abs=0.01)
        places = [series.index(role) for role in ROLES]
        assert places[0] == 0 < places[1] < places[2]


@each_that_is_read
def test_every_phase_has_its_own_pixels_in_their_place(read: Read) -> None:
    truth = read.written.phantom
    shown = [v for v in read.volumes if np.allclose(v.geometry.affine, truth.geometry.affine, atol=0.02)]
    assert len(shown) == 1
    for index, (found, voxels) in enumerate(zip(shown[0].pixels, truth.voxels, strict=True)):
        tolerance = 60 if index in shown[0].resampled else 0.01
        assert np.abs(found.astype(float) - voxels).mean() < tolerance
        assert index in shown[0].resampled or np.abs(found.astype(float) - voxels).max() < 0.6


@each_that_is_read
def test_every_series_that_is_no_phase_has_a_reason(read: Read) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in read.written.files]
    others = {h.SeriesInstanceUID for h in headers} - {p.series_instance_uid for s in read.series for p in s.phases}
    rejected = {r.series_instance_uid: r.reason for r in read.series[0].selection.rejected}
    assert others <= set(rejected)
    assert all(rejected.values())


@each_that_is_read
def test_the_choice_is_explained(read: Read) -> None:
    selection = read.series[0].selection
    assert selection.why.startswith(f"{selection.candidates[0].volumes} volumes of one protocol")
    assert len(selection.candidates[0].evidence) >= 4
    points = [candidate.points for candidate in selection.candidates]
    assert points[0] == max(points)


@pytest.mark.parametrize("layout", REFUSED)
def test_what_is_not_to_be_read_is_refused_with_its_reason(layout: str, study_in_layout: Written) -> None:
    with pytest.raises(NotEvaluable) as caught:
        (study,) = read_inbox(study_in_layout(layout).folder).studies
        select_dce(study, CROP)
    assert caught.value.code == LAYOUTS[layout].outcome
    assert len(caught.value.message) > 40
