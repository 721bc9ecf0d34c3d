"""A FHIR R4 Bundle as clinical records: the patient, and observations that carry LOINC codes.

A checked subset of the resources: what is not known is passed over, what is known and malformed is refused.
"""

from __future__ import annotations

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
_UNUSABLE = {"entered-in-error", "cancelled", "preliminary", "registered"}


def bundle_records(bundle: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """One record per Patient, in the fields of the plain clinical file, and the number of unused observations.

    An observation is unused when its code or its value is not known (an equivocal HER2, say), or when it is not final.

    Raises:
        NotEvaluable: `clinical_record_invalid` on malformed resources and on values that contradict each other.
    """
    entries = [_object(entry) for entry in _list(bundle.get("entry"))]
    patients: list[tuple[dict[str, Any], set[str]]] = []
    observations: list[tuple[dict[str, Any], str, object]] = []
    unused = 0
    for entry in entries:
        resource = _object(entry.get("resource"))
        if resource.get("resourceType") == "Patient":
            patients.append((resource, {str(entry.get("fullUrl")), f"Patient/{resource.get('id')}"}))
        elif resource.get("resourceType") == "Observation":
            name, value = _finding(resource)
            if name is None or value is None:
                unused += 1
            else:
                observations.append((resource, name, value))
    if not patients:
        raise invalid_record("the Bundle has no Patient")
    records = [
        _record(patient, [(n, v) for o, n, v in observations if _is_about(o, references, len(patients) == 1)])
        for patient, references in patients
    ]
    return records, unused


def _record(patient: dict[str, Any], findings: list[tuple[str, object]]) -> dict[str, Any]:
    ids = [str(value) for i in _list(patient.get("identifier")) if (value := _object(i).get("value"))]
    record: dict[str, Any] = {"patient_ids": ids}
    # FHIR's date may be a year or a month alone, from which no age follows.
    if len(str(patient.get("birthDate", ""))) > len("1970-01"):
        record["birth_date"] = patient["birthDate"]
    for name, value in findings:
        if record.setdefault(name, value) != value:
            raise invalid_record(f"two observations of {name} contradict each other")
    return record


def _finding(observation: dict[str, Any]) -> tuple[str | None, object]:
    """The variable that an observation is of and its value; None for what is not known, not final or absent."""
    names = [_VARIABLE_OF_CODE[code] for code in _codes(observation.get("code")) if code in _VARIABLE_OF_CODE]
    if not names or observation.get("status") in _UNUSABLE or "dataAbsentReason" in observation:
        return None, None
    return names[0], _value(names[0], observation)


def _is_about(observation: dict[str, Any], references: set[str], only_one: bool) -> bool:
    """Whether the subject is this patient, by the entry's fullUrl or by a relative or absolute reference."""
    reference = _object(observation.get("subject")).get("reference")
    if reference is None:
        return only_one
    return any(str(reference) == known or str(reference).endswith("/" + known) for known in references)


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
