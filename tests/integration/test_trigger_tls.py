"""The trigger's DICOM connections under TLS, with certificates that openssl makes: both sides prove who they are."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from deploy.trigger.delivery import deliver
from deploy.trigger.reception import Intake, ReceivedInstance, Reception
from deploy.trigger.settings import Listener, Peer, Tls
from pcr.reasons import BadConfiguration

pytestmark = pytest.mark.integration

OURS, PACS = "BREASTPCR", "PACS"


class Inbox(Intake):
    def __init__(self) -> None:
        self.received: list[ReceivedInstance] = []

    def begin(self, association: str) -> None:
        pass

    def accept(self, association: str, received: ReceivedInstance) -> None:
        self.received.append(received)

    def end(self, association: str, *, released: bool) -> None:
        pass


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return _certificates(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return _certificates(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def result(tmp_path: Path) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
    dataset.PixelData = bytes(2_000_000)
    dataset["PixelData"].VR = "OW"
    dataset.save_as(tmp_path / "result.dcm", enforce_file_format=True)
    return tmp_path / "result.dcm"


def test_who_proves_who_they_are_get_through(known: Tls, result: Path) -> None:
    inbox = Inbox()
    with Reception(_listener(known), inbox) as reception:
        assert deliver(_peer(reception, known), [result], PACS).undelivered == ()
    assert len(inbox.received) == 1


def test_who_has_no_certificate_of_the_ca_does_not_get_through(known: Tls, stranger: Tls, result: Path) -> None:
    inbox = Inbox()
    half = stranger.model_copy(update={"ca": known.ca})
    with Reception(_listener(known), inbox) as reception:
        for tls in (None, half, stranger):
            assert len(deliver(_peer(reception, tls), [result], PACS).undelivered) == 1
    assert inbox.received == []


def test_results_do_not_go_to_a_stranger(known: Tls, stranger: Tls, result: Path) -> None:
    inbox = Inbox()
    half = stranger.model_copy(update={"ca": known.ca})
    with Reception(_listener(half), inbox) as reception:
        assert len(deliver(_peer(reception, known), [result], PACS).undelivered) == 1
    assert inbox.received == []


def test_who_does_not_finish_the_handshake_keeps_nobody_out(known: Tls, result: Path) -> None:
    inbox = Inbox()
    with Reception(_listener(known), inbox) as reception:
        peer = _peer(reception, known)
        with socket.create_connection((peer.host, peer.port)) as silent:
            silent.sendall(b"\x16\x03")
            assert deliver(peer, [result], PACS).undelivered == ()


def test_a_certificate_that_is_none_is_told(known: Tls, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("none")
    with pytest.raises(BadConfiguration, match="tls"):
        Reception(_listener(known.model_copy(update={"certificate": tmp_path / "no.pem"})), Inbox()).start()


def _listener(tls: Tls) -> Listener:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Listener(ae_title=OURS, port=port, allowed_ae_titles=(PACS,), idle_timeout_s=20, tls=tls)


def _peer(reception: Reception, tls: Tls | None) -> Peer:
    return Peer(ae_title=OURS, host="127.0.0.1", port=reception.settings.port, timeout_s=5, tls=tls)


def _certificates(folder: Path) -> Tls:
    """An authority of its own, and a certificate of it for this machine."""
    made = Tls(certificate=folder / "own.pem", key=folder / "own.key", ca=folder / "ca.pem")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-addext"]
    authority = [
        *new,
        "keyUsage=keyCertSign",
        "-subj",
        "/CN=authority",
        "-keyout",
        f"{folder}/ca.key",
        "-out",
        f"{made.ca}",
    ]
    own = [*new, "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-subj", "/CN=own"]
    own += ["-CA", f"{made.ca}", "-CAkey", f"{folder}/ca.key", "-keyout", f"{made.key}", "-out", f"{made.certificate}"]
    for command in (authority, own):
        subprocess.run(command, check=True, capture_output=True)
    return made
