"""Results go to the PACS by C-STORE: what was stored, and what was not and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.association import Association

from deploy.trigger.connection import PeerUnavailable, association
from deploy.trigger.settings import Peer

# PS3.4 Table B.2-1
_SUCCESS = 0x0000
_WARNINGS = range(0xB000, 0xC000)
_FAILURES = {0xA7: "it is out of resources", 0xA9: "it says that the SOP class does not match"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of the files.

    Attributes:
        undelivered: files that the PACS has not confirmed, each with a sentence that says why and what to do.
    """

    undelivered: tuple[tuple[Path, str], ...]


@dataclass(frozen=True, slots=True)
class _Result:
    path: Path
    sop_class: UID
    transfer_syntax: UID


def deliver(peer: Peer, files: Sequence[Path], own_ae_title: str) -> Delivery:
    """Store files of a few SOP classes at the PACS, over one association; one that fails does not keep others back.

    A file that is sent again is the same instance to the receiver: what was not confirmed can be sent again.
    """
    undelivered: list[tuple[Path, str]] = []
    results: list[_Result] = []
    for path in files:
        try:
            meta = read_file_meta_info(path)
            results.append(_Result(path, meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID))
        except Exception as error:  # a damaged file breaks the parser in ways that have no common type
            undelivered.append((path, f"a result can not be read ({type(error).__name__}); run the study again"))
    if results:
        undelivered.extend(_store_all(peer, results, own_ae_title))
    return Delivery(undelivered=tuple(undelivered))


def _store_all(peer: Peer, results: Sequence[_Result], own_ae_title: str) -> list[tuple[Path, str]]:
    undelivered = []
    left = list(results)
    try:
        with association(peer, own_ae_title, _contexts(results), peer.timeout_s) as found:
            while left:
                sentence = _store(peer, found, left[0])
                result = left.pop(0)
                if sentence is not None:
                    undelivered.append((result.path, sentence))
    except PeerUnavailable as error:
        undelivered.extend((result.path, str(error)) for result in left)
    return undelivered


def _store(peer: Peer, found: Association, result: _Result) -> str | None:
    """Store one; None where it was, else a sentence.

    Raises:
        PeerUnavailable: no answer; the association is of no more use.
    """
    what = result.sop_class.name
    if all(context.abstract_syntax != result.sop_class for context in found.accepted_contexts):
        return f"{peer.ae_title} does not take {what}; enable it there, or do without it in the application's settings"
    try:
        status = found.send_c_store(dcmread(result.path)).get("Status")
    except RuntimeError:  # pynetdicom's, where the association has just ended
        status = None
    except Exception as error:  # of reading or encoding: no common type
        return f"{what} could not be sent ({type(error).__name__}); run the study again"
    if status is None:
        raise PeerUnavailable(f"{peer.ae_title} broke off before it confirmed {what}")
    if status == _SUCCESS:
        return None
    if status in _WARNINGS:
        log.warning("stored_with_warning", sop_class=what, status=f"0x{status:04X}")
        return None
    meaning = _FAILURES.get(status >> 8, "its log says why")
    return f"{peer.ae_title} refused {what} with status 0x{status:04X}: {meaning}"


def _contexts(results: Sequence[_Result]) -> list[tuple[UID, UID]]:
    """What the files are written in, and the encoding that every peer has to know (PS3.5 10.1)."""
    written = {(result.sop_class, result.transfer_syntax) for result in results}
    default = {(sop_class, ImplicitVRLittleEndian) for sop_class, syntax in written if not syntax.is_compressed}
    return sorted(written | default)
