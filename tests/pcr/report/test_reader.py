"""What the report says comes back out of it, in the words of result.json."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydantic import BaseModel
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from pcr.case import PredictedCase
from pcr.clinical import ClinicalRecord
from pcr.report import codes as concepts
from pcr.report.attribution import Attribution
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.reader import read_report
from pcr.report.result import ModelFacts, StudyResult, completed
from pcr.report.seg import make_segmentation
from pcr.study import Instance, Series
from tests.pcr.report.written_reports import PREDICTION, group_of, item_of, name_of, phase_groups_of, written

ALGORITHM = (codes.DCM.AlgorithmName, codes.DCM.AlgorithmVersion, codes.DCM.AlgorithmParameters)
NEWER = (
    concepts.BASE_RATE,
    concepts.OUTLINE,
    concepts.SECTION_LONG_AXIS,
    concepts.INPUT_SOURCE,
    concepts.WARNING,
)


def expected(case: PredictedCase, made: Provenance) -> StudyResult:
    """What result.json says of a case."""
    model = ModelFacts(
        name=made.model_name,
        version=made.model_version,
        sha256=made.model_sha256,
        provider=made.provider,
        base_rate=made.base_rate,
    )
    return completed(case, model, RESEARCH_NOTICE, ())


def rounded(facts: BaseModel, digits: int) -> dict[str, Any]:
    """Facts as JSON has them, with as many digits as the report."""
    content: dict[str, Any] = json.loads(
        facts.model_dump_json(), parse_float=lambda number: round(float(number), digits)
    )
    return content


def shared(facts: dict[str, Any], with_these: dict[str, Any]) -> dict[str, Any]:
    """Those of the facts that the others have too."""
    return {name: value for name, value in facts.items() if name in with_these}


@pytest.fixture(scope="module")
def file(case: PredictedCase, made: Provenance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the case."""
    return written(case, made, tmp_path_factory.mktemp("report") / "sr.dcm")


def test_the_facts_are_those_of_result_json(case: PredictedCase, made: Provenance, file: Path) -> None:
    facts, result = read_report(file), expected(case, made)
    assert rounded(facts.prediction, 4) == rounded(result.prediction, 4)
    assert rounded(facts.attention, 4) == rounded(result.attention, 4)
    assert shared(facts.model.model_dump(), result.model.model_dump()) == result.model.model_dump()
    lesion, other = rounded(facts.lesion, 2), rounded(result.lesion, 2)
    for name in ("source", "volume_ml", "longest_diameter_mm", "section_diameter_mm", "laterality"):
        assert lesion[name] == other[name]
    assert lesion["kinetics"] == shared(other["kinetics"], lesion["kinetics"])
    for phase, told in zip(facts.phases, result.phases, strict=True):
        assert shared(rounded(told, 1), phase.model_dump()) == shared(phase.model_dump(), rounded(told, 1))
    assert result.selection is not None
    assert facts.injection_source == result.selection.injection_source
    assert facts.study_instance_uid == result.study_instance_uid
    assert facts.warnings == result.warnings
    assert facts.notice == result.notice


def test_what_only_the_report_holds_comes_out_too(
    case: PredictedCase, made: Provenance, attribution: Attribution, file: Path
) -> None:
    facts, outline = read_report(file), make_segmentation(case, attribution)
    assert facts.status.model_dump() == {
        "completion_flag": "COMPLETE",
        "verification_flag": "UNVERIFIED",
        "preliminary_flag": "PRELIMINARY",
        "content_qualification": "RESEARCH",
    }
    assert facts.procedure_reported.value == concepts.MRI_OF_BREAST.value
    assert facts.model.software_version == made.software_version
    assert facts.lesion.tracking_uid == outline.SegmentSequence[0].TrackingUID
    assert facts.lesion.segmentation.model_dump() == {"sop_instance_uid": outline.SOPInstanceUID, "segment_number": 1}
    largest = [phase.frames[case.lesion.largest_slice].instance for phase in case.volume.series.phases]
    assert [phase.sop_instance_uid for phase in facts.phases] == [image.sop_instance_uid for image in largest]


def test_the_longest_diameter_has_its_ends_in_the_patient(case: PredictedCase, file: Path) -> None:
    lesion = read_report(file).lesion
    assert lesion.diameter_ends_lps_mm is not None
    for end, true_end in zip(lesion.diameter_ends_lps_mm, case.lesion.diameter_ends_lps_mm, strict=True):
        assert end == pytest.approx(true_end, abs=1e-4)
    assert lesion.frame_of_reference_uid == case.volume.series.phase("early").frames[0].plane.frame_of_reference_uid


def test_the_diameter_of_the_largest_section_has_its_ends_on_an_image(case: PredictedCase, file: Path) -> None:
    section, lesion = read_report(file).lesion.section, case.lesion
    assert section is not None
    frame = case.volume.series.phase("early").frames[lesion.largest_slice]
    assert section.sop_instance_uid == frame.instance.sop_instance_uid
    row_mm, column_mm = frame.plane.pixel_spacing_mm
    (first_column, first_row), (last_column, last_row) = section.ends_column_row
    length_mm = math.hypot((last_column - first_column) * column_mm, (last_row - first_row) * row_mm)
    assert length_mm == pytest.approx(lesion.section_diameter_mm, abs=0.01)


@pytest.mark.parametrize("above", [True, False, None])
def test_each_judgement_against_the_threshold_comes_back(
    case: PredictedCase, made: Provenance, tmp_path: Path, above: bool | None
) -> None:
    judged = replace(case.prediction, above_threshold=above, threshold=0.3 if above else 0.45)
    facts = read_report(written(replace(case, prediction=judged), made, tmp_path / "sr"))
    assert facts.prediction.above_threshold is above


@pytest.mark.parametrize(
    "record",
    [
        ClinicalRecord(),
        ClinicalRecord(age=47.5, hr=False, her2=True, menopausal_status="peri", source="FHIR Bundle"),
        ClinicalRecord(menopausal_status="pre", er=True, source="clinical.json, age from the DICOM header"),
    ],
)
def test_clinical_inputs_come_back_as_the_model_read_them(
    predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path, record: ClinicalRecord
) -> None:
    case = predict(record=record)
    facts, result = read_report(written(case, made, tmp_path / "sr")).clinical, expected(case, made).clinical
    assert result is not None
    assert facts.used == result.used
    assert set(facts.missing) == set(result.missing)
    assert facts.source == result.source


def test_warnings_in_any_script_come_back_and_no_identity_does(
    predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path
) -> None:
    identity = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Ямада^Таро=山田^太郎", "PatientID": "ID-4711"}
    told = ("Фаза 3 сдвинута на 4 мм.", "腫瘍の近くに別の病変があります。", "Source: é")
    facts = read_report(written(replace(predict(identity=identity), warnings=told), made, tmp_path / "sr"))
    assert facts.warnings == told
    content = facts.model_dump_json()
    assert not any(word in content for word in ("Ямада", "山田", "ID-4711", "19700101", "1970-01-01"))


def test_a_report_names_those_that_it_follows(case: PredictedCase, made: Provenance, tmp_path: Path) -> None:
    first = written(case, made, tmp_path / "first")
    header = pydicom.dcmread(first)
    held = Series(header.SeriesInstanceUID, (Instance(first, header),))
    later = replace(case, study=replace(case.study, series=(*case.study.series, held)))
    second = read_report(written(later, replace(made, model_sha256="a" * 64), tmp_path / "second"))
    assert second.predecessors == (read_report(first).sop_instance_uid,)
    assert read_report(first).predecessors == ()


def test_a_report_of_version_0_3_is_read_with_what_it_did_not_hold_as_null(file: Path, tmp_path: Path) -> None:
    report = pydicom.dcmread(file)
    as_in_version_0_3(report)
    report.save_as(tmp_path / "old")
    new, old = read_report(file), read_report(tmp_path / "old")
    newer = ("source", "diameter_ends_lps_mm", "frame_of_reference_uid", "section_diameter_mm", "section")
    assert old.lesion == new.lesion.model_copy(update=dict.fromkeys(newer))
    assert old.prediction == new.prediction
    assert old.model == new.model.model_copy(update={"base_rate": None})
    assert (old.phases, old.injection_source) == (new.phases, None)
    assert (old.attention, old.clinical, old.warnings) == (new.attention, new.clinical, new.warnings)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_a_report_that_a_pacs_wrote_in_another_transfer_syntax_is_read(file: Path, tmp_path: Path, syntax: UID) -> None:
    report = pydicom.dcmread(file)
    report.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(tmp_path / "sr", report, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    assert read_report(tmp_path / "sr") == read_report(file)


def as_in_version_0_3(report: Dataset) -> None:
    """Give prediction and inputs groups of their own, remarks as comments, and no newer facts."""
    for phase in phase_groups_of(report):
        phase.ContentSequence.remove(item_of(phase, concepts.INJECTION_SOURCE))
    lesion = group_of(report)
    items = [item for item in lesion.ContentSequence if name_of(item) not in NEWER]
    prediction = [item for item in items if name_of(item) in (*ALGORITHM, *PREDICTION, codes.DCM.Comment)]
    inputs = [item for item in items if name_of(item) in (*concepts.CLINICAL.values(), concepts.INPUT_MISSING)]
    for item in lesion.ContentSequence:
        if name_of(item) in (concepts.INPUT_SOURCE, concepts.WARNING):
            is_source = name_of(item) == concepts.INPUT_SOURCE
            item.TextValue = f"Source of the clinical inputs: {item.TextValue}" if is_source else item.TextValue
            item.ConceptNameCodeSequence = next(
                i for i in items if name_of(i) == codes.DCM.Comment
            ).ConceptNameCodeSequence
            (inputs if is_source else prediction).append(item)
        elif name_of(item) == concepts.LONG_AXIS:
            del item.ContentSequence
    lesion.ContentSequence = [item for item in items if item not in prediction and item not in inputs]
    for content in (prediction, inputs):
        group = Dataset()
        group.RelationshipType, group.ValueType, group.ContinuityOfContent = "CONTAINS", "CONTAINER", "SEPARATE"
        group.ConceptNameCodeSequence = lesion.ConceptNameCodeSequence
        group.ContentSequence = content
        report.ContentSequence[-1].ContentSequence.append(group)
