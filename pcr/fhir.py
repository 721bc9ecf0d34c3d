"""A FHIR R4 Bundle as clinical records: the patient, and observations that carry LOINC codes.

A checked subset of the resources: what is not known is passed over, what is known and malformed is refused. Of several
observations of one variable the latest is taken, where their dates say which that is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pcr.clinical import invalid_record

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"

# LOINC 2.78: receptor presence by immune stain in a breast cancer specimen, and interpretation in tissue.
_VARIABLE_OF_CODE = {
    (LOINC, "85337-4"): "er",
    (LOINC, "16112-5"): "er",
    (LOINC, "85339-0"): "pr",
    (LOINC, "16113-3"): "pr",
    (LOINC, "85319-2"): "her2",
    (LOINC, "48676-1"): "her2",
    (LOINC, "30525-0"): "age",
    (LOINC, "21612-7"): "age",
    (DICOM, "111539"): "menopausal_status",
}
_RECEPTOR_OF_CODE = {
    (SNOMED, "10828004"): True,
    (SNOMED, "260385009"): False,
    (LOINC, "LA6576-8"): True,
    (LOINC, "LA6577-6"): False,
}
# PS3.16 CID 6086 Menopausal Phase.
_MENOPAUSE_OF_CODE = {
    (SNOMED, "309606002"): "pre",
    (SNOMED, "303111005"): "peri",
    (SNOMED, "307429007"): "post",
    (SNOMED, "371036001"): "post",
}
# http://hl7.org/fhir/R4/valueset-observation-status.html: the three that say of a result that it stands.
_STANDING = ("final", "amended", "corrected")
# http://hl7.org/fhir/R4/datatypes.html#dateTime: a time of day comes with its zone.
_DATE_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(?P<time>T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?)?)?"
)
_ELEMENTS = {
    "Patient": ("resourceType", "id", "identifier", "birthDate"),
    "Observation": (
        "resourceType", "id", "status", "code", "subject", "effectiveDateTime", "valueCodeableConcept",
        "valueQuantity", "dataAbsentReason",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Finding:
    """A value of one variable, None where it is not known, and the time from `begin` to before `end` that it is of."""

    name: str
    value: object
    begin: datetime | None
    end: datetime | None

    def is_after(self, other: _Finding) -> bool:
        """Whether it is certainly the later one."""
        return self.begin is not None and other.end is not None and self.begin >= other.end


@dataclass(slots=True)
class _Subject:
    """A Patient, and what was found of her."""

    patient: dict[str, Any]
    findings: defaultdict[str, list[_Finding]] = field(default_factory=lambda: defaultdict(list))


def finding_codes() -> tuple[str, ...]:
    """The codes to search observations by, `system|code`; the age is left out: it is that of the day it was noted."""
    return tuple(f"{system}|{code}" for (system, code), name in _VARIABLE_OF_CODE.items() if name != "age")


def essential(resource: dict[str, Any]) -> dict[str, Any]:
    """A Patient or Observation without the elements that nobody here reads: names, addresses, notes."""
    kept = {name: resource[name] for name in _ELEMENTS[resource["resourceType"]] if name in resource}
    if isinstance(subject := kept.get("subject"), dict):
        kept["subject"] = {"reference": subject.get("reference")}
    return kept


def is_of_later_than(observation: dict[str, Any], day: date) -> bool:
    """Whether an observation is certainly of a later day; raises as `bundle_records` does."""
    begin, _ = _effective(observation)
    return begin is not None and begin.date() > day


def bundle_records(bundle: dict[str, Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """One record per Patient, in the fields of the plain clinical file, and remarks for the report.

    An observation counts as missing when its code or its value is not known (an equivocal HER2, say), or when it is
    not final. Where observations of a variable differ, the latest by effectiveDateTime is taken.

    Raises:
        NotEvaluable: `clinical_record_invalid` on malformed resources, and on values that contradict each other where
            dates do not say which one is the latest.
    """
    entries = [_object(entry) for entry in _list(bundle.get("entry"))]
    subjects, by_reference = _subjects(entries)
    if not subjects:
        raise invalid_record("the Bundle has no Patient")
    unused = 0
    for observation in _of_type("Observation", entries):
        finding = _finding(observation)
        if finding is None or finding.value is None:
            unused += 1
        if finding and (subject := _subject(observation, subjects, by_reference)):
            subject.findings[finding.name].append(finding)
    chosen = [{name: _latest(findings) for name, findings in subject.findings.items()} for subject in subjects]
    records = [_record(subject.patient, values) for subject, values in zip(subjects, chosen, strict=True)]
    return records, _remarks(unused, subjects, chosen)


def _subjects(entries: list[dict[str, Any]]) -> tuple[list[_Subject], dict[str, _Subject]]:
    """All Patients, and by what an observation may refer to them."""
    subjects: list[_Subject] = []
    by_reference: dict[str, _Subject] = {}
    for entry in entries:
        for patient in _of_type("Patient", [entry]):
            subject = _Subject(patient)
            subjects.append(subject)
            named = {f"Patient/{patient['id']}"} if "id" in patient else set()
            named |= {str(entry["fullUrl"])} if "fullUrl" in entry else set()
            if named & by_reference.keys():
                raise invalid_record("the Bundle has a Patient twice")
            by_reference.update(dict.fromkeys(named, subject))
    return subjects, by_reference


def _of_type(kind: str, entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    resources = (_object(entry.get("resource")) for entry in entries)
    return (resource for resource in resources if resource.get("resourceType") == kind)


def _remarks(unused: int, subjects: list[_Subject], chosen: list[dict[str, object]]) -> tuple[str, ...]:
    differing = {
        name
        for subject, values in zip(subjects, chosen, strict=True)
        for name, findings in subject.findings.items()
        if any(finding.value not in (None, values[name]) for finding in findings)
    }
    remarks = [f"observations of {name} in the clinical file differ; the latest is used" for name in sorted(differing)]
    if unused:
        remarks.append(
            f"{unused} observations of the clinical file are not used: their code or value is not known, or not final"
        )
    return tuple(remarks)


def _record(patient: dict[str, Any], values: dict[str, object]) -> dict[str, Any]:
    ids = [str(value) for i in _list(patient.get("identifier")) if (value := _object(i).get("value"))]
    record: dict[str, Any] = {"patient_ids": ids}
    # FHIR's date may be a year or a month alone, from which no age follows.
    if len(str(patient.get("birthDate", ""))) > len("1970-01"):
        record["birth_date"] = patient["birthDate"]
    return record | {name: value for name, value in values.items() if value is not None}


def _latest(findings: Sequence[_Finding]) -> object:
    """The value that stands; None where the latest is not known, or none is."""
    known = [finding for finding in findings if finding.value is not None]
    if not known:
        return None
    last = max(known, key=lambda finding: finding.begin or datetime.min.replace(tzinfo=UTC))
    if not all(finding.value == last.value or last.is_after(finding) for finding in known):
        raise invalid_record(
            f"observations of {last.name} contradict each other, and no dates say which one is the latest"
        )
    # An equivocal stain and the test that settles it are of one specimen, so of one time: the settled value stands.
    return None if any(f.value is None and f.is_after(last) for f in findings) else last.value


def _effective(observation: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """When effectiveDateTime begins and ends, since it may be a year or a month; None where it is absent."""
    if (text := observation.get("effectiveDateTime")) is None:
        return None, None
    found = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    try:
        if found is None:
            raise ValueError
        if found["time"]:
            at = datetime.fromisoformat(text).astimezone(UTC)
            return at, at + timedelta(seconds=1)
        year, month, day = (int(found[part] or 1) for part in ("year", "month", "day"))
        begin = datetime(year, month, day, tzinfo=UTC)
        days = 1 if found["day"] else 31 if found["month"] else 366
        return begin, begin + timedelta(days=days)
    except (ValueError, OverflowError):
        raise invalid_record("an effectiveDateTime is not a date or time of FHIR") from None


def _finding(observation: dict[str, Any]) -> _Finding | None:
    """What an observation says of a variable; None for a code that is not known, and what is not final or absent."""
    names = [_VARIABLE_OF_CODE[code] for code in _codes(observation.get("code")) if code in _VARIABLE_OF_CODE]
    if not names or observation.get("status") not in _STANDING or "dataAbsentReason" in observation:
        return None
    return _Finding(names[0], _value(names[0], observation), *_effective(observation))


def _subject(
    observation: dict[str, Any], subjects: list[_Subject], by_reference: dict[str, _Subject]
) -> _Subject | None:
    """Whom it is about, by the entry's fullUrl or by a relative or absolute reference, perhaps to a version."""
    reference = _object(observation.get("subject")).get("reference")
    if reference is None:
        return subjects[0] if len(subjects) == 1 else None
    unversioned = str(reference).partition("/_history/")[0]
    return by_reference.get(unversioned) or by_reference.get("/".join(unversioned.split("/")[-2:]))


def _value(name: str, observation: dict[str, Any]) -> object:
    if name == "age":
        quantity = _object(observation.get("valueQuantity"))
        if quantity.get("code", "a") != "a" or not isinstance(quantity.get("value"), int | float):
            raise invalid_record("an age must be a valueQuantity in years (UCUM 'a')")
        return float(quantity["value"])
    known: dict[tuple[str, str], Any] = _MENOPAUSE_OF_CODE if name == "menopausal_status" else _RECEPTOR_OF_CODE
    values = {known[code] for code in _codes(observation.get("valueCodeableConcept")) if code in known}
    if len(values) > 1:
        raise invalid_record(f"the value of {name} has codes that contradict each other")
    return values.pop() if values else None


def _codes(concept: object) -> list[tuple[str, str]]:
    codings = (_object(coding) for coding in _list(_object(concept).get("coding")))
    return [(str(coding.get("system")), str(coding.get("code"))) for coding in codings]


def _object(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_record("the Bundle is malformed: an object was expected")
    return value


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid_record("the Bundle is malformed: a list was expected")
    return value
