"""The other direction: a report of ours, from its file back to its facts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from highdicom.sr import Comprehensive3DSR, ValueTypeValues
from highdicom.sr.utils import find_content_items
from pydantic import ValidationError
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from pcr.clinical import ClinicalRecord
from pcr.contrast import InjectionSource
from pcr.dicom_file import Header, read_header
from pcr.manifest import ClinicalName
from pcr.report import codes as concepts
from pcr.report.provenance import RESEARCH_NOTICE, SOFTWARE_NAME, is_own_making
from pcr.report.report_facts import (
    CodeFacts,
    ReportedClinical,
    ReportedKinetics,
    ReportedLesion,
    ReportedModel,
    ReportedPhase,
    ReportedPrediction,
    ReportFacts,
    SectionFacts,
    SegmentFacts,
    StatusFacts,
)
from pcr.report.result import AttentionFacts

# The evidence of 100,000 images takes half of it.
MAX_REPORT_BYTES = 32 * 2**20
# A study of 40 phases has some 1,000; each costs a millisecond.
MAX_CONTENT_ITEMS = 10_000

# How 0.3.0 and earlier began the comment that says it.
_SOURCE_OF_INPUTS = "Source of the clinical inputs: "

_T = TypeVar("_T")


class UnreadableReport(Exception):
    """A file is no report of ours, or a damaged one; the message is one sentence that says what to do."""


def read_report(path: Path) -> ReportFacts:
    """The facts of a report that this software made, in this version or an earlier one.

    They are found by their codes in the groups of TID 1500, wherever they stand there.

    Raises:
        UnreadableReport: the file can not be read, is not ours, is not the report, or does not hold its facts once;
            or facts can not be, or contradict each other.
    """
    header = _header(path)
    try:
        _check_size(header)
        return _facts(Comprehensive3DSR.from_dataset(header, copy=False))
    except UnreadableReport:
        raise
    except ValidationError as error:
        raise _contradicted(error) from error
    except Exception as error:  # damaged content breaks the parsers in ways that have no common type
        raise _damaged("has values that can not be read") from error


def _header(path: Path) -> Header:
    """The data set of a file that claims to be a report of ours."""
    try:
        if not path.is_file():
            seen = "that is no regular file" if path.exists() else "there is no such file"
            raise UnreadableReport(f"{seen}; name a report in the folder SR of a result")
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise UnreadableReport(f"the file is larger than any report of {SOFTWARE_NAME}; name the report itself")
        found = read_header(path, MAX_REPORT_BYTES)
    except (OSError, ValueError):  # a name with a null character is no name
        raise UnreadableReport("the file can not be read; check its name and permissions") from None
    if found is None:
        raise UnreadableReport("the file is no DICOM file, or a damaged one; fetch it from the PACS again")
    header, _ = found
    if not is_own_making(header):
        raise UnreadableReport(f"the file was not made by {SOFTWARE_NAME}; read it with the software that made it")
    if header.get("SOPClassUID") != Comprehensive3DSRStorage:
        raise UnreadableReport(f"the file is of {SOFTWARE_NAME} but no report; name the file in the folder SR")
    return header


def _check_size(header: Header) -> None:
    """Refuse a tree of content items that would take minutes."""
    waiting: list[Dataset] = [header]
    count = 0
    while waiting:
        waiting.extend(waiting.pop().get("ContentSequence") or ())
        count += 1
        if count + len(waiting) > MAX_CONTENT_ITEMS:
            raise _damaged("holds more items than any report")


def _facts(report: Comprehensive3DSR) -> ReportFacts:
    (root,) = report.content
    (measurements,) = _items(root, codes.DCM.ImagingMeasurements, ValueTypeValues.CONTAINER)
    groups = _items(measurements, codes.DCM.MeasurementGroup, ValueTypeValues.CONTAINER)
    lesion = _only([group for group in groups if _is_lesion(group)], codes.SCT.Neoplasm)
    # Up to 0.3.0 the prediction had a group of its own with the model as its algorithm, and the inputs had one.
    predicted = _only([group for group in groups if _numbers(group, concepts.PROBABILITY)], concepts.PROBABILITY)
    said = Dataset()
    said.ContentSequence = [item for group in groups for item in group.ContentSequence]
    source, warnings = _remarks(said)
    return ReportFacts(
        notice=RESEARCH_NOTICE,
        study_instance_uid=report.StudyInstanceUID,
        series_instance_uid=report.SeriesInstanceUID,
        sop_instance_uid=report.SOPInstanceUID,
        predecessors=tuple(_predecessors(report)),
        status=_status(report),
        procedure_reported=_procedure(root),
        prediction=_prediction(said),
        phases=tuple(_phases(report, root)),
        injection_source=_injection_source(root),
        clinical=_clinical(said, source),
        lesion=_lesion(lesion),
        attention=AttentionFacts(inside_lesion_fraction=_share(said, concepts.ATTENTION_INSIDE)),
        model=_model(report, predicted),
        warnings=warnings,
    )


def _remarks(said: Dataset) -> tuple[str, tuple[str, ...]]:
    """Where the clinical inputs came from, and the warnings; up to 0.3.0 both were comments."""
    if _texts(said, concepts.INPUT_SOURCE):
        return _text(said, concepts.INPUT_SOURCE), tuple(item.value for item in _texts(said, concepts.WARNING))
    comments = [item.value for item in _texts(said, codes.DCM.Comment)]
    source = next(text for text in comments if text.startswith(_SOURCE_OF_INPUTS))
    warnings = tuple(text for text in comments if text not in (RESEARCH_NOTICE, source))
    return source.removeprefix(_SOURCE_OF_INPUTS), warnings


def _status(report: Dataset) -> StatusFacts:
    return StatusFacts(
        completion_flag=report.CompletionFlag,
        verification_flag=report.VerificationFlag,
        preliminary_flag=report.PreliminaryFlag,
        content_qualification=report.ContentQualification,
    )


def _predecessors(report: Dataset) -> Iterator[str]:
    for study in report.get("PredecessorDocumentsSequence") or ():
        for series in study.ReferencedSeriesSequence:
            yield from (instance.ReferencedSOPInstanceUID for instance in series.ReferencedSOPSequence)


def _procedure(root: Dataset) -> CodeFacts:
    procedure = _only(_codes(root, codes.DCM.ProcedureReported), codes.DCM.ProcedureReported).value
    return CodeFacts(value=procedure.value, scheme=procedure.scheme_designator, meaning=procedure.meaning)


def _prediction(said: Dataset) -> ReportedPrediction:
    return ReportedPrediction(
        probability=_share(said, concepts.PROBABILITY),
        interval=(_share(said, concepts.PROBABILITY_LOW), _share(said, concepts.PROBABILITY_HIGH)),
        threshold=_share(said, concepts.THRESHOLD),
        above_threshold=_answer(said, concepts.AGAINST_THRESHOLD, concepts.JUDGEMENT),
        imaging_probability=_share(said, concepts.PROBABILITY_IMAGING),
        clinical_probability=_share(said, concepts.PROBABILITY_CLINICAL),
    )


def _model(report: Dataset, predicted: Dataset) -> ReportedModel:
    """TID 4019 of the group that holds the probability."""
    parameters = dict(item.value.split("=", 1) for item in _texts(predicted, codes.DCM.AlgorithmParameters))
    return ReportedModel(
        name=_text(predicted, codes.DCM.AlgorithmName),
        version=_text(predicted, codes.DCM.AlgorithmVersion),
        sha256=parameters["sha256"],
        provider=parameters["execution provider"],
        base_rate=_share(predicted, concepts.BASE_RATE) if _numbers(predicted, concepts.BASE_RATE) else None,
        software_version=report["SoftwareVersions"].value,
    )


def _phases(report: Comprehensive3DSR, root: Dataset) -> Iterator[ReportedPhase]:
    """TID 1600: its groups, with the series of the images from the evidence."""
    series = {sop_instance: series for _, series, sop_instance, _ in report.get_evidence()}
    for group in _phase_groups(root):
        image = _only(_items(group, codes.SCT.Source, ValueTypeValues.IMAGE), codes.SCT.Source)
        yield ReportedPhase(
            role=_answer(group, concepts.CONTRAST_PHASE, concepts.PHASES),
            after_injection_s=_number(group, concepts.TIME_SINCE_INJECTION, codes.UCUM.Second),
            series_instance_uid=series[image.referenced_sop_instance_uid],
            sop_instance_uid=image.referenced_sop_instance_uid,
            frame_number=_frame_number(image),
        )


def _phase_groups(root: Dataset) -> Iterator[Dataset]:
    for library in _items(root, codes.DCM.ImageLibrary, ValueTypeValues.CONTAINER):
        yield from _items(library, codes.DCM.ImageLibraryGroup, ValueTypeValues.CONTAINER)


def _injection_source(root: Dataset) -> InjectionSource | None:
    """Every phase says the same of the one injection; up to 0.3.0 none says it."""
    name = concepts.INJECTION_SOURCE
    groups = list(_phase_groups(root))
    said = [_answer(group, name, concepts.INJECTION_SOURCES) for group in groups if _codes(group, name)]
    if said and (len(said) < len(groups) or len(set(said)) > 1):
        raise _damaged(f"has phases that differ in '{name.meaning}'")
    return said[0] if said else None


def _frame_number(image: Dataset) -> int | None:
    numbers = image.referenced_frame_numbers
    return int(numbers[0]) if numbers else None


def _lesion(group: Dataset) -> ReportedLesion:
    site = _only(_codes(group, codes.SCT.FindingSite), codes.SCT.FindingSite)
    (tracking_uid,) = _items(group, codes.DCM.TrackingUniqueIdentifier, ValueTypeValues.UIDREF)
    ends = _shown(group, concepts.LONG_AXIS, ValueTypeValues.SCOORD3D)
    return ReportedLesion(
        source=_answer(group, concepts.OUTLINE, concepts.OUTLINED_BY) if _codes(group, concepts.OUTLINE) else None,
        tracking_identifier=_text(group, codes.DCM.TrackingIdentifier),
        tracking_uid=tracking_uid.value,
        volume_ml=_number(group, concepts.VOLUME, codes.UCUM.CubicCentimeter),
        longest_diameter_mm=_number(group, concepts.LONG_AXIS, codes.UCUM.Millimeter),
        diameter_ends_lps_mm=None if ends is None else ends.value.tolist(),
        frame_of_reference_uid=None if ends is None else ends.frame_of_reference_uid,
        section_diameter_mm=_number_if_said(group, concepts.SECTION_LONG_AXIS, codes.UCUM.Millimeter),
        section=_section(group),
        laterality=_answer(site, codes.SCT.Laterality, concepts.LATERALITY),
        kinetics=_kinetics(group),
        segmentation=_segmentation(group),
    )


def _segmentation(group: Dataset) -> SegmentFacts:
    segment = _only(_items(group, codes.DCM.ReferencedSegment, ValueTypeValues.IMAGE), codes.DCM.ReferencedSegment)
    if segment.referenced_sop_class_uid != SegmentationStorage:
        raise _damaged("refers to an outline of the lesion that is no segmentation")
    (number,) = segment.referenced_segment_numbers
    return SegmentFacts(sop_instance_uid=segment.referenced_sop_instance_uid, segment_number=number)


def _section(group: Dataset) -> SectionFacts | None:
    """Where the diameter of the largest section is shown: on one image."""
    ends = _shown(group, concepts.SECTION_LONG_AXIS, ValueTypeValues.SCOORD)
    if ends is None:
        return None
    (image,) = _items(ends, None, ValueTypeValues.IMAGE)
    return SectionFacts(
        ends_column_row=ends.value.tolist(),
        sop_instance_uid=image.referenced_sop_instance_uid,
        frame_number=_frame_number(image),
    )


def _shown(group: Dataset, name: Code, kind: ValueTypeValues) -> Dataset | None:
    """The coordinates of a measurement (TID 320), if it has any."""
    found = [
        item
        for measured in _numbers(group, name)
        if "ContentSequence" in measured
        for item in _items(measured, None, kind)
    ]
    return _only(found, name) if found else None


def _kinetics(group: Dataset) -> ReportedKinetics:
    return ReportedKinetics(
        early_enhancement_percent=_number(group, concepts.EARLY_ENHANCEMENT, codes.UCUM.Percent),
        late_change_percent=_number(group, concepts.LATE_CHANGE, codes.UCUM.Percent),
        signal_enhancement_ratio=_number_if_said(group, concepts.SIGNAL_ENHANCEMENT_RATIO, codes.UCUM.Ratio),
        curve_type=_answer(group, concepts.CURVE_TYPE, concepts.CURVE_TYPES),
    )


def _clinical(said: Dataset, source: str) -> ReportedClinical:
    """The inputs as numbers, as the model reads them and result.json gives them."""
    values: dict[ClinicalName, Any] = {}
    for name, concept in concepts.CLINICAL.items():
        if _numbers(said, concept):
            values[name] = _number(said, concept, codes.UCUM.Year)
        elif _codes(said, concept):
            answers: Mapping[Any, Code] = concepts.MENOPAUSAL if name == "menopausal_status" else concepts.RECEPTOR
            values[name] = _answer(said, concept, answers)
    record = ClinicalRecord(**values)
    return ReportedClinical(
        used={name: value for name in values if (value := record.value(name)) is not None},
        missing=tuple(_meant(item, concepts.CLINICAL) for item in _codes(said, concepts.INPUT_MISSING)),
        source=source,
    )


def _is_lesion(group: Dataset) -> bool:
    return any(finding.value == codes.SCT.Neoplasm for finding in _codes(group, codes.DCM.Finding))


def _share(parent: Dataset, name: Code) -> float:
    """A measurement in percent as a number from 0 to 1, with the digits that the report has of it."""
    share = round(_number(parent, name, codes.UCUM.Percent) / 100, 6)
    if not 0 <= share <= 1:
        raise _damaged(f"has a value out of range for '{name.meaning}'")
    return share


def _number(parent: Dataset, name: Code, unit: Code) -> float:
    item = _only(_numbers(parent, name), name)
    value: float = item.value
    if item.unit != unit or not math.isfinite(value):
        raise _damaged(f"has no number in {unit.meaning} for '{name.meaning}'")
    return value


def _number_if_said(parent: Dataset, name: Code, unit: Code) -> float | None:
    return _number(parent, name, unit) if _numbers(parent, name) else None


def _answer(parent: Dataset, name: Code, answers: Mapping[_T, Code]) -> _T:
    return _meant(_only(_codes(parent, name), name), answers)


def _meant(item: Dataset, meanings: Mapping[_T, Code]) -> _T:
    for meaning, code in meanings.items():
        if item.value == code:
            return meaning
    raise _damaged(f"has an unknown code for '{item.name.meaning}'")


def _text(parent: Dataset, name: Code) -> str:
    value: str = _only(_texts(parent, name), name).value
    return value


def _numbers(parent: Dataset, name: Code) -> list[Dataset]:
    return _items(parent, name, ValueTypeValues.NUM)


def _codes(parent: Dataset, name: Code) -> list[Dataset]:
    return _items(parent, name, ValueTypeValues.CODE)


def _texts(parent: Dataset, name: Code) -> list[Dataset]:
    return _items(parent, name, ValueTypeValues.TEXT)


def _items(parent: Dataset, name: Code | None, kind: ValueTypeValues) -> list[Dataset]:
    """The content items right below another one, by the code of their name (None: any) and their value type."""
    found: list[Dataset] = find_content_items(parent, name=name, value_type=kind)
    return found


def _only(found: Sequence[Dataset], what: Code) -> Dataset:
    if len(found) != 1:
        raise _damaged(f"holds {len(found)} items '{what.meaning}' where there must be one")
    return found[0]


def _contradicted(error: ValidationError) -> UnreadableReport:
    """What is wrong with the first fact that can not be; its value, which may be anything, is not repeated."""
    first, *_ = error.errors(include_url=False, include_context=False, include_input=False)
    if first["type"] == "value_error":
        return _damaged(first["msg"].removeprefix("Value error, "))
    return _damaged(f"has an impossible value for '{'.'.join(map(str, first['loc']))}'")


def _damaged(how: str) -> UnreadableReport:
    return UnreadableReport(
        f"the report {how}: it is damaged, or of a later version than this program; fetch it from the PACS again, or "
        "read it with the version that made it"
    )
