"""Checks of the structured report: what highdicom's parsers read, and what no tool notices when it is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom.sr as sr
import numpy as np
import pydicom
from pydicom.dataset import Dataset

from tests.checks.measurements import expected_measurements, mismatches
from tests.checks.planes import macro, sections
from tests.checks.study import REPORT, SEGMENTATION, StudyOnDisk, elements, items

_SIDES = {"left": "7771000", "right": "24028007"}
_CURVES = {"persistent": "130597", "plateau": "130598", "washout": "130599"}
_ANSWERS = {0: "260385009", 1: "10828004"}
_CLINICAL = {
    "age": "121033",
    "menopausal_status": "111539",
    "hr": "HR_STATUS",
    "er": "111475",
    "pr": "111476",
    "her2": "48676-1",
}


def highdicom_finds_each_measurement_by_its_code(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    lesion = _lesion_group(study)
    found = {
        (item.name.scheme_designator, item.name.value): (float(item.value), item.unit.value)
        for item in lesion.get_measurements()
    }
    yield from mismatches(found, expected_measurements(study.facts))
    if len(lesion.get_measurements()) != len(found):
        yield "a measurement is there twice"


def highdicom_finds_the_lesion_with_side_and_segment(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    lesion = _lesion_group(study)
    facts, segmentation = study.facts["lesion"], study.only(SEGMENTATION)
    segment = segmentation.SegmentSequence[0]
    (site,) = lesion.finding_sites
    referenced = lesion.referenced_segment
    judged = {True: "ABOVE", False: "BELOW", None: "NOT_JUDGED"}[study.facts["prediction"]["above_threshold"]]
    evaluations = {item.name.value: item.value.value for item in lesion.get_qualitative_evaluations()}
    said = {
        "finding": (lesion.finding_type.value, "108369006"),
        "site": (site.value.value, "76752008"),
        "laterality": (site.laterality.value, _SIDES[facts["laterality"]]),
        "tracking UID": (lesion.tracking_uid, segment.TrackingUID),
        "tracking identifier": (lesion.tracking_identifier, segment.TrackingID),
        "segmentation": (referenced.referenced_sop_instance_uid, segmentation.SOPInstanceUID),
        "segment": (referenced.referenced_segment_numbers, [segment.SegmentNumber]),
        "judgement": (evaluations.get("PCR_JUDGED"), judged),
        "outline": (
            evaluations.get("OUTLINE"),
            {"kinetic": "OUTLINE_KINETIC", "segmentation": "OUTLINE_GIVEN"}[facts["source"]],
        ),
        "curve type": (evaluations.get("CURVE_TYPE"), _CURVES[facts["kinetics"]["curve_type"]]),
    }
    for name, (found, expected) in said.items():
        if found != expected:
            yield f"{name} is {found}, not {expected}"


def the_diameters_have_their_ends_on_the_lesion(study: StudyOnDisk) -> Iterator[str]:
    """The longest one in the patient, that of the largest section on its image (PS3.3 C.18.6.1.2, C.18.9.1.2)."""
    if not study.is_completed:
        return
    lesion, frames = study.facts["lesion"], list(sections(study, study.only(SEGMENTATION)))
    points = np.concatenate([section.points for section in frames])
    slice_mm = float(macro(study.only(SEGMENTATION), 1, "PixelMeasuresSequence").SpacingBetweenSlices)
    (in_patient,) = (item for item in items(study.only(REPORT)) if item.get("ValueType") == "SCOORD3D")
    (on_image,) = (item for item in items(study.only(REPORT)) if item.get("ValueType") == "SCOORD")
    (reference,) = on_image.ContentSequence[0].ReferencedSOPSequence
    largest = max(frames, key=lambda section: int(section.mask.sum()))
    if (reference.ReferencedSOPInstanceUID, reference.get("ReferencedFrameNumber")) != (
        largest.source.SOPInstanceUID,
        largest.source_frame,
    ):
        yield "the diameter on an image is not on that of the largest section"
    if in_patient.ReferencedFrameOfReferenceUID != study.only(SEGMENTATION).FrameOfReferenceUID:
        yield "the ends in the patient are in another frame of reference"
    # The middle of the first pixel is 0.5, 0.5, as column and row.
    pixels = np.reshape(on_image.GraphicData, (-1, 2))[:, ::-1].astype(float) - 0.5
    for name, ends, said in (
        ("longest diameter", np.reshape(in_patient.GraphicData, (-1, 3)).astype(float), lesion["longest_diameter_mm"]),
        ("diameter of the section", largest.source_plane.points(pixels), lesion["section_diameter_mm"]),
    ):
        if len(ends) != 2 or abs(math.dist(*ends) - said) > 0.01:
            yield f"the ends of the {name} are not {said:.2f} mm apart"
        away = max(float(np.linalg.norm(points - end, axis=1).min()) for end in ends)
        if away > math.hypot(slice_mm, *largest.plane.spacing_mm):
            yield f"an end of the {name} lies {away:.1f} mm from the lesion"


def the_report_says_what_it_is(study: StudyOnDisk) -> Iterator[str]:
    """Template, language, observer, procedure, model, and that no person has verified it."""
    if not study.is_completed:
        return
    report, model = study.only(REPORT), study.facts["model"]
    said = {
        "template": (report.ContentTemplateSequence[0].TemplateIdentifier, "1500"),
        "root": (report.ConceptNameCodeSequence[0].CodeValue, "126000"),
        "verification": (report.VerificationFlag, "UNVERIFIED"),
        "completion": (report.CompletionFlag, "COMPLETE"),
        "language": (_coded(report, "121049"), "en-US"),
        "procedure reported": (_coded(report, "121058"), "241615005"),
        "observer type": (_coded(report, "121005"), "121007"),
        "observer model": (_text(report, "121015"), f"{model['name']} {model['version']}"),
        "observer serial number": (_text(report, "121016"), model["sha256"][:16]),
        "private scheme": (
            [item.CodingSchemeDesignator for item in report.CodingSchemeIdentificationSequence],
            ["99BPCR"],
        ),
    }
    for name, (found, expected) in said.items():
        if found != expected:
            yield f"{name} is {found}, not {expected}"
    named = [item for item in items(report) if _name(item) == "111002"]
    if not any(model["sha256"] in item.TextValue for item in named):
        yield "the model's checksum is no parameter of the algorithm"
    if any("responder" in str(element.value).lower() for element in elements(report) if element.VR in ("LO", "UT")):
        yield "it says responder"
    coded = (item for content in report.ContentSequence for item in items(content))
    schemes = {item.CodingSchemeDesignator for item in coded if "CodeValue" in item}
    if not schemes <= {"DCM", "SCT", "UCUM", "LN", "RFC5646", "99BPCR"}:
        yield f"codes of schemes that nobody knows: {sorted(schemes)}"


def the_image_library_holds_each_phase_with_its_time(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    groups = [item for item in items(study.only(REPORT)) if _name(item) == "126200"]
    phases = study.facts["phases"]
    if len(groups) != len(phases):
        yield f"{len(groups)} groups for {len(phases)} phases"
        return
    for group, phase in zip(groups, phases, strict=True):
        (time,) = (item for item in group.ContentSequence if item.ValueType == "NUM")
        measured = time.MeasuredValueSequence[0]
        if abs(float(measured.NumericValue) - phase["after_injection_s"]) > 0.051:
            yield f"a phase is {measured.NumericValue} s after injection, not {phase['after_injection_s']}"
        if measured.MeasurementUnitsCodeSequence[0].CodeValue != "s":
            yield "a time is not in seconds"
        (image,) = (item for item in group.ContentSequence if item.ValueType == "IMAGE")
        header = study.sources[image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
        if header.SeriesInstanceUID != phase["series_instance_uid"]:
            yield f"the image of the phase at {phase['after_injection_s']} s is of another series"


def the_clinical_inputs_and_warnings_are_there(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    report, clinical = study.only(REPORT), study.facts["clinical"]
    (group,) = (item for item in items(report) if _name(item) == "125007")
    coded = {_name(item): item.ConceptCodeSequence[0].CodeValue for item in group.ContentSequence if _is_code(item)}
    missing = {
        item.ConceptCodeSequence[0].CodeValue for item in group.ContentSequence if _name(item) == "INPUT_MISSING"
    }
    for name, value in clinical["used"].items():
        code = _CLINICAL[name]
        if name in ("hr", "er", "pr", "her2") and coded.get(code) != _ANSWERS[int(value)]:
            yield f"{name} is {coded.get(code)}, not {value}"
        if name == "menopausal_status" and code not in coded:
            yield f"{name} is not there"
    if missing != {_CLINICAL[name] for name in clinical["missing"]}:
        yield f"missing inputs are {sorted(missing)}, not {clinical['missing']}"
    texts = [item.TextValue for item in group.ContentSequence if item.ValueType == "TEXT"]
    yield from (f"not in the report: {line}" for line in study.facts["warnings"] if line not in texts)
    if not any("research use only" in text for text in texts):
        yield "the report does not say that it is for research"


def _lesion_group(study: StudyOnDisk) -> Any:
    """The one measurement group of a volumetric region of interest, as highdicom parses it."""
    (lesion,) = sr.srread(Path(study.only(REPORT).filename)).content.get_volumetric_roi_measurement_groups()
    return lesion


def _name(item: Dataset) -> str | None:
    return item.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in item else None


def _is_code(item: Dataset) -> bool:
    return bool(item.ValueType == "CODE")


def _coded(report: pydicom.FileDataset, name: str) -> str | None:
    found = (item.ConceptCodeSequence[0].CodeValue for item in report.ContentSequence if _name(item) == name)
    return next(found, None)


def _text(report: pydicom.FileDataset, name: str) -> str | None:
    return next((item.TextValue for item in report.ContentSequence if _name(item) == name), None)
