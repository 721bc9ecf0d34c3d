"""Real DICOM peers on loopback for the tests of the trigger's network side: senders, a PACS, an intake that records."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from deploy.trigger.reception import Intake, ReceivedInstance, Reception
from deploy.trigger.settings import Listener, Peer

OURS = "BREASTPCR"
PACS = "PACS"
PATIENT_ID = "SIMULATED-77"


class Recorder(Intake):
    """Keeps what it gets in memory; `told` wakes whoever waits for the end of an association."""

    def __init__(self, refuse: Callable[[ReceivedInstance], None] = lambda received: None) -> None:
        self.received: list[ReceivedInstance] = []
        self.begun: list[str] = []
        self.ended: dict[str, bool] = {}
        self._refuse = refuse
        self._told = threading.Condition()

    def begin(self, association: str) -> None:
        self.begun.append(association)

    def accept(self, association: str, received: ReceivedInstance) -> None:
        assert association in self.begun
        self._refuse(received)
        self.received.append(received)

    def end(self, association: str, *, released: bool) -> None:
        with self._told:
            self.ended[association] = released
            self._told.notify_all()

    def wait_for_ends(self, number: int) -> list[bool]:
        """How so many associations ended, in order."""
        with self._told:
            assert self._told.wait_for(lambda: len(self.ended) >= number, timeout=20)
        return list(self.ended.values())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listener(**changed: Any) -> Listener:
    values = {"port": free_port(), "allowed_ae_titles": (PACS,), "idle_timeout_s": 20.0}
    return Listener(**(values | changed))


@contextmanager
def receiving(intake: Intake, **changed: Any) -> Iterator[Listener]:
    """Our reception, while it listens."""
    settings = listener(**changed)
    with Reception(settings, intake):
        yield settings


def image(number: int = 1, sop_class: UID = MRImageStorage, **changed: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"1.2.3.4.{number}"
    dataset.AccessionNumber = "A7"
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = PATIENT_ID
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.4"
    dataset.InstanceNumber = number
    dataset.PixelData = bytes([number]) * 5000
    dataset["PixelData"].VR = "OW"
    for keyword, value in changed.items():
        setattr(dataset, keyword, value)
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def connect(
    to: Listener, *, calling: str = PACS, called: str = OURS, syntax: UID = ExplicitVRLittleEndian, tls: Any = None
) -> Association:
    """An association with our reception, as a PACS opens it."""
    entity = AE(calling)
    contexts = [build_context(MRImageStorage, syntax), build_context("1.2.840.10008.1.1")]
    return entity.associate(to.host, to.port, contexts=contexts, ae_title=called, tls_args=tls)


def send(to: Listener, *datasets: Dataset, syntax: UID = ExplicitVRLittleEndian, tls: Any = None) -> list[int | None]:
    """The statuses that a PACS gets for its instances."""
    association = connect(to, syntax=syntax, tls=tls)
    assert association.is_established
    statuses = [association.send_c_store(dataset).get("Status") for dataset in datasets]
    association.release()
    return statuses


@contextmanager
def pacs(
    contexts: Sequence[PresentationContext], handlers: Sequence[Any], *, timeout_s: float = 20.0
) -> Iterator[Peer]:
    """A PACS that takes those contexts and answers by those handlers."""
    entity = AE(PACS)
    entity.require_called_aet = True
    entity.require_calling_aet = [OURS]
    port = free_port()
    server = entity.make_server(
        ("127.0.0.1", port),
        contexts=list(contexts),
        evt_handlers=list(handlers),
        server_class=ThreadedAssociationServer,
    )
    entity._servers.append(server)
    # As `start_server` does, but that it looks for its end more often.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Peer(ae_title=PACS, host="127.0.0.1", port=port, timeout_s=timeout_s)
    finally:
        entity.shutdown()
