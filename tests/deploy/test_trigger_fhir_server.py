"""What a FHIR server is asked, what is made of its answers, and what a broken or hostile one can do.

The server here is a small one on the loopback with replies of the shape that the standard gives; a real search engine
is asked in tests/integration/test_fhir_search.py.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.trigger import settings
from deploy.trigger.fhir_client import MAX_BYTES, MAX_PAGES
from deploy.trigger.fhir_server import FhirServer
from deploy.trigger.records import FoundRecord, RecordsUnavailable, StudyIdentity
from pcr.clinical_file import ClinicalEntry, parse_clinical_file
from pcr.reasons import BadConfiguration, NotEvaluable

if TYPE_CHECKING:
    from trigger_parts import Clock

STUDY = StudyIdentity(study_instance_uid="1.2.3", patient_id="MRN-4711", accession_number="A-661")
POSITIVE, NEGATIVE = "10828004", "260385009"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def patient(name: str = "p1", mrn: object = "MRN-4711", **more: Any) -> dict[str, Any]:
    made = {"resourceType": "Patient", "id": name, "identifier": [{"system": "urn:mrn", "value": mrn}]}
    return made | {"name": [{"family": "Doe"}], "birthDate": "1966-01-02"} | more


def observation(
    code: str = "85337-4", value: str = POSITIVE, subject: str = "Patient/p1", **more: Any
) -> dict[str, Any]:
    made = {"resourceType": "Observation", "status": "final", "code": concept("http://loinc.org", code)}
    made["valueCodeableConcept"] = concept("http://snomed.info/sct", value)
    return made | {"subject": {"reference": subject, "display": "Doe, Jane"}} | more


def searchset(*resources: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    links = [{"relation": "next", "url": following}] if following else []
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}


@dataclass
class Hospital:
    """A FHIR server on the loopback: what it answers by the last part of the path, and what it was asked."""

    base: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    pause: Callable[[], object] = lambda: None
    tokens: list[str | None] = field(default_factory=list)

    def has(self, *resources: dict[str, Any]) -> None:
        for kind in ("Patient", "Observation"):
            self.answers[kind] = searchset(*(r for r in resources if r["resourceType"] == kind))

    def reply(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        self.tokens.append(request.headers.get("Authorization"))
        answer = self.answers.get(urlsplit(request.path).path.rpartition("/")[2], {"resourceType": "Bundle"})
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        request.send_response(self.status)
        for name, value in {"Content-Length": str(len(body)), **self.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in (body[:1], body[1:2], body[2:]):
                request.wfile.write(part)
                self.pause()

    def query(self, number: int) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.asked[number]).query)


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    hospital = Hospital()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hospital.reply(self)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hospital.base = f"http://127.0.0.1:{server.server_port}/fhir/R4"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hospital
        server.shutdown()
        thread.join()


def source(hospital: Hospital, clock: Clock, **changed: Any) -> FhirServer:
    return FhirServer(settings.FhirServer(**({"url": hospital.base, "timeout_s": 5} | changed)), clock)


def entry(found: FoundRecord | None) -> ClinicalEntry:
    """What the application will read."""
    assert found is not None
    file = parse_clinical_file(found.content.encode(), ".json")
    assert file.source == "FHIR R4 Bundle"
    (only,) = file.entries
    return only


# What is asked and found


def test_the_patient_is_asked_for_by_her_id_and_her_observations_by_their_codes(
    hospital: Hospital, clock: Clock
) -> None:
    hospital.has(patient(), observation(), observation("85319-2", NEGATIVE))
    found = entry(source(hospital, clock, identifier_system="urn:mrn").find(STUDY))
    assert (found.er, found.her2, str(found.birth_date), found.patient_ids) == (
        True,
        False,
        "1966-01-02",
        ("MRN-4711",),
    )
    assert hospital.query(0)["identifier"] == ["urn:mrn|MRN-4711"]
    assert hospital.query(1)["patient"] == ["p1"]
    assert "http://loinc.org|85337-4" in hospital.query(1)["code"][0].split(",")
    assert "30525-0" not in hospital.query(1)["code"][0]  # the age of which day?


def test_a_patient_id_can_not_become_another_question(hospital: Hospital, clock: Clock) -> None:
    asked = StudyIdentity(study_instance_uid="1", patient_id="a|b,c$\\&active=false#../x", accession_number="")
    assert source(hospital, clock).find(asked) is None
    assert hospital.asked[0].startswith("/fhir/R4/Patient?")
    assert hospital.query(0) == {"identifier": ["a\\|b\\,c\\$\\\\&active=false#../x"], "_count": ["20"]}


@pytest.mark.parametrize("patient_id", ["", " ", "x" * 65])
def test_nothing_is_asked_for_what_is_no_patient_id(hospital: Hospital, clock: Clock, patient_id: str) -> None:
    study = StudyIdentity(study_instance_uid="1.2.3", patient_id=patient_id, accession_number="")
    assert source(hospital, clock).find(study) is None
    assert not hospital.asked


def test_all_pages_are_read(hospital: Hospital, clock: Clock) -> None:
    hospital.has(patient())
    hospital.answers["Observation"] = searchset(observation(), following=f"{hospital.base}/second?page=2")
    hospital.answers["second"] = searchset(observation("85319-2"), following="third?page=3")
    hospital.answers["third"] = searchset(observation("85339-0"))
    found = entry(source(hospital, clock).find(STUDY))
    assert (found.er, found.her2, found.pr) == (True, True, True)


@pytest.mark.parametrize(
    "resources",
    [
        (),
        (patient(mrn="MRN-4712"), observation()),
        (patient(active=False), observation()),
        (patient(), observation(subject="Patient/p2")),
        (patient(), observation(subject="Group/p1")),
        (patient(), observation() | {"subject": None}),
        (patient(), observation(status="preliminary")),
        (patient(),),
    ],
    ids=["nobody", "others", "inactive", "of another", "of a group", "of nobody", "not final", "no findings yet"],
)
def test_without_a_finding_of_this_patient_there_is_no_record(
    hospital: Hospital, clock: Clock, resources: tuple[dict[str, Any], ...]
) -> None:
    hospital.has(*resources)
    assert source(hospital, clock).find(STUDY) is None


def test_two_patients_of_one_id_are_a_problem_and_no_record(hospital: Hospital, clock: Clock) -> None:
    both = patient("p2", identifier=[{"system": "urn:other", "value": "MRN-4711"}])
    hospital.has(patient(), both, observation())
    unclear = source(hospital, clock)
    assert unclear.find(STUDY) is None
    (problem,) = unclear.problems()
    assert "2 active patients have the PatientID of study 1.2.3" in problem.sentence
    assert entry(source(hospital, clock, identifier_system="urn:mrn").find(STUDY)).er is True


def test_a_patient_who_is_on_two_pages_is_one(hospital: Hospital, clock: Clock) -> None:
    hospital.has(patient(), patient(), observation())
    assert entry(source(hospital, clock).find(STUDY)).er is True


def test_name_address_and_other_ids_go_no_further(hospital: Hospital, clock: Clock) -> None:
    ids = [{"value": "MRN-4711"}, {"system": "urn:insurance", "value": "Doe-1"}]
    hospital.has(patient(address=[{"city": "Doeville"}], identifier=ids), observation(note=[{"text": "Doe"}]))
    assert "Doe" not in source(hospital, clock).find(STUDY).content


def test_the_same_findings_have_the_same_digest_in_any_order(hospital: Hospital, clock: Clock) -> None:
    findings = [observation(), observation("85319-2")]
    digests = []
    for resources in (findings, findings[::-1], [*findings, observation("85339-0")]):
        hospital.has(patient(), *resources)
        digests.append(source(hospital, clock).find(STUDY).digest)
    assert digests[0] == digests[1] != digests[2]


def test_findings_of_the_treated_tumour_are_left_aside(hospital: Hospital, clock: Clock) -> None:
    biopsy = observation(effectiveDateTime="2024-05-02")
    surgery = observation(value=NEGATIVE, effectiveDateTime="2024-11-05T08:00:00Z")
    hospital.has(patient(), biopsy, surgery)
    dated = StudyIdentity(
        study_instance_uid="1.2.3", patient_id="MRN-4711", accession_number="", study_date=date(2024, 5, 10)
    )
    assert entry(source(hospital, clock).find(dated)).er is True
    assert entry(source(hospital, clock).find(STUDY)).er is False


@pytest.mark.parametrize(
    "findings",
    [
        [observation(), observation(value=NEGATIVE)],
        [observation(effectiveDateTime="yesterday")],
        [observation() | {"code": 5}],
    ],
    ids=["contradictory", "malformed date", "malformed code"],
)
def test_findings_that_can_not_be_used_are_left_for_the_application_to_refuse(
    hospital: Hospital, clock: Clock, findings: list[dict[str, Any]]
) -> None:
    hospital.has(patient(), *findings)
    found = source(hospital, clock).find(STUDY)
    with pytest.raises(NotEvaluable, match="clinical_record_invalid"):
        parse_clinical_file(found.content.encode(), ".json")


# When it is asked


def test_it_is_asked_again_ever_more_rarely(hospital: Hospital, clock: Clock) -> None:
    asked = source(hospital, clock, ask_every_s=60)
    asks_in_hour = []
    for _ in range(24):
        before = len(hospital.asked)
        for _ in range(60):
            asked.find(STUDY)
            clock.wait(60)
        asks_in_hour.append(len(hospital.asked) - before)
    assert asks_in_hour[0] > 20
    assert 0 < sum(asks_in_hour[-6:]) < 10


def test_a_finding_that_arrives_later_is_found(hospital: Hospital, clock: Clock) -> None:
    hospital.has(patient())
    waiting = source(hospital, clock, ask_every_s=60)
    first = waiting.generation()
    assert waiting.find(STUDY) is None
    hospital.has(patient(), observation())
    assert waiting.find(STUDY) is None
    clock.wait(60)
    assert waiting.generation() != first
    assert entry(waiting.find(STUDY)).er is True


def test_a_server_that_is_down_is_not_asked_for_every_study_that_waits(hospital: Hospital, clock: Clock) -> None:
    hospital.status = 503
    down = source(hospital, clock, ask_every_s=60)
    for number in range(5):
        with pytest.raises(RecordsUnavailable, match="HTTP status 503"):
            down.find(StudyIdentity(study_instance_uid=f"1.{number}", patient_id="P", accession_number=""))
    assert len(hospital.asked) == 1
    assert [problem.where for problem in down.problems()] == ["FHIR server"]
    hospital.status = 200
    clock.wait(60)
    assert down.find(STUDY) is None
    assert not down.problems()


# What a broken or hostile server can do


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>login</html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a Bundle"),
        ({"resourceType": "OperationOutcome"}, "not a Bundle"),
        (b" " * (MAX_BYTES + 1), "larger than 4 MiB"),
        (searchset(patient(name="../../p1")), "id that FHIR does not allow"),
        (searchset(patient(name="p1&code=x")), "id that FHIR does not allow"),
        (searchset(patient() | {"id": ["p1"]}), "id that FHIR does not allow"),
        (searchset(following="http://[::1"), "malformed"),
        (searchset(following="http://127.0.0.2/fhir/R4/Patient?page=2"), "leads elsewhere"),
        (searchset(following="https://127.0.0.1/fhir/R4/Patient?page=2"), "leads elsewhere"),
        (searchset(following="//example.org/fhir/R4/Patient"), "leads elsewhere"),
        (searchset(following="/fhir/R4x/Patient"), "leads elsewhere"),
        (searchset(following="/fhir/R4/../admin"), "leads elsewhere"),
        (searchset(following="/fhir/R4/%2e%2e/admin"), "leads elsewhere"),
        (searchset(following="/fhir/R4/%252e%252e/admin"), "leads elsewhere"),
        (searchset(following="file:///etc/passwd"), "leads elsewhere"),
        (searchset(following="Patient?again"), f"more than {MAX_PAGES} pages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_no_server_should_give_is_no_answer(
    hospital: Hospital, clock: Clock, answer: object, told: str
) -> None:
    hospital.answers["Patient"] = answer
    with pytest.raises(RecordsUnavailable, match=told) as caught:
        source(hospital, clock).find(STUDY)
    assert "4711" not in str(caught.value)
    assert all(path.startswith("/fhir/R4/Patient?") for path in hospital.asked)


@pytest.mark.parametrize("entries", ["text", [5, None, {"resource": 5}, {"resource": {"resourceType": ["Patient"]}}]])
def test_entries_of_another_shape_are_passed_over(hospital: Hospital, clock: Clock, entries: object) -> None:
    hospital.answers["Patient"] = {"resourceType": "Bundle", "entry": entries, "link": 5}
    assert source(hospital, clock).find(STUDY) is None


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed(hospital: Hospital, clock: Clock, status: int) -> None:
    hospital.status, hospital.headers = status, {"Location": f"{hospital.base}/elsewhere"}
    with pytest.raises(RecordsUnavailable, match=f"HTTP status {status}"):
        source(hospital, clock).find(STUDY)
    assert len(hospital.asked) == 1


def test_an_answer_that_would_be_unpacked_is_not_read(hospital: Hospital, clock: Clock) -> None:
    hospital.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(RecordsUnavailable, match="compresses"):
        source(hospital, clock).find(STUDY)


def test_half_an_answer_is_none(hospital: Hospital, clock: Clock) -> None:
    hospital.headers = {"Content-Length": "1000"}
    with pytest.raises(RecordsUnavailable, match="can not be reached"):
        source(hospital, clock).find(STUDY)


def test_a_server_that_falls_silent_is_left(hospital: Hospital, clock: Clock) -> None:
    end = threading.Event()
    hospital.pause = end.wait
    with pytest.raises(RecordsUnavailable, match="ReadTimeout"):
        source(hospital, clock, timeout_s=0.1).find(STUDY)
    end.set()


def test_a_server_that_says_a_little_at_a_time_is_left(hospital: Hospital, clock: Clock) -> None:
    hospital.pause = lambda: clock.wait(6)
    with pytest.raises(RecordsUnavailable, match="takes longer"):
        source(hospital, clock, timeout_s=5).find(STUDY)


def test_a_proxy_of_the_environment_is_not_used(
    hospital: Hospital, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert source(hospital, clock).find(STUDY) is None


# Who is asked


def test_the_token_is_read_again_each_time(hospital: Hospital, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    asked = source(hospital, clock, token_file=tmp_path / "token", ask_every_s=60)
    asked.find(STUDY)
    (tmp_path / "token").write_text("second")
    clock.wait(60)
    asked.find(STUDY)
    assert hospital.tokens == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, "", "two words", "a\r\nX-Evil: 1", "schlüssel"])
def test_without_a_token_it_is_not_asked(hospital: Hospital, clock: Clock, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(RecordsUnavailable, match="token"):
        source(hospital, clock, token_file=tmp_path / "token").find(STUDY)
    assert not hospital.asked


@pytest.mark.parametrize(
    "url",
    [
        "http://fhir.example.org/R4",
        "http://127.0.0.1.example.org/R4",
        "http://10.0.0.1/R4",
        "ftp://127.0.0.1/R4",
        "https://user:secret@fhir.example.org/R4",
        "https://fhir.example.org/R4?x=1",
        "https:///R4",
        "fhir.example.org",
        "http://[::1",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration, match=r"records\.fhir\.url") as caught:
        FhirServer(settings.FhirServer(url=url))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["https://fhir.example.org/R4/", "http://localhost:8080", "http://[::1]:8080/fhir"])
def test_an_address_that_is_encrypted_or_on_this_machine_may_be_asked(url: str) -> None:
    FhirServer(settings.FhirServer(url=url))


def test_plain_http_elsewhere_has_to_be_allowed() -> None:
    FhirServer(settings.FhirServer(url="http://fhir.example.org/R4", allow_plain_http=True))


def test_nothing_of_the_patient_is_logged(hospital: Hospital, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hospital.has(patient(), observation())
    assert source(hospital, clock).find(STUDY)
    assert not any(secret in caplog.text for secret in ("4711", "661", "Doe"))
