"""The trigger's network side and a real PACS: what is pushed into Orthanc comes to us, and results stay there."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from deploy.trigger.delivery import deliver
from deploy.trigger.pacs import Pacs, PacsUnavailable
from deploy.trigger.reception import Intake, ReceivedInstance, Reception
from deploy.trigger.settings import Listener, Peer
from pcr.report.provenance import MANUFACTURER, SOFTWARE_NAME
from phantom import GridSpec, PhantomSpec, simulate, write_study
from tests.integration.orthanc import AE_TITLE, DICOM_PORT, TRIGGER_AE_TITLE, Orthanc, running_orthanc

pytestmark = pytest.mark.integration

PEER = Peer(ae_title=AE_TITLE, host="127.0.0.1", port=DICOM_PORT)
LISTENER = Listener(ae_title=TRIGGER_AE_TITLE, allowed_ae_titles=(AE_TITLE, "STORESCU"))
PACS = Pacs(PEER, TRIGGER_AE_TITLE)
WITHIN_S = 60.0


class Inbox(Intake):
    """Keeps what comes, and how each association ended."""

    def __init__(self) -> None:
        self.received: list[ReceivedInstance] = []
        self.ended: list[bool] = []
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def begin(self, association: str) -> None:
        pass

    def accept(self, association: str, received: ReceivedInstance) -> None:
        self.asked.set()
        assert self.go_on.wait(WITHIN_S)
        self.received.append(received)

    def end(self, association: str, *, released: bool) -> None:
        self.ended.append(released)

    @property
    def instances(self) -> set[str]:
        return {received.sop_instance_uid for received in self.received}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom")
    write_study(simulate(PhantomSpec(seed=3, grid=GridSpec(slices=12, slice_spacing_mm=6.0))), out=out)
    (out / "study" / "clinical.json").unlink()
    return out / "study"


@pytest.fixture(scope="module")
def uids(study: Path) -> set[str]:
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in study.iterdir()}


@pytest.fixture(scope="module")
def study_uid(study: Path) -> str:
    return str(dcmread(next(study.iterdir()), stop_before_pixels=True).StudyInstanceUID)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path / "orthanc") as orthanc, orthanc.namespace.entered():
        yield orthanc


@pytest.fixture
def inbox(orthanc: Orthanc) -> Iterator[Inbox]:
    inbox = Inbox()
    with Reception(LISTENER, inbox):
        yield inbox


def test_what_is_pushed_into_the_pacs_comes_to_us_whole_and_once(
    orthanc: Orthanc, inbox: Inbox, study: Path, uids: set[str]
) -> None:
    orthanc.store(study)
    orthanc.until(lambda: inbox.ended, WITHIN_S)
    assert inbox.instances == uids and len(inbox.received) == len(uids)
    assert not any(received.is_own for received in inbox.received)
    sent = {dcmread(path).SOPInstanceUID: dcmread(path).PixelData for path in list(study.iterdir())[:5]}
    for received in inbox.received:
        if received.sop_instance_uid in sent:
            assert received.content.endswith(sent[received.sop_instance_uid])


def test_results_stay_in_the_pacs_and_do_not_come_round(
    orthanc: Orthanc, inbox: Inbox, study: Path, study_uid: str, uids: set[str], tmp_path: Path
) -> None:
    orthanc.store(study)
    orthanc.until(lambda: inbox.ended, WITHIN_S)
    result = _another(study, tmp_path / "result.dcm", Manufacturer=MANUFACTURER, ManufacturerModelName=SOFTWARE_NAME)
    assert deliver(PEER, [result], TRIGGER_AE_TITLE).undelivered == ()
    assert deliver(PEER, [result], TRIGGER_AE_TITLE).undelivered == ()
    assert sum(orthanc.modalities_of(study_uid).values()) == len(uids) + 1
    # Whatever the result set off comes before this.
    orthanc.until(lambda: orthanc.is_stable(study_uid), WITHIN_S)
    orthanc.store(_another(study, tmp_path / "image.dcm"))
    orthanc.until(lambda: len(inbox.ended) > 1, WITHIN_S)
    assert len(inbox.received) == len(uids) + 1
    assert not any(received.is_own for received in inbox.received)


def test_results_that_are_sent_to_us_are_known_as_ours(inbox: Inbox, study: Path, tmp_path: Path) -> None:
    us = Peer(ae_title=TRIGGER_AE_TITLE, host="127.0.0.1", port=LISTENER.port)
    result = _another(study, tmp_path / "result.dcm", Manufacturer=MANUFACTURER, ManufacturerModelName=SOFTWARE_NAME)
    assert deliver(us, [result], AE_TITLE).undelivered == ()
    assert [received.is_own for received in inbox.received] == [True]


def test_a_series_that_comes_later_is_sent_alone(orthanc: Orthanc, inbox: Inbox, study: Path) -> None:
    files = sorted(study.iterdir())
    first = dcmread(files[0], stop_before_pixels=True).SeriesInstanceUID
    late = {path for path in files if dcmread(path, stop_before_pixels=True).SeriesInstanceUID == first}
    orthanc.store(*(path for path in files if path not in late))
    orthanc.until(lambda: inbox.ended, WITHIN_S)
    assert len(inbox.received) == len(files) - len(late)
    orthanc.store(*late)
    orthanc.until(lambda: len(inbox.ended) == 2, WITHIN_S)
    assert len(inbox.received) == len(files)


def test_what_could_not_be_sent_is_sent_when_the_study_is_next_stable(
    orthanc: Orthanc, study: Path, uids: set[str]
) -> None:
    files = sorted(study.iterdir())
    orthanc.store(*files[:-1])
    orthanc.until(lambda: any(job["State"] == "Failure" for job in orthanc.jobs()), WITHIN_S)
    inbox = Inbox()
    with Reception(LISTENER, inbox):
        orthanc.store(files[-1])
        orthanc.until(lambda: inbox.ended, WITHIN_S)
    assert inbox.instances == uids


def test_the_pacs_is_asked_for_what_it_holds(orthanc: Orthanc, study: Path, study_uid: str) -> None:
    orthanc.store(study)
    headers = [dcmread(path, stop_before_pixels=True) for path in study.iterdir()]
    held: dict[str, tuple[str, int]] = {}
    for header in headers:
        held[header.SeriesInstanceUID] = (header.Modality, held.get(header.SeriesInstanceUID, ("", 0))[1] + 1)
    assert PACS.series_of(study_uid) == held
    assert PACS.series_of("1.2.3") == {}
    day = date.fromisoformat(headers[0].StudyDate)
    assert PACS.recent_studies(day) == [(study_uid, len(headers))]
    assert PACS.recent_studies(date(day.year + 1, 1, 1)) == []


def test_a_series_is_fetched(orthanc: Orthanc, study: Path, study_uid: str, tmp_path: Path) -> None:
    orthanc.store(study)
    series, (_, number) = next(iter(PACS.series_of(study_uid).items()))
    inbox = Inbox()
    with Reception(LISTENER, inbox):
        PACS.fetch(study_uid, series)
        fetched = [received for received in inbox.received if received.series_instance_uid == series]
        assert len({received.sop_instance_uid for received in fetched}) == number


def test_a_fetch_that_brings_nothing_is_told(orthanc: Orthanc, study: Path, study_uid: str) -> None:
    orthanc.store(study)
    series = next(iter(PACS.series_of(study_uid)))
    with pytest.raises(PacsUnavailable):
        PACS.fetch(study_uid, series)  # nobody listens
    with pytest.raises(PacsUnavailable):
        Pacs(PEER, "STRANGER").fetch(study_uid, series)


@pytest.mark.parametrize(("calling", "called"), [("STRANGER", TRIGGER_AE_TITLE), ("STORESCU", "STRANGER")])
def test_a_wrong_ae_title_is_refused(inbox: Inbox, study: Path, calling: str, called: str) -> None:
    done = subprocess.run(
        ["storescu", "-aet", calling, "-aec", called, "127.0.0.1", str(LISTENER.port), next(study.iterdir())],
        capture_output=True,
    )
    assert done.returncode != 0
    assert inbox.received == []
    assert inbox.ended == []


def test_an_association_whose_sender_is_killed_ends_unreleased(orthanc: Orthanc, inbox: Inbox, study: Path) -> None:
    inbox.go_on.clear()
    sender = subprocess.Popen(
        ["storescu", "-R", "-aec", TRIGGER_AE_TITLE, "127.0.0.1", str(LISTENER.port), *sorted(study.iterdir())],
        env=os.environ | {"TCP_NODELAY": "1"},
    )
    assert inbox.asked.wait(WITHIN_S)
    sender.send_signal(signal.SIGKILL)
    sender.wait()
    inbox.go_on.set()
    orthanc.until(lambda: inbox.ended, WITHIN_S)
    assert inbox.ended == [False]


def _another(study: Path, path: Path, **changed: str) -> Path:
    """One more instance of the study, in a series of its own."""
    dataset = dcmread(next(study.iterdir()))
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in changed.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path
