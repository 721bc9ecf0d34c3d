"""Checks of what all objects share: whose they are, who made them, which series they form, and what they refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, UID_dictionary

from tests.checks.study import (
    ATTENTION,
    KEY_OBJECTS,
    NOT_EVALUABLE,
    OVERLAY,
    REPORT,
    SEGMENTATION,
    SUMMARY,
    StudyOnDisk,
    elements,
    items,
    references,
)

_IDENTITY = (
    "StudyInstanceUID",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
)
# Number, modality, folder and description as docs/conformance.md has them.
_SERIES = {
    REPORT: ("SR", "SR", "pCR report"),
    SEGMENTATION: ("SEG", "SEG", "Lesion outline"),
    SUMMARY: ("OT", "SC", "pCR summary"),
    OVERLAY: ("OT", "SC", "pCR overlay"),
    ATTENTION: ("OT", "PM", "pCR attention map"),
    KEY_OBJECTS: ("KO", "KO", "pCR key images"),
    NOT_EVALUABLE: ("OT", "SC", "pCR not evaluable"),
}
_RESEARCH = "AI generated, not for clinical use"
# Names of things that are neither instances nor series: ours, made for the result.
_OWN_KEYWORDS = ("DimensionOrganizationUID", "TrackingUID")
_OWN_CONCEPTS = ("112040", "121012")


def every_object_is_of_the_patient_and_study(study: StudyOnDisk) -> Iterator[str]:
    """Each attribute as the source has it; where some images of the source leave it blank, as the others have it."""
    for keyword in _IDENTITY:
        written = {header.get(keyword) for header in study.sources.values() if header.get(keyword)}
        for made in study.results:
            if (made.get(keyword) or None) not in (written or {None}):
                yield f"series {made.SeriesNumber}: {keyword} is not the source's"


def every_series_is_one_of_those_documented(study: StudyOnDisk) -> Iterator[str]:
    uids: dict[int, set[str]] = defaultdict(set)
    for made in study.results:
        number = int(made.SeriesNumber)
        modality, folder, name = _SERIES[number]
        uids[number].add(made.SeriesInstanceUID)
        said = {
            "Modality": (made.Modality, modality),
            "SeriesDescription": (made.SeriesDescription, f"{name} ({_RESEARCH})"),
            "folder": (Path(made.filename).parent.name, folder),
        }
        for keyword, (found, expected) in said.items():
            if found != expected:
                yield f"series {number}: {keyword} is {found}, not {expected}"
    if any(len(of_one) > 1 for of_one in uids.values()) or len(set().union(*uids.values())) != len(uids):
        yield "numbers and UIDs of the series do not go together"


def every_object_says_who_made_it(study: StudyOnDisk) -> Iterator[str]:
    for made in study.results:
        said = {
            "Manufacturer": (made.get("Manufacturer"), "breast-pcr"),
            "ManufacturerModelName": (made.get("ManufacturerModelName"), "breast-pcr"),
            "DeviceSerialNumber": (made.get("DeviceSerialNumber"), study.facts["model"]["sha256"][:16]),
            "ContentQualification": (made.get("ContentQualification"), "RESEARCH"),
            "TransferSyntaxUID": (made.file_meta.TransferSyntaxUID, ExplicitVRLittleEndian),
            "MediaStorageSOPInstanceUID": (made.file_meta.MediaStorageSOPInstanceUID, made.SOPInstanceUID),
            "MediaStorageSOPClassUID": (made.file_meta.MediaStorageSOPClassUID, made.SOPClassUID),
        }
        for keyword, (found, expected) in said.items():
            if found != expected:
                yield f"series {made.SeriesNumber}: {keyword} is {found}, not {expected}"
        for keyword in ("SoftwareVersions", "ContentDate", "ContentTime"):
            if not made.get(keyword):
                yield f"series {made.SeriesNumber}: {keyword} is empty"
    if len({made.get("SoftwareVersions") for made in study.results}) > 1:
        yield "objects are of different versions"


def every_reference_leads_to_an_object_of_the_study(study: StudyOnDisk) -> Iterator[str]:
    """To an instance of the source or of the results, of the class and, where it is named, the series that it has."""
    known = _instances(study)
    for made in study.results:
        for reference in references(made):
            uid = reference.ReferencedSOPInstanceUID
            if uid not in known:
                yield f"series {made.SeriesNumber}: a reference leads nowhere"
            elif reference.ReferencedSOPClassUID != known[uid].SOPClassUID:
                yield f"series {made.SeriesNumber}: a reference names another SOP class than the object has"
        for series in (item for item in items(made) if "SeriesInstanceUID" in item):
            for reference in references(series):
                header = known.get(reference.ReferencedSOPInstanceUID)
                if header is not None and header.SeriesInstanceUID != series.SeriesInstanceUID:
                    yield f"series {made.SeriesNumber}: a reference names another series than the object is in"


def the_evidence_is_complete(study: StudyOnDisk) -> Iterator[str]:
    """Documents list all that their content refers to; the report, all images of all phases (PS3.3 C.17.2.3)."""
    for number in (REPORT, KEY_OBJECTS):
        for made in study.of_series(number):
            evidence = _uids(made.CurrentRequestedProcedureEvidenceSequence)
            if missing := _uids(made.ContentSequence) - evidence:
                yield f"series {number}: {len(missing)} objects of the content are no evidence"
    for made in study.of_series(REPORT):
        evidence = _uids(made.CurrentRequestedProcedureEvidenceSequence)
        if {study.only(SEGMENTATION).SOPInstanceUID} != evidence - set(study.sources):
            yield "the evidence of the report is not source images and the segmentation"
        phases = {phase["series_instance_uid"] for phase in study.facts["phases"]}
        if phases != {study.sources[uid].SeriesInstanceUID for uid in evidence & set(study.sources)}:
            yield "the evidence of the report is not of the series of the phases"
        early = _uids(study.only(SEGMENTATION).ReferencedSeriesSequence)
        if missing := early - evidence:
            yield f"{len(missing)} images of the early phase are no evidence of the report"
        images = [uid for uid in evidence & set(study.sources) if "NumberOfFrames" not in study.sources[uid]]
        if images and len(images) < len(study.facts["phases"]) * len(early):
            yield f"{len(images)} images are evidence, of {len(study.facts['phases'])} phases of {len(early)} each"


def every_image_that_frames_refer_to_is_listed_with_its_series(study: StudyOnDisk) -> Iterator[str]:
    """Common Instance Reference (PS3.3 C.12.2): viewers look for the series there."""
    for made in study.results:
        if "PerFrameFunctionalGroupsSequence" in made:
            listed = _uids(made.ReferencedSeriesSequence)
            if missing := _uids(made.PerFrameFunctionalGroupsSequence) - listed:
                yield f"series {made.SeriesNumber}: {len(missing)} images are not listed"


def no_uid_comes_from_elsewhere(study: StudyOnDisk) -> Iterator[str]:
    """Each is the standard's, the source's, or made for the result: an instance, a series, or a name of a thing."""
    known = {made.SOPInstanceUID for made in study.results} | {made.SeriesInstanceUID for made in study.results}
    known |= set(study.sources) | {header.SeriesInstanceUID for header in study.sources.values()}
    for made in study.results:
        own = set(_own_uids(made))
        for element in elements(made):
            if element.VR == "UI" and element.value not in known | own and element.value not in UID_dictionary:
                if not any(element.value in _uids_in(header) for header in study.sources.values()):
                    yield f"series {made.SeriesNumber}: {element.keyword} comes from elsewhere"
                known.add(element.value)
        yield from (f"series {made.SeriesNumber}: {uid} is not derived" for uid in own if not uid.startswith("2.25."))


def the_index_of_result_json_names_all_files(study: StudyOnDisk) -> Iterator[str]:
    there = {str(path.relative_to(study.folder)) for path in study.folder.rglob("*") if path.is_file()}
    named = set(study.facts["outputs"])
    if there != named | {"result.json"}:
        yield f"{len(there ^ (named | {'result.json'}))} files are there or named, but not both"
    if study.is_completed and not named:
        yield "there are no objects"


def uids_made_for(study: StudyOnDisk) -> set[UID]:
    """Instances, series and things that exist because of this result alone; the device is the same in all."""
    instances = {
        UID(made[keyword].value) for made in study.results for keyword in ("SOPInstanceUID", "SeriesInstanceUID")
    }
    devices = {item.UID for made in study.results for item in items(made) if _concept(item) == "121012"}
    return instances | {UID(uid) for made in study.results for uid in _own_uids(made)} - devices


def _own_uids(made: Dataset) -> Iterator[str]:
    for element in elements(made):
        if element.keyword in _OWN_KEYWORDS:
            yield element.value
    for item in items(made):
        if item.get("ValueType") == "UIDREF" and _concept(item) in _OWN_CONCEPTS:
            yield item.UID


def _uids_in(header: Dataset) -> set[str]:
    return {element.value for element in elements(header) if element.VR == "UI"}


def _concept(item: Dataset) -> str | None:
    return item.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in item else None


def _instances(study: StudyOnDisk) -> dict[str, Any]:
    return {**study.sources, **{made.SOPInstanceUID: made for made in study.results}}


def _uids(sequence: Any) -> set[str]:
    """All instances that the items of a sequence refer to."""
    holder = Dataset()
    holder.ContentSequence = sequence
    return {str(item.ReferencedSOPInstanceUID) for item in references(holder)}
