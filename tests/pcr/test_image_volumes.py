"""A series is taken apart into volumes of one image per position, or it is said why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage
from tiny_mr import (
    AXIAL,
    CORONAL,
    GAP_MM,
    OBLIQUE,
    SAGITTAL,
    Images,
    change,
    dynamic,
    in_one_series,
    mr_image,
    study_of,
)

from pcr.image_plane import plane_of
from pcr.image_times import moment
from pcr.image_volumes import ImageVolume, RejectedSeries, candidate_volumes
from pcr.series_evidence import image_type, values_of


def volumes_of(images: Images) -> list[ImageVolume]:
    return candidate_volumes(study_of(images)).volumes


def rejected_of(images: Images) -> Sequence[RejectedSeries]:
    return candidate_volumes(study_of(images)).rejected


def uids(volume: ImageVolume) -> set[str]:
    return {frame.instance.sop_instance_uid for frame in volume.frames}


def expected(images: Images, phase: int) -> set[str]:
    return {image.SOPInstanceUID for (p, _), image in images.items() if p == phase}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("keyword", ["TemporalPositionIdentifier", "AcquisitionNumber"])
def test_one_series_is_split_by_the_number_that_tells_its_phases_apart(keyword: str, first: int) -> None:
    images = in_one_series(dynamic(3))
    change(images.values(), AcquisitionTime=None)
    for (phase, _), image in images.items():
        setattr(image, keyword, first + phase)
    assert [uids(volume) for volume in volumes_of(images)] == [expected(images, phase) for phase in range(3)]


@pytest.mark.parametrize("keyword", ["AcquisitionTime", "ContentTime", "TriggerTime"])
def test_one_series_is_split_by_times_alone(keyword: str) -> None:
    images = in_one_series(dynamic(3))
    change(images.values(), AcquisitionTime=None)
    for (phase, place), image in images.items():
        # Each slice has a time of its own within its phase.
        setattr(image, keyword, 90000 * phase + place if keyword == "TriggerTime" else f"09{10 + phase}{place:02d}")
    assert [uids(volume) for volume in volumes_of(images)] == [expected(images, phase) for phase in range(3)]


def test_a_temporal_position_on_some_slices_only_gives_way_to_the_acquisition_number() -> None:
    images = in_one_series(dynamic(3))
    change(images.values(), AcquisitionTime=None)
    for (phase, place), image in images.items():
        change(image, AcquisitionNumber=phase + 1, **({"TemporalPositionIdentifier": 1} if place % 3 == 0 else {}))
    assert [uids(volume) for volume in volumes_of(images)] == [expected(images, phase) for phase in range(3)]


def test_numbers_that_are_the_same_throughout_give_way_to_the_times() -> None:
    images = in_one_series(dynamic(3, TemporalPositionIdentifier=1, AcquisitionNumber=1))
    assert [uids(volume) for volume in volumes_of(images)] == [expected(images, phase) for phase in range(3)]


def test_phases_that_overlap_in_time_are_not_told_apart_by_it() -> None:
    images = in_one_series(dynamic(3))
    for (phase, place), image in images.items():
        image.AcquisitionTime = f"09{10 + phase + 2 * place:02d}00"
    (rejected,) = rejected_of(images)
    assert "no attribute tells them apart" in rejected.reason


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
@pytest.mark.parametrize("gap_mm", [GAP_MM, -GAP_MM])
def test_slices_of_a_volume_rise_along_the_normal_however_they_are_numbered(axes, gap_mm: float) -> None:
    (volume,) = volumes_of(dynamic(1, axes=axes, gap_mm=gap_mm))
    along = [plane.along_normal_mm for plane in volume.planes]
    np.testing.assert_allclose(np.diff(along), GAP_MM, atol=1e-4)


@given(jitter=st.lists(st.floats(-0.012, 0.012), min_size=24, max_size=24), start=st.floats(-0.05, 0.05))
def test_positions_that_differ_by_rounding_between_phases_are_the_same(jitter: list[float], start: float) -> None:
    images = in_one_series(dynamic(3))
    for image, offset in zip(images.values(), jitter, strict=True):
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, z + start + offset]
    assert [uids(volume) for volume in volumes_of(images)] == [expected(images, phase) for phase in range(3)]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"Modality": "SEG"}, "modality is SEG"),
        ({"Modality": ""}, "modality is missing"),
        ({"SOPClassUID": CTImageStorage}, "CT Image Storage, which is no MR image"),
        ({"SOPClassUID": EnhancedMRImageStorage}, "multi-frame image"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "image type is DERIVED/PRIMARY"),
        ({"ImageType": "DERIVED"}, "image type is DERIVED,"),
        ({"ImageType": None}, "image type is missing"),
        ({"ImageType": ""}, "image type is missing"),
        ({"ScanningSequence": "SE"}, "no gradient echo"),
        ({"ScanningSequence": None, "RepetitionTime": 30}, "no gradient echo"),
        ({"ScanningSequence": "RM", "MRAcquisitionType": "2D"}, "no gradient echo"),
        ({"SeriesDescription": "FAT: ax dyn"}, "names 'FAT:'"),
        ({"SeriesDescription": "ax dyn 1st pass_SUB"}, "names 'SUB'"),
        ({"SeriesDescription": "3-plane localizer"}, "names 'localizer'"),
        ({"SeriesDescription": "ISPY2: PE2"}, "names 'PE2'"),
        ({"SeriesDescription": "ISPY2: SER"}, "names 'SER'"),
        ({"SeriesDescription": "MIP rotating"}, "names 'MIP'"),
    ],
)
def test_a_series_that_is_no_original_gradient_echo_acquisition_is_rejected_with_its_reason(given, reason: str) -> None:
    (rejected,) = rejected_of(dynamic(1, **given))
    assert reason in rejected.reason


@pytest.mark.parametrize(
    "description",
    ["ISPY2: VOLSER: bi-lateral cropped: original DCE", "Ax Vibrant MultiPhase", "15ML OMNI T1 FS DYN SENSE 5", ""],
)
def test_names_that_scanners_give_dynamic_series_are_no_reason_to_reject_them(description: str) -> None:
    assert len(volumes_of(dynamic(1, SeriesDescription=description))) == 1


def test_a_sequence_of_two_kinds_with_a_gradient_echo_is_a_candidate() -> None:
    assert len(volumes_of(dynamic(1, ScanningSequence=["SE", "GR"]))) == 1


def test_a_sequence_that_is_not_named_is_known_by_its_times() -> None:
    for sequence in ("RM", None):
        assert len(volumes_of(dynamic(1, ScanningSequence=sequence))) == 1


def test_echo_times_that_differ_by_rounding_are_of_one_echo() -> None:
    images = dynamic(1)
    change(images[0, 3], EchoTime=1.402)
    assert len(volumes_of(images)) == 1


def test_an_image_type_that_was_written_as_a_sequence_names_no_kind() -> None:
    image = mr_image()
    del image.ImageType
    image.add(DataElement("ImageType", "SQ", [mr_image()]))
    assert image_type(image) == () == values_of(image.get("ImageType"))


def test_a_series_of_few_images_is_rejected() -> None:
    (rejected,) = rejected_of(dynamic(1, slices=3))
    assert "only 3 slice positions" in rejected.reason


def test_a_bolus_timing_run_on_one_slice_is_no_candidate() -> None:
    images = in_one_series(dynamic(20, slices=1, SeriesDescription="bolus timing"))
    assert not volumes_of(images)
    assert "only 1 slice position" in rejected_of(images)[0].reason


@pytest.mark.parametrize("keyword", ["ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID", "Rows"])
def test_a_series_without_a_place_in_the_patient_is_unsafe(keyword: str) -> None:
    (unsafe,) = candidate_volumes(study_of(dynamic(1, **{keyword: None}))).unsafe
    assert unsafe.refusal.code == "unsupported_object"


@pytest.mark.parametrize("position", [None, [1.0, 2.0], ""])
def test_a_series_without_positions_is_unsafe(position) -> None:
    (unsafe,) = candidate_volumes(study_of(dynamic(1, ImagePositionPatient=position))).unsafe
    assert unsafe.refusal.code == "unsupported_object"
    assert "ImagePositionPatient" in unsafe.refusal.message


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_the_normal_makes_slice_row_and_column_right_handed(orientation) -> None:
    image = mr_image(axes=orientation)
    normal, (along_row, along_column) = plane_of(image).normal, np.array(orientation)
    # Array axes are (slice, row, column): the row index runs down the columns.
    assert np.linalg.det(np.stack([normal, along_column, along_row])) == pytest.approx(1)


@given(place=st.integers(0, 30), axes=st.sampled_from([AXIAL, SAGITTAL, CORONAL, OBLIQUE]))
def test_the_position_along_the_normal_moves_by_the_gap(place: int, axes) -> None:
    moved = plane_of(mr_image(place=place, axes=axes)).along_normal_mm - plane_of(mr_image(axes=axes)).along_normal_mm
    assert abs(moved) == pytest.approx(place * GAP_MM, abs=1e-4)


def test_a_moment_takes_the_acquisition_date_so_that_midnight_does_no_harm() -> None:
    before = mr_image(AcquisitionDate="20200102", AcquisitionTime="235930")
    after = mr_image(AcquisitionDate="20200103", AcquisitionTime="000130.5")
    assert (moment(after, "AcquisitionTime") - moment(before, "AcquisitionTime")).total_seconds() == 120.5


def test_a_trigger_time_is_in_milliseconds() -> None:
    assert moment(mr_image(TriggerTime=1500), "TriggerTime") == datetime(2020, 1, 2, 0, 0, 1, 500000)


@pytest.mark.parametrize("value", [None, "", "25:99", "noon"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR TM:UserWarning")
def test_a_time_that_is_no_time_is_unknown(value) -> None:
    image = mr_image()
    image.AcquisitionTime = None
    if value:
        image["AcquisitionTime"]._value = value
    assert moment(image, "AcquisitionTime") is None


def test_a_time_without_any_date_still_orders() -> None:
    image = mr_image(AcquisitionDate=None, StudyDate=None, ContentDate=None)
    assert moment(image, "AcquisitionTime") == datetime(1900, 1, 1, 9, 7)


def test_values_of_an_attribute_do_not_depend_on_their_order() -> None:
    image = mr_image()
    assert values_of(image.get("SequenceVariant")) == ("OSP", "SP")
    assert values_of(image.get("ScanningSequence")) == ("GR",)
    assert values_of(image.get("ScanOptions")) == ()
    assert values_of(mr_image(EchoNumbers=1).get("EchoNumbers")) == ("1",)
