"""What each layout tells its reader: names, numbers, private blocks, and what it keeps from them."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pydicom
import pytest
from layout_samples import headers
from pydicom import uid
from pydicom.dataset import Dataset

from phantom import WrittenStudy
from phantom.layouts import LAYOUTS

NAMES = {
    "duke-siemens-series-per-phase": ["ax dyn pre", *(f"ax dyn {n} pass" for n in ("1st", "2nd", "3rd", "4th"))],
    "duke-siemens-views": ["t1fl3dtradynVIEWSspair pre", "t1fl3dtradynVIEWSspair 1st pass"],
    "duke-siemens-typo": ["ax dyn pre", "ax dyn 1st pas", "ax dyn 2nd pass"],
    "duke-ge-ph-prefix": ["ax 3d dyn", "Ph1/ax 3d dyn", "Ph2/ax 3d dyn", "Ph3/ax 3d dyn", "Ph4/ax 3d dyn"],
    "duke-ge-ordinal-first": ["ax dyn", "1st ax dyn", "2nd ax dyn", "3rd ax dyn", "4th ax dyn"],
    "duke-ge-pre-and-multiphase": ["ax dyn pre", "Ax Vibrant MultiPhase"],
    "duke-ge-pre-and-mp": ["ax 3d dyn", "ax 3d dyn MP"],
    "ispy1-ge-sagittal": ["Dynamic-3dfgre"],
    "ispy1-ge-sagittal-pair": ["RIGHT - Dynamic-3dfgre", "LEFT - Dynamic-3dfgre"],
    "ispy1-bilateral-pre-post": ["BILAT T1 SPGR PRE", "BILAT T1 SPGR POST"],
    "ispy1-one-side-pre-post": ["DCE PRE Right", "DCE POST Right"],
    "ispy1-right-breast": ["T1 right breast", "T1 right breast post", "T1 right breast post delay"],
    "ispy1-siemens-sagittal": [f"ACRIN_6657/FL3D_T1_SAG{end}" for end in ("", "_POS", "_CA")],
}
SYNTAXES = {
    "duke-siemens-rle": uid.RLELossless,
    "duke-siemens-jpegls": uid.JPEGLSLossless,
    "duke-siemens-jpeg2000": uid.JPEG2000Lossless,
    "duke-siemens-jpeg-lossless": uid.JPEGLosslessSV1,
    "duke-siemens-big-endian": uid.ExplicitVRBigEndian,
    "duke-siemens-implicit": uid.ImplicitVRLittleEndian,
    "duke-siemens-deflated": uid.DeflatedExplicitVRLittleEndian,
}


def in_layout(*names: str) -> pytest.MarkDecorator:
    """Run a test with the dynamic series in these layouts."""
    return pytest.mark.parametrize("written", names, indirect=True)


def values(images: list[Dataset], keyword: str) -> set[object]:
    """The different values of an attribute, None where it is absent."""
    return {image.get(keyword) for image in images}


@pytest.mark.parametrize(("written", "names"), NAMES.items(), indirect=["written"])
def test_series_have_the_names_of_the_cohort_in_the_order_of_time(written: WrittenStudy, names: list[str]) -> None:
    found = list(dict.fromkeys(header.SeriesDescription for header in headers(written)))
    assert found[: len(names)] == names


@pytest.mark.parametrize(("written", "syntax"), SYNTAXES.items(), indirect=["written"])
def test_files_have_the_transfer_syntax_that_the_layout_is_named_after(written: WrittenStudy, syntax: uid.UID) -> None:
    assert {header.file_meta.TransferSyntaxUID for header in headers(written)} == {syntax}


@in_layout("duke-siemens-series-per-phase")
def test_duke_has_one_acquisition_number_slices_that_fall_and_an_agent_after_contrast(written: WrittenStudy) -> None:
    images = headers(written)
    assert values(images, "AcquisitionNumber") == {1} and values(images, "TemporalPositionIdentifier") == {None}
    series = defaultdict(list)
    for image in images:
        series[image.SeriesDescription].append(image)
    for name, members in series.items():
        heights = [image.ImagePositionPatient[2] for image in sorted(members, key=lambda image: image.InstanceNumber)]
        assert heights == sorted(heights, reverse=True)
        assert all(("ContrastBolusAgent" in image) == (name != "ax dyn pre") for image in members)


@in_layout("ispy2-ge-tpi", "ispy2-ge-unilateral-tpi")
def test_ge_temporal_positions_count_from_0(written: WrittenStudy) -> None:
    images = headers(written)
    assert len(values(images, "SeriesInstanceUID")) == 1
    assert values(images, "TemporalPositionIdentifier") == {0, 1, 2, 3, 4}
    assert values(images, "AcquisitionNumber") == {None}
    assert images[-1].ContrastBolusStartTime == "090844.000000"  # 104 s after the first phase at 09:07


@in_layout("ispy2-ge-acquisition")
def test_ge_acquisitions_have_temporal_positions_on_some_slices(written: WrittenStudy) -> None:
    images = headers(written)
    assert values(images, "AcquisitionNumber") == {1, 2, 3, 4, 5}
    assert 0 < sum("TemporalPositionIdentifier" in image for image in images) < len(images) / 2


@in_layout("duke-ge-pre-and-multiphase", "duke-ge-pre-and-mp")
def test_ge_multiphase_counts_from_1_after_contrast(written: WrittenStudy) -> None:
    images = [image for image in headers(written) if "ContrastBolusAgent" in image]
    assert values(images, "TemporalPositionIdentifier") == {1, 2, 3, 4}


@in_layout("ispy2-ge-unilateral-tpi", "ispy1-ge-sagittal", "ispy1-right-breast")
def test_one_breast_is_on_one_side_of_the_midline(written: WrittenStudy) -> None:
    geometry = written.phantom.geometry
    corners = geometry.map_indices_to_reference(np.array([(0, 0, 0), np.array(geometry.spatial_shape) - 1]))
    assert (corners[:, 0] < 10).all()
    assert values(headers(written), "ImageLaterality") == {"R"}


@in_layout("times-only", "ispy1-ge-sagittal")
def test_nothing_but_one_time_tells_these_phases_apart(written: WrittenStudy) -> None:
    images = headers(written)
    assert len(values(images, "SeriesInstanceUID")) == 1
    for keyword in ("TemporalPositionIdentifier", "AcquisitionNumber", "TriggerTime"):
        assert values(images, keyword) == {None}
    assert {len(values(images, "ContentTime")), len(values(images, "AcquisitionTime"))} == {1, 5}


@in_layout("times-only")
def test_times_only_is_numbered_slice_by_slice(written: WrittenStudy) -> None:
    in_order = sorted(headers(written), key=lambda image: image.InstanceNumber)
    assert len(values(in_order[:5], "AcquisitionTime")) == 5


@in_layout("ispy2-philips-tpi")
def test_philips_counts_positions_from_1_and_keeps_one_clock_time(written: WrittenStudy) -> None:
    images = headers(written)
    assert values(images, "TemporalPositionIdentifier") == {1, 2, 3, 4, 5}
    assert values(images, "NumberOfTemporalPositions") == {5}
    assert {len(values(images, name)) for name in ("AcquisitionTime", "ContentTime", "SeriesTime")} == {1}
    assert images[0].SeriesNumber % 100 == 1


@pytest.mark.parametrize(
    ("written", "block", "creator"),
    [
        ("blank-manufacturer-philips", 0x2001, "Philips Imaging DD 001"),
        ("blank-manufacturer-philips", 0x2005, "Philips MR Imaging DD 001"),
        ("blank-manufacturer-siemens", 0x0029, "SIEMENS CSA HEADER"),
    ],
    indirect=["written"],
)
def test_private_creators_stay_where_the_manufacturer_is_gone(written: WrittenStudy, block: int, creator: str) -> None:
    for header in headers(written):
        assert header.Manufacturer == "" and "ManufacturerModelName" not in header
        assert header[block, 0x0010].value == creator


@in_layout("ispy1-ge-sagittal-pair", "nact-ge-ir-spgr")
def test_acquisition_2_holds_several_images_of_each_position(written: WrittenStudy) -> None:
    images = headers(written)
    for series in values(images, "SeriesInstanceUID"):
        members = [image for image in images if image.SeriesInstanceUID == series]
        assert Counter(image.AcquisitionNumber for image in members) == {0: 11, 2: 44}


@in_layout("philips-enhanced")
def test_one_enhanced_object_holds_all_phases(written: WrittenStudy) -> None:
    (image,) = headers(written)
    frames = [group.FrameContentSequence[0] for group in image.PerFrameFunctionalGroupsSequence]
    assert [list(frame.DimensionIndexValues) for frame in frames] == [
        [1, p, s] for p in range(1, 6) for s in range(1, 9)
    ]
    assert [frame.TemporalPositionIndex for frame in frames] == [p for p in range(1, 6) for _ in range(8)]


@in_layout("siemens-enhanced-per-phase")
def test_each_phase_is_an_enhanced_object_of_a_series_of_its_own(written: WrittenStudy) -> None:
    images = headers(written)
    assert len(values(images, "SeriesInstanceUID")) == len(images) == 5
    assert values(images, "SOPClassUID") == {uid.EnhancedMRImageStorage}


@in_layout("monochrome1-signed-rescaled")
def test_every_slice_has_a_rescale_of_its_own(written: WrittenStudy) -> None:
    images = headers(written)
    assert len({(image.RescaleSlope, image.RescaleIntercept) for image in images}) == 8
    assert values(images, "PhotometricInterpretation") == {"MONOCHROME1"}
    assert any(pydicom.dcmread(path).pixel_array.min() < 0 for path in written.files)


@in_layout("oblique-non-square")
def test_oblique_slices_lie_between_axial_and_coronal(written: WrittenStudy) -> None:
    image = headers(written)[0]
    assert np.allclose(image.ImageOrientationPatient[:3], (1, 0, 0))
    assert 0.1 < abs(image.ImageOrientationPatient[5]) < 0.5
    assert image.PixelSpacing[0] / image.PixelSpacing[1] == pytest.approx(1.25, rel=0.05)


@in_layout("philips-dixon-water")
def test_dixon_images_are_told_apart_by_image_type_alone(written: WrittenStudy) -> None:
    images = headers(written)
    kinds = Counter(image.ImageType[2] for image in images)
    assert kinds == dict.fromkeys(("WATER", "FAT", "IN_PHASE", "OPP_PHASE"), 40)
    assert all(len(values(images, name)) == 1 for name in ("SeriesInstanceUID", "EchoTime", "EchoNumbers"))


@in_layout("any-dixon-echoes")
def test_echoes_are_told_apart_by_echo_numbers_alone(written: WrittenStudy) -> None:
    images = headers(written)
    assert values(images, "EchoNumbers") == {1, 2}
    assert len(values(images, "EchoTime")) == 1
    at_once = Counter((image.AcquisitionTime, image.ImagePositionPatient[2]) for image in images)
    assert set(at_once.values()) == {2}


@in_layout("repeated-pre")
def test_the_aborted_phase_has_half_of_the_slices_and_no_agent(written: WrittenStudy) -> None:
    aborted, *_ = values(headers(written)[:1], "SeriesInstanceUID")
    images = [image for image in headers(written) if image.SeriesInstanceUID == aborted]
    assert len(images) == 4 and values(images, "ContrastBolusAgent") == {None}


@in_layout("shifted-pre-grid")
def test_a_shifted_pre_has_the_same_slices_and_another_matrix(written: WrittenStudy) -> None:
    pre, post = headers(written)[0], headers(written)[-1]
    assert pre.Rows < post.Rows and pre.FrameOfReferenceUID == post.FrameOfReferenceUID
    assert pre.ImageOrientationPatient == post.ImageOrientationPatient
    heights = {tuple(sorted(values)) for values in _heights_by_series(written).values()}
    assert len(heights) == 1


@in_layout("other-head-multiphase", "other-head-unnamed", "other-fmri-mosaic", "other-enhanced-field-map")
def test_other_parts_of_the_body_are_nowhere_called_breast(written: WrittenStudy) -> None:
    for header in headers(written):
        assert "breast" not in str(header.get("StudyDescription", "")).lower()
        assert "breast" not in str(header.get("SeriesDescription", "")).lower()
        assert header.get("BodyPartExamined") in (None, "HEAD")


def test_named_distractors_are_originals_of_the_dynamic_sequence(with_others: WrittenStudy) -> None:
    for header in headers(with_others):
        if header.SeriesDescription.upper().startswith(("SUB ", "MIP ")) or header.SeriesDescription.endswith("SER"):
            assert list(header.ImageType[:2]) == ["ORIGINAL", "PRIMARY"]
            assert header.Rows == with_others.phantom.voxels.shape[2]


def test_every_kind_of_outcome_has_a_layout() -> None:
    outcomes = Counter(layout.outcome for layout in LAYOUTS.values())
    assert set(outcomes) == {
        "read", "mixed_geometry", "no_dce_series", "no_study", "outside_model_domain", "unsupported_object",
    }  # fmt: skip


def _heights_by_series(written: WrittenStudy) -> dict[str, list[float]]:
    found = defaultdict(list)
    for header in headers(written):
        found[header.SeriesInstanceUID].append(round(float(header.ImagePositionPatient[2]), 3))
    return found
