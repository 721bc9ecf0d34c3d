"""A hospital's FHIR R4 server as a source of clinical records: the patient by her PatientID, then her observations."""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from deploy.trigger import settings
from deploy.trigger.fhir_client import FhirClient, RequestRefused
from deploy.trigger.records import FoundRecord, Problem, RecordsUnavailable, StudyIdentity, digest_of, meaning
from pcr.clinical_file import ClinicalEntry, parse_clinical_file
from pcr.fhir import essential, finding_codes, is_of_later_than
from pcr.reasons import NotEvaluable

_WHERE = "FHIR server"
_MAX_PATIENT_ID = 64  # PS3.5 6.2, LO
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # http://hl7.org/fhir/R4/datatypes.html#id
_SPECIAL = re.compile(r"([\\$,|])")  # http://hl7.org/fhir/R4/search.html#escaping
_MAX_REMEMBERED = 10_000
# A study that has been asked for over an hour is asked for again after six minutes, after a day in two hours.
_PATIENCE = 10.0
_LONGEST_PAUSE_S = 86_400.0
# Therapy begins within weeks of the study; what is found later is of the treated tumour.
_LATEST_FINDING = timedelta(days=30)
_FINDINGS = ("er", "pr", "her2", "menopausal_status")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the server last said of a study, and when it was and will be asked."""

    found: FoundRecord | None
    problem: Problem | None
    first_asked_s: float
    next_ask_s: float


class FhirServer:
    """Records at a FHIR server, which is asked for each study again, ever more rarely.

    Raises:
        BadConfiguration: the settings name no server that may be asked.
    """

    def __init__(self, server: settings.FhirServer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = FhirClient(server, monotonic)
        self._system = server.identifier_system
        self._every_s = server.ask_every_s
        self._monotonic = monotonic
        self._answers: OrderedDict[StudyIdentity, _Answer] = OrderedDict()
        self._down: RecordsUnavailable | None = None
        self._down_until_s = monotonic()

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        """The record of a study; as `RecordSource.find`."""
        now = self._monotonic()
        earlier = self._answers.get(study)
        if earlier and now < earlier.next_ask_s:
            return earlier.found
        if self._down and now < self._down_until_s:
            raise self._down
        try:
            found, problem = self._ask(study)
        except RecordsUnavailable as error:
            # Every study that waits would wait for its timeout.
            self._down, self._down_until_s = error, now + self._every_s
            raise
        self._down = None
        first = earlier.first_asked_s if earlier else now
        pause = min(max(self._every_s, (now - first) / _PATIENCE), _LONGEST_PAUSE_S)
        self._answers[study] = _Answer(found, problem, first, now + pause)
        self._answers.move_to_end(study)
        if len(self._answers) > _MAX_REMEMBERED:
            self._answers.popitem(last=False)
        return found

    def generation(self) -> str:
        """Changes as often as the server may be asked again; as `RecordSource.generation`."""
        return str(int(self._monotonic() / self._every_s))

    def problems(self) -> Sequence[Problem]:
        """That it can not be asked, and studies whose patient is not clear; as `RecordSource.problems`."""
        down = self._down
        unclear = [answer.problem for answer in tuple(self._answers.values()) if answer.problem]
        return unclear + ([Problem(_WHERE, str(down))] if down else [])

    def _ask(self, study: StudyIdentity) -> tuple[FoundRecord | None, Problem | None]:
        patient_id = study.patient_id.strip()
        if not 0 < len(patient_id) <= _MAX_PATIENT_ID:
            return None, None
        try:
            return self._ask_about(study, patient_id)
        except RequestRefused as error:
            return None, Problem(_WHERE, f"study {study.study_instance_uid}: {error}")

    def _ask_about(self, study: StudyIdentity, patient_id: str) -> tuple[FoundRecord | None, Problem | None]:
        patients = self._patients(patient_id)
        if len(patients) > 1:
            sentence = f"{len(patients)} active patients have the PatientID of study {study.study_instance_uid}"
            return None, Problem(_WHERE, f"{sentence}; set records.fhir.identifier_system")
        if not patients:
            return None, None
        return _found(patients[0], self._observations(str(patients[0]["id"])), study), None

    def _patients(self, patient_id: str) -> list[dict[str, Any]]:
        """The active patients that have the id; some servers pass over a parameter that they do not know."""
        value = _SPECIAL.sub(r"\\\1", patient_id)
        system = "" if self._system is None else f"{self._system}|"
        candidates = self._client.search("Patient", {"identifier": f"{system}{value}", "_count": "20"})
        active = [p for p in candidates if p.get("active") is not False and self._is_known_as(p, patient_id)]
        if not all(_ID.fullmatch(str(patient.get("id"))) for patient in active):
            raise RecordsUnavailable("the FHIR server has a patient with an id that FHIR does not allow")
        return list({str(patient.get("id")): patient for patient in active}.values())

    def _is_known_as(self, patient: dict[str, Any], patient_id: str) -> bool:
        identifiers = patient.get("identifier")
        return any(
            isinstance(identifier, dict)
            and str(identifier.get("value")).strip() == patient_id
            and self._system in (None, identifier.get("system"))
            for identifier in (identifiers if isinstance(identifiers, list) else ())
        )

    def _observations(self, patient_fhir_id: str) -> list[dict[str, Any]]:
        parameters = {"patient": patient_fhir_id, "code": ",".join(finding_codes()), "_count": "100"}
        found = self._client.search("Observation", parameters)
        return [observation for observation in found if _is_about(observation, patient_fhir_id)]


def _is_about(observation: dict[str, Any], patient_fhir_id: str) -> bool:
    subject = observation.get("subject")
    reference = str(subject.get("reference")) if isinstance(subject, dict) else ""
    return reference.partition("/_history/")[0].split("/")[-2:] == ["Patient", patient_fhir_id]


def _found(patient: dict[str, Any], observations: list[dict[str, Any]], study: StudyIdentity) -> FoundRecord | None:
    """The Bundle of a patient's findings, None where there is none yet; without her name and her other ids."""
    known = patient | {"identifier": [{"value": study.patient_id.strip()}]}
    resources = [known, *(o for o in observations if not _is_too_late(o, study))]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": essential(resource)} for resource in resources],
    }
    content = json.dumps(bundle)
    try:
        entries = parse_clinical_file(content.encode(), ".json").entries
    except NotEvaluable as refusal:  # the application will refuse it as well, and the report says so
        return FoundRecord(content, digest_of(refusal.message), _WHERE)
    if not any(_has_finding(entry) for entry in entries):
        return None
    return FoundRecord(content, meaning(entries, study), _WHERE)


def _has_finding(entry: ClinicalEntry) -> bool:
    return any(getattr(entry, name) is not None for name in _FINDINGS)


def _is_too_late(observation: dict[str, Any], study: StudyIdentity) -> bool:
    if study.study_date is None:
        return False
    try:
        return is_of_later_than(observation, study.study_date + _LATEST_FINDING)
    except NotEvaluable:  # of no valid date, which is for the application to refuse
        return False
