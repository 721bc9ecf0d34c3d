"""Questions to a PACS: answers are taken for what they are, and no answer is never taken for an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from dicom_peers import OURS, PACS, free_port, pacs
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from deploy.trigger.pacs import Pacs, PacsUnavailable
from deploy.trigger.settings import Peer

# Of the other side, where the test makes it answer wrongly.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

MODELS = (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelMove)
CONTEXTS = [build_context(model, ImplicitVRLittleEndian) for model in MODELS]


def _answer(**values: str) -> Dataset:
    answer = Dataset()
    for keyword, value in values.items():
        setattr(answer, keyword, value)
    return answer


def _finding(*answers: Dataset, last: int = 0x0000, asked: list[Dataset] | None = None) -> list[Any]:
    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        if asked is not None:
            asked.append(event.identifier)
        for answer in answers:
            yield 0xFF00, answer
        if last:
            yield last, None

    return [(evt.EVT_C_FIND, find)]


def _moving(number: int, last: int) -> list[Any]:
    def move(event: Event) -> Iterator[Any]:
        yield None, None
        yield number
        yield last, None

    return [(evt.EVT_C_MOVE, move)]


def test_series_are_told_with_modality_and_number() -> None:
    asked: list[Dataset] = []
    answers = (
        _answer(SeriesInstanceUID="1.2.1", Modality="MR", NumberOfSeriesRelatedInstances="480"),
        _answer(SeriesInstanceUID="1.2.2", Modality="SEG"),
    )
    with pacs(CONTEXTS, _finding(*answers, asked=asked)) as peer:
        assert Pacs(peer, OURS).series_of("1.2") == {"1.2.1": ("MR", 480), "1.2.2": ("SEG", None)}
    assert (asked[0].QueryRetrieveLevel, asked[0].StudyInstanceUID) == ("SERIES", "1.2")


def test_recent_studies_are_those_that_may_hold_mr() -> None:
    asked: list[Dataset] = []
    answers = (
        _answer(StudyInstanceUID="1.2", ModalitiesInStudy="MR\\SEG", NumberOfStudyRelatedInstances="9"),
        _answer(StudyInstanceUID="1.3", ModalitiesInStudy="CT", NumberOfStudyRelatedInstances="9"),
        _answer(StudyInstanceUID="1.4"),
    )
    with pacs(CONTEXTS, _finding(*answers, asked=asked)) as peer:
        assert Pacs(peer, OURS).recent_studies(date(2026, 11, 3)) == [("1.2", 9), ("1.4", None)]
    assert (asked[0].StudyDate, asked[0].ModalitiesInStudy) == ("20261103-", "MR")


def test_an_answer_without_a_uid_that_is_one_is_passed_over() -> None:
    answers = (_answer(SeriesInstanceUID=uid, Modality="MR") for uid in ("", "../../x", "1..2", "1.2.5"))
    with pacs(CONTEXTS, _finding(*answers)) as peer:
        assert Pacs(peer, OURS).series_of("1.2") == {"1.2.5": ("MR", None)}


def test_a_number_that_is_none_is_not_told() -> None:
    answer = _answer(SeriesInstanceUID="1.2.1", Modality="MR")
    answer.add_new("NumberOfSeriesRelatedInstances", "LO", "many")
    with pacs(CONTEXTS, _finding(answer)) as peer:
        assert Pacs(peer, OURS).series_of("1.2") == {"1.2.1": ("MR", None)}


def test_answers_that_end_in_a_failure_are_none() -> None:
    answer = _answer(SeriesInstanceUID="1.2.1", Modality="MR")
    with pacs(CONTEXTS, _finding(answer, last=0xA700)) as peer, pytest.raises(PacsUnavailable, match="0xA700"):
        Pacs(peer, OURS).series_of("1.2")


def test_answers_that_break_off_are_none() -> None:
    def find(event: Event) -> Iterator[tuple[int, Dataset]]:
        yield 0xFF00, _answer(SeriesInstanceUID="1.2.1", Modality="MR")
        event.assoc.abort()

    with pacs(CONTEXTS, [(evt.EVT_C_FIND, find)]) as peer, pytest.raises(PacsUnavailable, match="to the end"):
        Pacs(peer, OURS).series_of("1.2")


def test_answers_without_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.trigger.pacs._MAX_ANSWERS", 50)
    answers = (_answer(StudyInstanceUID=f"1.{number}") for number in range(1_000_000))
    with (
        pacs(CONTEXTS, _finding(*[next(answers) for _ in range(200)])) as peer,
        pytest.raises(PacsUnavailable, match="more than 50"),
    ):
        Pacs(peer, OURS).recent_studies(date(2026, 1, 1))


def test_a_pacs_that_is_not_there_is_told() -> None:
    nobody = Peer(ae_title=PACS, host="127.0.0.1", port=free_port())
    with pytest.raises(PacsUnavailable, match="does not answer"):
        Pacs(nobody, OURS).recent_studies(date(2026, 1, 1))


def test_a_pacs_that_can_not_be_asked_is_told() -> None:
    with pacs([build_context("1.2.840.10008.1.1")], []) as peer, pytest.raises(PacsUnavailable, match="Study Root"):
        Pacs(peer, OURS).series_of("1.2")


def test_a_destination_that_the_pacs_does_not_know_is_told() -> None:
    with pacs(CONTEXTS, _moving(1, 0x0000)) as peer, pytest.raises(PacsUnavailable, match="as a destination"):
        Pacs(peer, OURS).fetch("1.2", "1.2.1")
