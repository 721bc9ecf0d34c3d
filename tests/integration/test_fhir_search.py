"""Searches for a clinical record, put to a FHIR search engine that others wrote (npm: @medplum/fhir-router)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.trigger import settings
from deploy.trigger.fhir_server import FhirServer
from deploy.trigger.records import StudyIdentity
from pcr.clinical_file import ClinicalEntry, parse_clinical_file

pytestmark = pytest.mark.integration

ENGINE = "@medplum/fhir-router@5.2.13"
LOINC, SNOMED, DICOM = "http://loinc.org", "http://snomed.info/sct", "http://dicom.nema.org/resources/ontology/DCM"
POSITIVE, NEGATIVE = "10828004", "260385009"


def patient(name: str, mrn: str, system: str = "urn:mrn", **more: object) -> dict[str, Any]:
    identifier = [{"system": system, "value": mrn}]
    return {"resourceType": "Patient", "id": name, "identifier": identifier, "birthDate": "1966-01-02"} | more


def observation(name: str, system: str, code: str, value: str, subject: str, effective: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": effective,
        "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": value}]},
    }


RESOURCES = [
    patient("p1", "MRN-1", active=True),
    patient("p2", "MRN-2"),
    patient("p3", "MRN-1", system="urn:other-hospital"),
    patient("p4", "MRN-4", active=False),
    observation("o1", LOINC, "85337-4", POSITIVE, "p1", "2024-05-02"),
    observation("o2", LOINC, "16113-3", NEGATIVE, "p1", "2024-05-02"),
    observation("o3", LOINC, "85319-2", POSITIVE, "p1", "2019-01-02"),
    observation("o4", LOINC, "48676-1", NEGATIVE, "p1", "2024-05-06T09:30:00+02:00"),
    observation("o5", DICOM, "111539", "307429007", "p1", "2024-05-01"),
    observation("o6", LOINC, "2160-0", POSITIVE, "p1", "2024-05-01"),
    observation("o7", LOINC, "85337-4", NEGATIVE, "p2", "2024-05-02"),
    observation("o8", LOINC, "85337-4", NEGATIVE, "p4", "2024-05-02"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the engine with these resources."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "package.json").write_text("{}")
    (folder / "resources.json").write_text(json.dumps(RESOURCES))
    install = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", ENGINE]
    subprocess.run(install, cwd=folder, check=True, timeout=300)
    script = Path(__file__).with_name("fhir_search_engine.mjs")
    with subprocess.Popen(
        ["node", script, folder, folder / "resources.json"], stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        yield f"http://127.0.0.1:{int(engine.stdout.readline())}/fhir/R4"
        engine.terminate()


def found(base: str, patient_id: str, system: str | None = "urn:mrn") -> ClinicalEntry | None:
    """The record that the application would read."""
    server = FhirServer(settings.FhirServer(url=base, identifier_system=system))
    study = StudyIdentity(study_instance_uid="1.2.3", patient_id=patient_id, accession_number="")
    record = server.find(study)
    return parse_clinical_file(record.content.encode(), ".json").entries[0] if record else None


def test_the_findings_of_a_patient_are_found_and_the_latest_of_each_is_used(base: str) -> None:
    entry = found(base, "MRN-1")
    assert entry is not None
    values = (entry.er, entry.pr, entry.her2, entry.menopausal_status, str(entry.birth_date))
    assert values == (True, False, False, "post", "1966-01-02")


def test_each_patient_has_her_own_findings(base: str) -> None:
    entry = found(base, "MRN-2", system=None)
    assert entry is not None
    assert (entry.er, entry.her2) == (False, None)


@pytest.mark.parametrize("patient_id", ["MRN-4", "MRN-9", "MRN", "MRN-1,MRN-2", "MRN-1|x", "*"])
def test_nobody_else_is_taken_for_a_patient_who_is_not_there(base: str, patient_id: str) -> None:
    assert found(base, patient_id) is None


def test_an_id_that_two_hospitals_gave_is_nobodys_without_its_system(base: str) -> None:
    assert found(base, "MRN-1", system=None) is None
