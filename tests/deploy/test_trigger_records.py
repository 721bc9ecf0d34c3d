"""What a found record means, whose it is, and what becomes of it in the application."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deploy.trigger.records import FirstOf, FoundRecord, Problem, RecordsUnavailable, StudyIdentity, meaning, no_record
from pcr.clinical_file import ClinicalEntry, parse_clinical_file

STUDY = StudyIdentity(study_instance_uid="1.2.3", patient_id="MRN-4711", accession_number="A-661")


@dataclass
class Fixed:
    """A source that has always the same answer."""

    answer: FoundRecord | RecordsUnavailable | None

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        if isinstance(self.answer, RecordsUnavailable):
            raise self.answer
        return self.answer

    def generation(self) -> str:
        return "1"

    def problems(self) -> list[Problem]:
        return [Problem("here", "something")]


def found(source: str) -> FoundRecord:
    return FoundRecord('{"patient_id": "MRN-4711"}', "digest", source)


def test_nothing_of_a_patient_stands_in_a_log() -> None:
    assert "1.2.3" in repr(STUDY)
    assert not any(secret in repr(STUDY) + repr(found("x")) for secret in ("4711", "661"))


def test_records_that_say_the_same_mean_the_same() -> None:
    by_study = ClinicalEntry(study_instance_uid="1.2.3", age=55, er=True)
    by_patient = ClinicalEntry(patient_id="MRN-4711", age=55.0, er=True, her2=None)
    assert meaning([by_study], STUDY) == meaning([by_patient, by_patient], STUDY)


@pytest.mark.parametrize("changed", [{"er": False}, {"er": None}, {"her2": False}, {"patient_id": "somebody else"}])
def test_records_that_differ_mean_something_else(changed: dict[str, object]) -> None:
    values = {"patient_id": "MRN-4711", "age": 55, "er": True}
    assert meaning([ClinicalEntry(**values)], STUDY) != meaning([ClinicalEntry(**(values | changed))], STUDY)


def test_the_first_source_that_has_a_record_is_believed() -> None:
    sources = FirstOf((Fixed(None), Fixed(found("second")), Fixed(found("third"))))
    assert sources.find(STUDY) == found("second")
    assert FirstOf((Fixed(None),)).find(STUDY) is None
    assert len(sources.problems()) == 3


def test_a_source_that_is_down_is_waited_for() -> None:
    with pytest.raises(RecordsUnavailable):
        FirstOf((Fixed(RecordsUnavailable("it is down")), Fixed(found("second")))).find(STUDY)


@pytest.mark.parametrize(
    ("waited", "remarks"),
    [
        (None, ()),
        (0, ("no clinical record had arrived when the study was complete",)),
        (30.0, ("no clinical record arrived within 30 minutes of the study",)),
    ],
)
def test_the_application_is_told_how_long_was_waited(waited: float | None, remarks: tuple[str, ...]) -> None:
    record = no_record(waited)
    assert parse_clinical_file(record.content.encode(), ".json").remarks == remarks
    assert record.digest == "none"
