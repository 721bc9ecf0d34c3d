"""A FHIR R4 Bundle says the same as a plain record, and what it does not say clearly is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pcr.clinical_file import ClinicalEntry, ClinicalFile, parse_clinical_file, read_clinical_file
from pcr.fhir import DICOM, LOINC, SNOMED
from pcr.reasons import NotEvaluable

POSITIVE, NEGATIVE = (SNOMED, "10828004"), (SNOMED, "260385009")
EQUIVOCAL = (SNOMED, "42425007")
ER, PR, HER2, AGE, MENOPAUSE = ("85337-4", "85339-0", "85319-2", "30525-0", "111539")


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": "urn:local", "code": "x"}, {"system": system, "code": code}]}


def observation(code: str, value: tuple[str, str] | float, patient: str | None = "Patient/p1", **more: Any):
    made: dict[str, Any] = {"resourceType": "Observation", "status": "final"}
    made["code"] = concept(DICOM if code == MENOPAUSE else LOINC, code)
    if isinstance(value, tuple):
        made["valueCodeableConcept"] = concept(*value)
    else:
        made["valueQuantity"] = {"value": value, "code": "a", "system": "http://unitsofmeasure.org"}
    if patient:
        made["subject"] = {"reference": patient}
    return {"resource": made | more}


def her2_on(date: str | None, value: tuple[str, str]) -> dict[str, Any]:
    return observation(HER2, value, **({} if date is None else {"effectiveDateTime": date}))


def file_of(*entries: dict[str, Any]) -> ClinicalFile:
    return parse_clinical_file(json.dumps(bundle(*entries)).encode(), ".json")


def patient(identifier: str = "P-1", name: str = "p1", **more: Any) -> dict[str, Any]:
    resource = {"resourceType": "Patient", "id": name, "identifier": [{"value": identifier}], **more}
    return {"fullUrl": f"urn:uuid:{name}", "resource": resource}


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries)}


@pytest.fixture
def read(tmp_path: Path):
    def entries_of(*entries: dict[str, Any]) -> tuple[ClinicalEntry, ...]:
        path = tmp_path / "clinical.json"
        path.write_text(json.dumps(bundle(*entries)))
        file = read_clinical_file(path)
        assert file.source == "FHIR R4 Bundle"
        return file.entries

    return entries_of


@pytest.fixture
def refusal(read):
    def refusal_of(*entries: Any) -> str:
        with pytest.raises(NotEvaluable) as caught:
            read(*entries)
        assert caught.value.code == "clinical_record_invalid"
        assert "P-1" not in caught.value.message
        return caught.value.message

    return refusal_of


def test_a_bundle_of_observations_is_a_record(read) -> None:
    (entry,) = read(
        patient(birthDate="1965-03-04"),
        observation(ER, POSITIVE),
        observation(PR, (LOINC, "LA6577-6")),
        observation(HER2, NEGATIVE),
        observation(AGE, 55),
        observation(MENOPAUSE, (SNOMED, "307429007")),
    )
    assert (entry.er, entry.pr, entry.her2, entry.age, entry.menopausal_status) == (True, False, False, 55, "post")
    assert entry.all_patient_ids == {"P-1"}
    assert entry.birth_date.isoformat() == "1965-03-04"


@pytest.mark.parametrize(
    "reference", ["Patient/p1", "urn:uuid:p1", "https://fhir.example.org/R4/Patient/p1", "Patient/p1/_history/2", None]
)
def test_the_subject_may_be_named_in_every_way_that_fhir_has(read, reference: str | None) -> None:
    (entry,) = read(patient(), observation(ER, POSITIVE, reference))
    assert entry.er is True


def test_each_patient_gets_her_own_observations(read) -> None:
    one, two = read(
        patient("P-1", "p1"),
        patient("P-2", "p11"),
        observation(ER, POSITIVE, "Patient/p1"),
        observation(ER, NEGATIVE, "Patient/p11"),
        observation(HER2, POSITIVE, None),  # of whom?
    )
    assert (one.er, two.er, one.her2, two.her2) == (True, False, None, None)


def test_all_identifiers_of_a_patient_are_keys(read) -> None:
    both = [{"value": "P-1"}, {"value": " P-9 "}, {"system": "no value"}]
    assert read(patient(identifier="x") | {"resource": patient()["resource"] | {"identifier": both}})[
        0
    ].all_patient_ids == {"P-1", "P-9"}


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "preliminary", "registered", "unknown", None, []])
def test_an_observation_that_does_not_stand_is_passed_over(read, status: object) -> None:
    (entry,) = read(patient(), observation(ER, POSITIVE, status=status), observation(ER, NEGATIVE))
    assert entry.er is False


def test_an_observation_without_result_is_missing(read) -> None:
    absent = observation(HER2, POSITIVE, dataAbsentReason=concept("x", "unknown"))
    del absent["resource"]["valueCodeableConcept"]
    assert read(patient(), absent)[0].her2 is None


@pytest.mark.parametrize("date", ["1965", "1965-03"])
def test_a_birth_date_without_a_day_is_passed_over(read, date: str) -> None:
    assert read(patient(birthDate=date), observation(ER, POSITIVE))[0].birth_date is None


def test_observations_and_resources_of_other_kinds_are_passed_over(read) -> None:
    (entry,) = read(patient(), observation("2160-0", 1.0), {"resource": {"resourceType": "Condition"}}, {})
    assert entry.model_dump(exclude={"patient_ids"}, exclude_none=True) == {}


def test_the_same_observation_twice_is_one(read) -> None:
    assert read(patient(), observation(ER, POSITIVE), observation(ER, POSITIVE))[0].er is True


def test_observations_that_contradict_each_other_are_refused(refusal) -> None:
    assert "observations of er contradict" in refusal(patient(), observation(ER, POSITIVE), observation(ER, NEGATIVE))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2021-06", "2024-05-02"),
        ("2024-05-01", "2024-05-02"),
        ("2023", "2024-05-02T10:00:00+02:00"),
        ("2024-05-02T10:00:00+02:00", "2024-05-02T09:00:00.5Z"),
    ],
)
def test_of_observations_that_differ_the_latest_is_used_and_that_is_said(first: str, second: str) -> None:
    for entries in (
        (her2_on(first, POSITIVE), her2_on(second, NEGATIVE)),
        (her2_on(second, NEGATIVE), her2_on(first, POSITIVE)),
    ):
        file = file_of(patient(), *entries)
        assert file.entries[0].her2 is False
        assert file.remarks == ("observations of her2 in the clinical file differ; the latest is used",)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, "2024-05-02"),
        ("2024", "2024-05-02"),
        ("2024-05-02", "2024-05-02T10:00:00Z"),
        ("2024-05-02T10:00:00Z", "2024-05-02T12:00:00+02:00"),
    ],
)
def test_where_dates_do_not_say_which_is_the_latest_they_are_refused(refusal, first: str | None, second: str) -> None:
    assert "contradict" in refusal(patient(), her2_on(first, POSITIVE), her2_on(second, NEGATIVE))


@pytest.mark.parametrize("date", ["2024-13-01", "2024-02-30", "yesterday", "2024-05-02T10:00", 20240502, ["2024"]])
def test_a_date_that_is_no_date_of_fhir_is_refused(refusal, date: Any) -> None:
    assert "effectiveDateTime" in refusal(patient(), her2_on(date, POSITIVE))


def test_the_test_that_settles_an_equivocal_stain_of_the_same_specimen_stands(read) -> None:
    (entry,) = read(patient(), her2_on("2024-05-02", EQUIVOCAL), her2_on("2024-05-02", POSITIVE))
    assert entry.her2 is True


def test_an_equivocal_result_of_a_later_specimen_is_not_hidden_by_an_older_one(read) -> None:
    assert read(patient(), her2_on("2021", POSITIVE), her2_on("2024-05-02", EQUIVOCAL))[0].her2 is None


def test_a_patient_who_is_there_twice_is_refused(refusal) -> None:
    assert "a Patient twice" in refusal(patient(), patient())


def test_an_equivocal_receptor_is_missing_and_that_is_said() -> None:
    file = file_of(patient(), observation(HER2, EQUIVOCAL), observation(ER, POSITIVE))
    assert (file.entries[0].her2, file.entries[0].er) == (None, True)
    assert file.remarks[0].startswith("1 observations of the clinical file are not used")


@pytest.mark.parametrize("quantity", [{"value": 660, "code": "mo"}, {"value": "55"}, {}, None])
def test_an_age_that_is_not_in_years_is_refused(refusal, quantity) -> None:
    assert "in years" in refusal(patient(), observation(AGE, 55.0, valueQuantity=quantity))


def test_a_bundle_without_a_patient_is_refused(refusal) -> None:
    assert "no Patient" in refusal(observation(ER, POSITIVE))


@pytest.mark.parametrize("path", [(), ("resource",), ("resource", "subject"), ("resource", "code", "coding")])
@pytest.mark.parametrize("wrong", ["text", 5])
def test_a_malformed_bundle_is_refused(refusal, path: tuple[str, ...], wrong: object) -> None:
    entry: Any = {"entry": deepcopy(observation(ER, POSITIVE))}
    *parents, last = ("entry", *path)
    place = entry
    for name in parents:
        place = place[name]
    place[last] = wrong
    assert "malformed" in refusal(patient(), entry["entry"])


def test_an_entry_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"resourceType": "Bundle", "entry": {}}')
    with pytest.raises(NotEvaluable, match="a list was expected"):
        read_clinical_file(tmp_path / "f")
