"""Other people's software, and our own checks, find nothing wrong with the objects; and they would, were it there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from pcr.case import IllustratedCase, PredictedCase, grow
from pcr.page import Illustrations
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.report.objects import make_objects, make_refusal_objects
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.publish import object_paths, publish_study
from pcr.report.result import ModelFacts, completed, refused
from pcr.report.settings import ReportSettings
from tests.checks.run import CHECKS, findings
from tests.checks.study import (
    ATTENTION,
    KEY_OBJECTS,
    OVERLAY,
    REPORT,
    SEGMENTATION,
    SUMMARY,
    StudyOnDisk,
    items,
    read_study_on_disk,
    references,
)
from tests.validators import MissingTool

EVERYTHING = ReportSettings(parametric_map=True, key_objects=True, not_evaluable_page=True)
Spoil = Callable[[Any], None]


@pytest.fixture(scope="module")
def model(made: Provenance) -> ModelFacts:
    return ModelFacts(
        name=made.model_name,
        version=made.model_version,
        sha256=made.model_sha256,
        provider=made.provider,
        base_rate=made.base_rate,
    )


@pytest.fixture(scope="module")
def sources(case: PredictedCase) -> list[Path]:
    return [instance.path for series in case.study.series for instance in series.instances]


@pytest.fixture(scope="module")
def results(
    case: PredictedCase,
    pages: Illustrations,
    made: Provenance,
    model: ModelFacts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """All objects of the case and its result.json, as the program publishes them."""
    illustrated = grow(case, IllustratedCase, volume=case.volume.without_pixels(), illustrations=pages)
    objects = make_objects(illustrated, EVERYTHING, made)
    facts = completed(illustrated, model, RESEARCH_NOTICE, object_paths(objects))
    return publish_study(tmp_path_factory.mktemp("results"), facts, objects)


@pytest.fixture(scope="module")
def refusal(case: PredictedCase, made: Provenance, model: ModelFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a study that is refused."""
    reason = NotEvaluable(ReasonCode.NO_LESION_FOUND, "no lesion was found; outline it and send the segmentation")
    objects = make_refusal_objects(case.study, reason, EVERYTHING, made)
    facts = refused(case.study.study_instance_uid, reason, model, RESEARCH_NOTICE, object_paths(objects))
    return publish_study(tmp_path_factory.mktemp("refusal"), facts, objects)


def found(study: StudyOnDisk, check: str) -> list[str]:
    """What a check finds; the test is skipped where its tool is not installed."""
    try:
        return findings(study, check)
    except MissingTool as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_with_the_objects(sources: list[Path], results: Path, check: str) -> None:
    assert found(read_study_on_disk(sources, results), check) == []


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_with_the_page_of_a_refusal(sources: list[Path], refusal: Path, check: str) -> None:
    assert found(read_study_on_disk(sources, refusal), check) == []


def _named(dataset: Dataset, code: str) -> Iterator[Dataset]:
    """Content items by their concept name."""
    for item in items(dataset):
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == code:
            yield item


def _volume_a_thousandfold(report: Dataset) -> None:
    value = next(_named(report, "118565006")).MeasuredValueSequence[0]
    value.NumericValue = str(1000 * float(value.NumericValue))
    value.FloatingPointValue = float(value.NumericValue)


def _volume_in_cubic_millimetres(report: Dataset) -> None:
    _volume_a_thousandfold(report)
    unit = next(_named(report, "118565006")).MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    unit.CodeValue = "mm3"


def _other_tracking_uid(segmentation: Dataset) -> None:
    segmentation.SegmentSequence[0].TrackingUID = "2.25.1"


def _other_side(report: Dataset) -> None:
    next(_named(report, "272741003")).ConceptCodeSequence[0].CodeValue = "7771000"


def _flipped(axis: int) -> Spoil:
    def flip(segmentation: Dataset) -> None:
        shape = (-1, segmentation.Rows, segmentation.Columns)
        bits = np.unpackbits(np.frombuffer(segmentation.PixelData, np.uint8), bitorder="little")
        frames = bits[: int(segmentation.NumberOfFrames) * shape[1] * shape[2]].reshape(shape)
        packed = np.packbits(np.flip(frames, axis).ravel(), bitorder="little").tobytes()
        segmentation.PixelData = packed + b"\0" * (len(packed) % 2)

    return flip


def _without_plane_position(segmentation: Dataset) -> None:
    del segmentation.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def _finer_pixels(segmentation: Dataset) -> None:
    segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [1.5, 1.5]


def _frame_off_its_plane(segmentation: Dataset) -> None:
    position = segmentation.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    position.ImagePositionPatient = [float(position.ImagePositionPatient[0]) + 1, *position.ImagePositionPatient[1:]]


def _reference_to_nowhere(dataset: Dataset) -> None:
    list(references(dataset))[-1].ReferencedSOPInstanceUID = "1.2.3.4"


def _without_evidence(document: Dataset) -> None:
    for study in document.CurrentRequestedProcedureEvidenceSequence:
        del study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]


def _without(code: str) -> Spoil:
    def remove(report: Dataset) -> None:
        report.ContentSequence = [
            item for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue != code
        ]

    return remove


def _mirrored(picture: Dataset) -> None:
    pixels = np.frombuffer(picture.PixelData, np.uint8).reshape(picture.Rows, picture.Columns, 3)
    picture.PixelData = pixels[:, ::-1].tobytes()


def _moved_through_the_slices(picture: Dataset) -> None:
    picture.ImagePositionPatient = [*picture.ImagePositionPatient[:2], float(picture.ImagePositionPatient[2]) + 0.5]


def _other_image(picture: Dataset) -> None:
    first, second = picture.SourceImageSequence
    first.ReferencedSOPInstanceUID, second.ReferencedSOPInstanceUID = (
        second.ReferencedSOPInstanceUID,
        first.ReferencedSOPInstanceUID,
    )


def _mirrored_map(attention: Dataset) -> None:
    cells = np.frombuffer(attention.FloatPixelData, np.float32).reshape(-1, attention.Rows, attention.Columns)
    attention.FloatPixelData = cells[:, :, ::-1].tobytes()


def _fractions(attention: Dataset) -> None:
    attention.FloatPixelData = (np.frombuffer(attention.FloatPixelData, np.float32) / 100).tobytes()


def _swapped(document: Dataset) -> None:
    *others, first, second = document.ContentSequence
    document.ContentSequence = [*others, second, first]


def _with(**values: object) -> Spoil:
    """Sets attributes; None takes one out."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


DEFECTS: list[tuple[int, Spoil, str]] = [
    (REPORT, _volume_in_cubic_millimetres, "highdicom_finds_each_measurement_by_its_code"),
    (REPORT, _volume_in_cubic_millimetres, "dcmqi_reads_the_facts_out_of_the_report"),
    (REPORT, _volume_a_thousandfold, "highdicom_finds_each_measurement_by_its_code"),
    (REPORT, _volume_a_thousandfold, "dcmqi_reads_the_facts_out_of_the_report"),
    (REPORT, _other_side, "highdicom_finds_the_lesion_with_side_and_segment"),
    (REPORT, _without("121058"), "the_report_says_what_it_is"),
    (REPORT, _without("121049"), "the_report_says_what_it_is"),
    (REPORT, _without("111028"), "the_image_library_holds_each_phase_with_its_time"),
    (REPORT, _with(VerificationFlag="VERIFIED"), "the_report_says_what_it_is"),
    (REPORT, _with(CompletionFlag=None), "dciodvfy_finds_nothing"),
    (REPORT, _with(ValueType="TEXT"), "dcmtk_reads_the_reports"),
    (REPORT, _reference_to_nowhere, "every_reference_leads_to_an_object_of_the_study"),
    (REPORT, _without_evidence, "the_evidence_is_complete"),
    (SEGMENTATION, _other_tracking_uid, "highdicom_finds_the_lesion_with_side_and_segment"),
    (SEGMENTATION, _other_tracking_uid, "dcmqi_reads_the_facts_out_of_the_report"),
    (SEGMENTATION, _flipped(0), "the_mask_measures_what_the_program_says"),
    (SEGMENTATION, _flipped(1), "the_mask_measures_what_the_program_says"),
    (SEGMENTATION, _flipped(2), "dcmqi_reads_the_segmentation_at_its_place"),
    (SEGMENTATION, _flipped(2), "the_outline_is_drawn_around_the_lesion"),
    (SEGMENTATION, _without_plane_position, "each_frame_lies_on_the_image_that_it_refers_to"),
    (SEGMENTATION, _without_plane_position, "highdicom_reads_the_segmentation_at_its_place"),
    (SEGMENTATION, _without_plane_position, "dcmqi_reads_the_segmentation_at_its_place"),
    (SEGMENTATION, _finer_pixels, "dcmqi_reads_the_segmentation_at_its_place"),
    (SEGMENTATION, _finer_pixels, "highdicom_reads_the_segmentation_at_its_place"),
    (SEGMENTATION, _frame_off_its_plane, "each_frame_lies_on_the_image_that_it_refers_to"),
    (SEGMENTATION, _with(ReferencedSeriesSequence=None), "the_segment_says_what_it_is"),
    (SUMMARY, _with(Laterality="L"), "the_pictures_of_a_result_say_which_side"),
    (SUMMARY, _with(BurnedInAnnotation=None), "each_picture_says_what_it_is"),
    (SUMMARY, _reference_to_nowhere, "every_reference_leads_to_an_object_of_the_study"),
    (OVERLAY, _mirrored, "each_overlay_shows_its_image"),
    (OVERLAY, _mirrored, "the_outline_is_drawn_around_the_lesion"),
    (OVERLAY, _mirrored, "the_colour_grows_with_the_attention"),
    (OVERLAY, _moved_through_the_slices, "each_overlay_lies_in_the_plane_of_its_image"),
    (OVERLAY, _other_image, "there_is_one_overlay_for_each_slice_of_the_lesion"),
    (OVERLAY, _with(PatientOrientation=["R", "P"]), "the_edges_of_an_overlay_are_named_as_they_point"),
    (OVERLAY, _with(SeriesInstanceUID="2.25.7"), "every_series_is_one_of_those_documented"),
    (OVERLAY, _with(FrameOfReferenceUID="2.25.7"), "no_uid_comes_from_elsewhere"),
    (ATTENTION, _mirrored_map, "the_attention_lies_where_the_model_looked"),
    (ATTENTION, _mirrored_map, "the_colour_grows_with_the_attention"),
    (ATTENTION, _fractions, "the_attention_sums_to_100_percent"),
    (KEY_OBJECTS, _swapped, "the_key_objects_are_the_summary_and_the_largest_section"),
    (KEY_OBJECTS, _without_evidence, "the_evidence_is_complete"),
    (KEY_OBJECTS, _with(PatientID="somebody else"), "every_object_is_of_the_patient_and_study"),
    (KEY_OBJECTS, _with(PatientBirthDate="19700102"), "dcentvfy_finds_source_and_results_consistent"),
    (KEY_OBJECTS, _with(ContentQualification="PRODUCT"), "every_object_says_who_made_it"),
    (KEY_OBJECTS, _with(SeriesDescription="Key images"), "every_series_is_one_of_those_documented"),
]


@pytest.mark.parametrize(("number", "spoil", "check"), DEFECTS)
def test_what_is_planted_is_found(
    sources: list[Path], results: Path, tmp_path: Path, number: int, spoil: Spoil, check: str
) -> None:
    folder = Path(shutil.copytree(results, tmp_path / "results"))
    spoilt = read_study_on_disk(sources, folder).of_series(number)[0]
    spoil(spoilt)
    spoilt.save_as(spoilt.filename)
    assert found(read_study_on_disk(sources, folder), check) != []


def test_a_file_that_nobody_names_is_found(sources: list[Path], results: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(results, tmp_path / "results"))
    (folder / "SC" / "left over").touch()
    assert found(read_study_on_disk(sources, folder), "the_index_of_result_json_names_all_files") != []
