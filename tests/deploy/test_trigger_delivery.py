"""Results on their way to a PACS: what it confirmed is delivered, all else is told with what to do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from dicom_peers import OURS, PACS, free_port, image, pacs, saved
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    SegmentationStorage,
)
from pynetdicom import build_context, evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from deploy.trigger.delivery import deliver
from deploy.trigger.settings import Peer

SYNTAXES: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
ALL = [build_context(uid, SYNTAXES) for uid in (Comprehensive3DSRStorage, SegmentationStorage, MRImageStorage)]


class Archive:
    """Answers each C-STORE by its instance, with 0x0000 unless told otherwise."""

    def __init__(self, **answers: Any) -> None:
        self.stored: dict[str, Dataset] = {}
        self._answers = answers

    def handlers(self) -> list[Any]:
        return [(evt.EVT_C_STORE, self._store)]

    def _store(self, event: Event) -> int:
        number = event.dataset.SOPInstanceUID.split(".")[-1]
        answer = self._answers.get(f"to_{number}", 0x0000)
        if callable(answer):
            answer(event)
            return 0x0000
        if answer < 0xA000 or answer >= 0xB000:
            self.stored[number] = event.dataset
        return int(answer)


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    kinds = (Comprehensive3DSRStorage, SegmentationStorage, MRImageStorage)
    return [saved(image(number, kind), tmp_path / f"{number}.dcm") for number, kind in enumerate(kinds, 1)]


def _undelivered(peer: Peer, files: list[Path]) -> dict[str, str]:
    return {path.stem: sentence for path, sentence in deliver(peer, files, OURS).undelivered}


def test_everything_that_is_confirmed_is_delivered(results: list[Path]) -> None:
    archive = Archive()
    with pacs(ALL, archive.handlers()) as peer:
        assert _undelivered(peer, results) == {}
        assert _undelivered(peer, results) == {}
    assert archive.stored.keys() == {"1", "2", "3"}
    assert archive.stored["3"].PixelData == image(3).PixelData


def test_one_that_is_refused_does_not_keep_the_others_back(results: list[Path]) -> None:
    archive = Archive(to_2=0xA700)
    with pacs(ALL, archive.handlers()) as peer:
        told = _undelivered(peer, results)
    assert told == {"2": "PACS refused Segmentation Storage with status 0xA700: it is out of resources"}
    assert archive.stored.keys() == {"1", "3"}


def test_a_warning_counts_as_stored_and_is_told(results: list[Path], capfd: pytest.CaptureFixture[str]) -> None:
    with pacs(ALL, Archive(to_1=0xB000).handlers()) as peer:
        assert _undelivered(peer, results) == {}
    assert "0xB000" in capfd.readouterr().out


def test_a_sop_class_that_the_pacs_does_not_take_is_named(results: list[Path]) -> None:
    archive = Archive()
    with pacs([ALL[0], ALL[2]], archive.handlers()) as peer:
        told = _undelivered(peer, results)
    assert told.keys() == {"2"} and "does not take Segmentation Storage" in told["2"]
    assert archive.stored.keys() == {"1", "3"}


def test_a_pacs_that_takes_nothing_of_it_is_told_so(results: list[Path]) -> None:
    with pacs([build_context("1.2.840.10008.1.1")], []) as peer:
        told = _undelivered(peer, results)
    assert told.keys() == {"1", "2", "3"} and "Segmentation Storage" in told["1"]


def test_a_pacs_that_knows_the_default_encoding_only_gets_its_results(results: list[Path]) -> None:
    archive = Archive()
    implicit: list[PresentationContext] = [
        build_context(UID(str(context.abstract_syntax)), ImplicitVRLittleEndian) for context in ALL
    ]
    with pacs(implicit, archive.handlers()) as peer:
        assert _undelivered(peer, results) == {}
    assert archive.stored["3"].PixelData == image(3).PixelData


def test_nothing_is_delivered_where_nobody_answers(results: list[Path]) -> None:
    nobody = Peer(ae_title=PACS, host="127.0.0.1", port=free_port())
    told = _undelivered(nobody, results)
    assert told.keys() == {"1", "2", "3"} and "does not answer" in told["1"]


def test_a_pacs_that_does_not_know_us_is_told_so(results: list[Path]) -> None:
    with pacs(ALL, []) as peer:
        told = deliver(peer, results, "STRANGER").undelivered
    assert len(told) == 3 and "AE title" in told[0][1]


def test_what_comes_after_an_abort_is_undelivered(results: list[Path]) -> None:
    with pacs(ALL, Archive(to_2=lambda event: event.assoc.abort()).handlers()) as peer:
        told = _undelivered(peer, results)
    assert told.keys() == {"2", "3"} and "before it confirmed Segmentation Storage" in told["2"]


def test_a_pacs_that_does_not_answer_in_time_is_not_waited_for(results: list[Path]) -> None:
    go_on = threading.Event()
    with pacs(ALL, Archive(to_1=lambda event: go_on.wait(20)).handlers(), timeout_s=0.5) as peer:
        told = _undelivered(peer, results)
        go_on.set()
    assert told.keys() == {"1", "2", "3"}


def test_a_damaged_result_does_not_keep_the_others_back(results: list[Path]) -> None:
    results[0].write_bytes(b"no DICOM")
    with pacs(ALL, Archive().handlers()) as peer:
        told = _undelivered(peer, results)
    assert told.keys() == {"1"} and "can not be read" in told["1"]
