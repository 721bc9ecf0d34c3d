"""The report says what was found, on which images, by which algorithm, and other software reads it by code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.seg import Segmentation
from highdicom.sr import Comprehensive3DSR, srread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.case import PredictedCase, grow
from pcr.clinical import ClinicalRecord
from pcr.lesion import LesionSource
from pcr.report import codes as concepts
from pcr.report.attribution import attribute_case
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.seg import make_segmentation
from pcr.report.sr import make_report


def written(case: PredictedCase, made: Provenance, folder: Path) -> tuple[Comprehensive3DSR, Segmentation]:
    """The report as another program reads it from its file, and the segmentation it refers to."""
    attribution = attribute_case(case, made)
    segmentation = make_segmentation(case, attribution)
    make_report(case, segmentation, attribution).save_as(folder / "sr.dcm")
    return srread(folder / "sr.dcm"), segmentation


def texts(report: pydicom.Dataset) -> list[str]:
    """All sentences of a report."""
    found = [str(report.TextValue)] if "TextValue" in report else []
    return found + [text for item in report.get("ContentSequence", ()) for text in texts(item)]


def value_of(group: object, name: Code) -> float:
    """The one measurement of a group with this name."""
    (measurement,) = group.get_measurements(name)  # type: ignore[attr-defined]
    return float(measurement.value)


def answer_of(group: object, name: Code) -> list[Code]:
    """The answers that a group gives to a qualitative question."""
    return [item.value for item in group.get_qualitative_evaluations(name)]  # type: ignore[attr-defined]


def test_the_lesion_is_measured_in_the_units_of_its_codes(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, segmentation = written(case, made, tmp_path)
    uid = segmentation.SegmentSequence[0].TrackingUID
    (group,) = report.content.get_volumetric_roi_measurement_groups(tracking_uid=uid)
    assert value_of(group, codes.SCT.Volume) == pytest.approx(case.lesion.volume_ml, abs=0.005)
    assert value_of(group, codes.SCT.LongAxis) == pytest.approx(case.lesion.longest_diameter_mm, abs=0.005)
    assert group.get_measurements(codes.SCT.Volume)[0].unit == codes.UCUM.CubicCentimeter
    assert answer_of(group, concepts.CURVE_TYPE) == [codes.DCM.WashoutDelayedPhaseType3Curve]
    assert group.finding_type == codes.SCT.Neoplasm
    assert (group.finding_sites[0].value, group.finding_sites[0].laterality) == (codes.SCT.Breast, codes.SCT.Right)


def test_the_lesion_group_refers_to_the_segment(case: PredictedCase, made: Provenance, tmp_path: Path) -> None:
    report, segmentation = written(case, made, tmp_path)
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    reference = group.referenced_segment[0]
    assert group.tracking_identifier == segmentation.SegmentSequence[0].TrackingID
    assert reference.referenced_sop_instance_uid == segmentation.SOPInstanceUID
    assert reference.referenced_segment_numbers == [1]


def test_the_probability_is_a_measurement_in_percent(case: PredictedCase, made: Provenance, tmp_path: Path) -> None:
    report, _ = written(case, made, tmp_path)
    group = group_of(report)
    assert value_of(group, concepts.PROBABILITY) == pytest.approx(34.21)
    assert value_of(group, concepts.PROBABILITY_LOW) == pytest.approx(28)
    assert value_of(group, concepts.PROBABILITY_HIGH) == pytest.approx(41)
    assert value_of(group, concepts.THRESHOLD) == pytest.approx(45)
    assert value_of(group, concepts.ATTENTION_INSIDE) == pytest.approx(
        100 * case.attention.inside_fraction(case.lesion.mask), abs=0.005
    )
    assert value_of(group, concepts.BASE_RATE) == pytest.approx(32.3)


def test_the_model_and_its_checksum_are_named(case: PredictedCase, made: Provenance, tmp_path: Path) -> None:
    said = texts(written(case, made, tmp_path)[0])
    assert {made.model_name, made.model_version, f"sha256={made.model_sha256}"} <= set(said)


@pytest.mark.parametrize("source", ["kinetic", "segmentation"])
def test_it_says_whose_outline_it_is(
    case: PredictedCase, made: Provenance, tmp_path: Path, source: LesionSource
) -> None:
    outlined = grow(case, PredictedCase, lesion=replace(case.lesion, source=source))
    report, _ = written(outlined, made, tmp_path)
    assert answer_of(group_of(report), concepts.OUTLINE) == [concepts.OUTLINED_BY[source]]


def test_the_diameter_of_the_largest_section_is_drawn_on_its_image(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, made, tmp_path)
    (diameter,) = group_of(report).get_measurements(concepts.SECTION_LONG_AXIS)
    (shown,) = diameter.referenced_coordinates
    image = shown.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    frame = case.volume.series.phase("early").frames[case.lesion.largest_slice]
    columns, rows = np.reshape(shown.GraphicData, (2, 2)).T - 0.5
    section = np.argwhere(case.lesion.mask[case.lesion.largest_slice])
    assert image == frame.instance.sop_instance_uid
    assert np.hypot(*np.diff([columns, rows * 1.5])) == pytest.approx(diameter.value, abs=0.01)
    for row, column in zip(rows, columns, strict=True):
        assert np.abs(section - (row, column)).max(axis=1).min() <= 0.7


def test_a_model_that_does_not_tell_its_base_rate_has_none_reported(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, replace(made, base_rate=None), tmp_path)
    assert group_of(report).get_measurements(concepts.BASE_RATE) == []


def test_the_longest_diameter_shows_its_ends_in_the_patient(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, made, tmp_path)
    (diameter,) = group_of(report).get_measurements(codes.SCT.LongAxis)
    (shown,) = diameter.referenced_coordinates
    ends = np.reshape(shown.GraphicData, (2, 3))
    assert shown.GraphicType == "POLYLINE"
    assert shown.ReferencedFrameOfReferenceUID == case.volume.geometry.frame_of_reference_uid
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(diameter.value, abs=0.01)
    np.testing.assert_allclose(ends, case.lesion.diameter_ends_lps_mm, atol=1e-3)


@pytest.mark.parametrize(
    ("above", "said"),
    [(True, concepts.ABOVE_THRESHOLD), (False, concepts.BELOW_THRESHOLD), (None, concepts.NOT_JUDGED)],
)
def test_the_threshold_is_judged_only_where_it_can_be(
    predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path, above: bool | None, said: Code
) -> None:
    report, _ = written(predict(above=above), made, tmp_path)
    assert answer_of(group_of(report), concepts.AGAINST_THRESHOLD) == [said]


def test_clinical_inputs_are_coded_and_missing_ones_listed(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, made, tmp_path)
    group = group_of(report)
    assert value_of(group, codes.DCM.SubjectAge) == 55
    assert answer_of(group, concepts.CLINICAL["hr"]) == [codes.SCT.Positive]
    assert answer_of(group, concepts.CLINICAL["her2"]) == [codes.SCT.Negative]
    assert answer_of(group, concepts.INPUT_MISSING) == [codes.DCM.MenopausalPhase]


def test_without_a_record_every_input_is_missing(
    predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(predict(record=ClinicalRecord()), made, tmp_path)
    group = group_of(report)
    assert len(answer_of(group, concepts.INPUT_MISSING)) == 4
    assert not group.get_measurements(codes.DCM.SubjectAge)


def test_menopausal_status_is_coded(predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path) -> None:
    report, _ = written(predict(record=ClinicalRecord(menopausal_status="post")), made, tmp_path)
    assert answer_of(group_of(report), codes.DCM.MenopausalPhase) == [codes.SCT.AfterMenopause]


def test_every_image_of_every_phase_and_the_segmentation_are_evidence(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, segmentation = written(case, made, tmp_path)
    referenced = {str(sop) for _, _, sop, _ in report.get_evidence(current_procedure_only=True)}
    images = {f.instance.sop_instance_uid for phase in case.volume.series.phases for f in phase.frames}
    assert referenced == images | {segmentation.SOPInstanceUID}


def test_the_image_library_has_one_image_of_each_phase_with_its_time(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, made, tmp_path)
    (library,) = [item for item in report.content[0].ContentSequence if item.name == codes.DCM.ImageLibrary]
    shown = [
        (
            group.ContentSequence[0].value,
            group.ContentSequence[1].value,
            group.ContentSequence[2].value,
            group.ContentSequence[3].referenced_sop_instance_uid,
        )
        for group in library.ContentSequence
    ]
    assert shown == [
        (
            concepts.PHASES[phase.role],
            phase.after_injection_s,
            concepts.INJECTION_SOURCES["estimated"],
            phase.frames[case.lesion.largest_slice].instance.sop_instance_uid,
        )
        for phase in case.volume.series.phases
    ]


def test_warnings_and_the_research_notice_are_in_the_report(
    case: PredictedCase, made: Provenance, tmp_path: Path
) -> None:
    report, _ = written(case, made, tmp_path)
    assert RESEARCH_NOTICE in texts(report)
    assert set(case.warnings) <= set(texts(report))
    assert report.ContentQualification == "RESEARCH"


def test_the_report_is_complete_but_verified_by_nobody(case: PredictedCase, made: Provenance, tmp_path: Path) -> None:
    report, _ = written(case, made, tmp_path)
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    assert "Person Observer Name" not in str(report)


def group_of(report: Comprehensive3DSR) -> object:
    """The one group of the report: that of the lesion."""
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    assert report.content.get_image_measurement_groups() == []
    return group
