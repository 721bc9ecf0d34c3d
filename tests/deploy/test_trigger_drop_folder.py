"""The right record of those in the drop folder, once it is whole, whatever else lies there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.trigger import settings
from deploy.trigger.drop_files import MAX_FILE_BYTES
from deploy.trigger.drop_folder import DropFolder
from deploy.trigger.records import FoundRecord, RecordsUnavailable, StudyIdentity
from pcr.clinical_file import ClinicalEntry, parse_clinical_file

if TYPE_CHECKING:
    from trigger_parts import Clock

STUDY = StudyIdentity(study_instance_uid="1.2.3", patient_id="MRN-4711", accession_number="A-661")
LONG_AGO_S = 3600


class Site:
    """A drop folder, the clock beside it, and a hospital that writes into it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.drop = DropFolder(settings.DropFolder(path=folder, look_every_s=5), clock, clock)

    def write(self, name: str, content: object, age_s: float = LONG_AGO_S) -> Path:
        path = self.folder / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        self.date(path, age_s)
        return path

    def date(self, path: Path, age_s: float) -> None:
        os.utime(path, (self.clock() - age_s,) * 2)

    def find(self, study: StudyIdentity = STUDY) -> FoundRecord | None:
        """What is found at the next look."""
        self.clock.wait(5)
        return self.drop.find(study)

    def entry(self, study: StudyIdentity = STUDY) -> ClinicalEntry | None:
        """What the application will read."""
        found = self.find(study)
        return parse_clinical_file(found.content.encode(), ".json").entries[0] if found else None

    def problem(self) -> str:
        """What is wrong with the one file that can not be read."""
        self.find()
        (problem,) = self.drop.problems()
        assert not any(secret in problem.sentence for secret in ("4711", "661", "perhaps"))
        return problem.sentence


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Site:
    folder = tmp_path / "drop"
    folder.mkdir()
    return Site(folder, clock)


# Whose record


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"records": [{"study_instance_uid": "1.2.3", "er": True}, {"patient_id": "other", "er": False}]}),
        ("a.json", {"records": [{"accession_number": "A-661", "er": True}]}),
        ("a.json", {"MRN-4711": {"er": True}}),
        ("a.JSON", {"patient_id": " MRN-4711 ", "er": True}),
        ("a.csv", "accession_number;er\nA-661;positive\nA-662;negative\n"),
    ],
    ids=["by study", "by order", "by patient", "one record", "table"],
)
def test_a_record_is_found_in_every_form(site: Site, name: str, content: object) -> None:
    site.write(name, content)
    entry = site.entry()
    assert entry and (entry.study_instance_uid, entry.er) == ("1.2.3", True)


def test_without_a_record_of_the_study_there_is_none(site: Site) -> None:
    site.write("a.csv", "accession_number,patient_id,er\nA-662,MRN-4711,1\n,MRN-4712,1\n")
    assert site.find() is None


def test_blank_keys_of_a_study_find_nothing(site: Site) -> None:
    site.write("a.json", {"records": [{"patient_id": " ", "study_instance_uid": "9", "er": True}]})
    assert site.find(StudyIdentity(study_instance_uid="1", patient_id="", accession_number=" ")) is None


def test_the_more_telling_key_goes_before_the_newer_file(site: Site) -> None:
    site.write("patient.json", {"patient_id": "MRN-4711", "age": 41}, age_s=LONG_AGO_S - 2)
    site.write("order.json", {"accession_number": "A-661", "age": 42}, age_s=LONG_AGO_S - 1)
    site.write("study.json", {"study_instance_uid": "1.2.3", "age": 43})
    assert site.entry().age == 43
    (site.folder / "study.json").unlink()
    assert site.entry().age == 42
    assert site.entry(StudyIdentity(study_instance_uid="9", patient_id="MRN-4711", accession_number="")).age == 41


def test_among_records_under_one_key_the_newest_file_is_a_correction(site: Site) -> None:
    site.write("b.json", {"patient_id": "MRN-4711", "age": 40})
    site.write("a.json", {"patient_id": "MRN-4711", "age": 41}, age_s=LONG_AGO_S - 1)
    assert site.entry().age == 41


def test_keys_that_contradict_the_study_are_left_for_the_application_to_find(site: Site) -> None:
    site.write("a.json", {"accession_number": "A-661", "patient_id": "somebody else", "er": True})
    assert site.entry().contradicts(STUDY)


def test_records_of_one_file_that_contradict_each_other_are_left_for_the_application_to_find(site: Site) -> None:
    site.write("a.csv", "accession_number,er\nA-661,1\nA-661,0\n")
    found = site.find()
    assert [entry.er for entry in parse_clinical_file(found.content.encode(), ".json").entries] == [True, False]


def test_a_record_that_says_the_same_has_the_same_digest_wherever_it_comes_from(site: Site) -> None:
    site.write("a.json", {"accession_number": "A-661", "age": 55, "er": True})
    first = site.find()
    site.write("b.csv", "er;age;patient_id;accession_number\nyes;55,0;MRN-4711;A-661\n", age_s=60 * 2)
    second = site.find()
    assert (first.digest, first.content) != (second.digest, second.content)
    assert first.digest == second.digest
    assert parse_clinical_file(second.content.encode(), ".json").source == "clinical.csv"


# Files that come, change and go


def test_a_young_file_is_read_once_it_looks_the_same_twice(site: Site) -> None:
    site.write("a.csv", "patient_id,er\nMRN-4711,1\n", age_s=0)
    assert site.find() is None
    site.write("a.csv", "patient_id,er\nMRN-4711,1\nMRN-4712,1\n", age_s=-5)
    assert site.find() is None
    assert site.entry().er is True


def test_a_file_of_the_future_is_read_as_well(site: Site) -> None:
    site.write("a.json", {"patient_id": "MRN-4711", "er": True}, age_s=-1e6)
    assert (site.find(), site.entry().er) == (None, True)


def test_while_a_file_is_rewritten_its_last_record_stands(site: Site) -> None:
    site.write("a.json", {"patient_id": "MRN-4711", "age": 40})
    assert site.entry().age == 40
    site.write("a.json", '{"patient_id": "MRN-', age_s=0)
    assert site.entry().age == 40
    site.write("a.json", {"patient_id": "MRN-4711", "age": 41}, age_s=-5)
    assert site.entry().age == 40
    assert site.entry().age == 41


def test_the_folder_is_looked_at_no_oftener_than_it_is_to_be(site: Site) -> None:
    assert site.find() is None
    site.write("a.json", {"patient_id": "MRN-4711", "er": True})
    assert site.drop.find(STUDY) is None
    site.clock.wait(5)
    assert site.drop.find(STUDY) is not None


def test_the_generation_changes_with_the_records_alone(site: Site) -> None:
    def generation() -> str:
        site.clock.wait(5)
        return site.drop.generation()

    empty = generation()
    path = site.write("a.json", {"patient_id": "MRN-4711", "er": True})
    (site.folder / "notes.txt").write_text("nothing")
    came = generation()
    assert came != empty
    assert generation() == came
    path.unlink()
    assert generation() not in (empty, came)


# What else may lie there


@pytest.mark.parametrize("name", [".a.json", "~$a.csv", "a.json.tmp", "a.txt", "a.json~", "sub/a.json"])
def test_what_is_hidden_or_unfinished_is_passed_over(site: Site, name: str) -> None:
    (site.folder / "sub").mkdir()
    site.write(name, {"patient_id": "MRN-4711", "er": True})
    assert (site.find(), list(site.drop.problems())) == (None, [])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "{", "not readable JSON"),
        ("a.json", "[" * 100_000, "not readable JSON"),
        ("a.json", {"patient_id": "MRN-4711", "age": "55"}, "age"),
        ("a.json", '{"patient_id": "MRN-4711", "age": NaN}', "age"),
        ("a.json", {"er": True}, "names no study"),
        ("a.json", {"MRN-4711": {"surname": "perhaps"}}, "not known"),
        ("a.json", {"resourceType": "Bundle"}, "no Patient"),
        ("a.csv", "accession_number,her2\nA-661,perhaps\n", "line 2, column her2"),
        ("a.csv", 'accession_number,her2\nA-661,"=1+1"\n', "line 2, column her2"),
        ("a.csv", "PK\x03\x04\x00\x00", "cut off"),
        ("a.csv", "er\n" + "1\n" * 1_000_000, "more than 100,000"),
        ("a.json", " " * (MAX_FILE_BYTES + 1), "larger than 4 MiB"),
    ],
)
def test_a_file_that_can_not_be_read_is_told_and_stops_no_other(
    site: Site, name: str, content: object, told: str
) -> None:
    path = site.write(name, content)
    site.write("good.json", {"patient_id": "MRN-4711", "er": True})
    assert told in site.problem()
    assert path.exists() and site.entry().er is True


def test_a_problem_is_gone_when_its_file_is_mended(site: Site) -> None:
    site.write("a.json", "{")
    assert site.problem()
    site.write("a.json", {"patient_id": "MRN-4711", "er": True}, age_s=LONG_AGO_S - 1)
    assert site.entry().er is True
    assert not site.drop.problems()


def test_links_pipes_and_folders_are_not_read(site: Site, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text('{"patient_id": "MRN-4711", "er": true}')
    (site.folder / "link.json").symlink_to(tmp_path / "outside.json")
    os.mkfifo(site.folder / "pipe.json")
    (site.folder / "folder.csv").mkdir()
    for _ in range(2):
        assert site.find() is None
    assert {problem.where for problem in site.drop.problems()} == {"link.json", "pipe.json", "folder.csv"}


def test_a_name_does_not_steer_the_terminal_it_is_shown_on(site: Site) -> None:
    site.write("a\x1b[2J\n.json", "{")
    site.find()
    assert [problem.where for problem in site.drop.problems()] == ["a?[2J?.json"]


def test_an_id_that_looks_like_a_path_is_an_id(site: Site) -> None:
    study = StudyIdentity(study_instance_uid="1.2.3", patient_id="../../etc/passwd", accession_number="/dev/zero")
    site.write("a.json", {"patient_id": "../../etc/passwd", "er": True})
    assert site.entry(study).er is True


def test_a_folder_that_is_gone_is_waited_for(site: Site) -> None:
    site.write("a.json", {"patient_id": "MRN-4711", "er": True})
    site.folder.rename(site.folder.with_name("unmounted"))
    with pytest.raises(RecordsUnavailable, match="mounted"):
        site.find()
    assert len(site.drop.problems()) == 1
    site.folder.with_name("unmounted").rename(site.folder)
    assert site.entry().er is True
    assert not site.drop.problems()


def test_more_records_than_memory_is_meant_for_leave_the_oldest_file_out(site: Site) -> None:
    lines = "patient_id,er\n" + "P,1\n" * 60_000
    site.write("older.csv", lines + "MRN-4711,1\n")
    site.write("newer.csv", lines, age_s=LONG_AGO_S - 1)
    site.write("oldest.json", {"patient_id": "MRN-4711", "er": False}, age_s=LONG_AGO_S + 1)
    assert site.entry().er is False
    assert [problem.where for problem in site.drop.problems()] == ["older.csv"]


def test_a_bundle_in_the_folder_keeps_its_source(site: Site) -> None:
    coding: dict[str, Any] = {"coding": [{"system": "http://loinc.org", "code": "85337-4"}]}
    positive = {"coding": [{"system": "http://loinc.org", "code": "LA6576-8"}]}
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "MRN-4711"}]}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": coding,
        "valueCodeableConcept": positive,
        "subject": {"reference": "Patient/p"},
    }
    site.write("a.json", {"resourceType": "Bundle", "entry": [{"resource": patient}, {"resource": observation}]})
    found = site.find()
    assert found and parse_clinical_file(found.content.encode(), ".json").source == "FHIR R4 Bundle"
