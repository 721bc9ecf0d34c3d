"""What the PACS holds, asked by C-FIND, and sent to us when asked by C-MOVE (PS3.4 C, Study Root)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from deploy.trigger.connection import PeerUnavailable, association
from deploy.trigger.settings import Peer

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# PS3.4 Tables C.4-1 and C.4-2
_SUCCESS = 0x0000
_PENDING = (0xFF00, 0xFF01)
_UNKNOWN_DESTINATION = 0xA801
_MAX_ANSWERS = 10_000
# Not every PACS tells of each instance that it moves.
_MOVE_TIMEOUTS = 10
_LONGEST_NUMBER = 12  # PS3.5 6.2, IS

Answers = Iterator[tuple[Dataset, Dataset | None]]


class PacsUnavailable(Exception):
    """The PACS could not be asked, or did not do what it was asked; the message is a sentence."""


class Pacs:
    """Asks the PACS; each question has an association of its own.

    An answer without a UID that is one is passed over; a number that is none is not told.
    """

    def __init__(self, peer: Peer, own_ae_title: str) -> None:
        self._peer = peer
        self._own_ae_title = own_ae_title

    def series_of(self, study_instance_uid: str) -> dict[str, tuple[str, int | None]]:
        """Modality and number of instances by SeriesInstanceUID; the number is None where the PACS does not tell it.

        Raises:
            PacsUnavailable: it could not be asked, or answered with more than can be.
        """
        query = Dataset()
        query.QueryRetrieveLevel = "SERIES"
        query.StudyInstanceUID = study_instance_uid
        query.SeriesInstanceUID = query.Modality = query.NumberOfSeriesRelatedInstances = ""
        return {
            uid: (_text(answer, "Modality"), _number(answer, "NumberOfSeriesRelatedInstances"))
            for answer in self._find(query)
            if (uid := _uid(answer, "SeriesInstanceUID")) is not None
        }

    def recent_studies(self, since: date, study_description: str = "") -> list[tuple[str, int | None]]:
        """Studies with MR of that day and later: StudyInstanceUID and number of instances, None where it is not told.

        Args:
            since: the first day.
            study_description: what StudyDescription must match, with * and ? (PS3.4 C.2.2.2.4); empty for any.

        Raises:
            PacsUnavailable: it could not be asked, or answered with more than can be.
        """
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        query.StudyDate = f"{since:%Y%m%d}-"
        query.ModalitiesInStudy = "MR"
        query.StudyDescription = study_description
        query.StudyInstanceUID = query.NumberOfStudyRelatedInstances = ""
        return [
            (uid, _number(answer, "NumberOfStudyRelatedInstances"))
            for answer in self._find(query)
            if (uid := _uid(answer, "StudyInstanceUID")) is not None and _may_hold_mr(answer)
        ]

    def fetch(self, study_instance_uid: str, series_instance_uid: str) -> None:
        """Have a series sent to our own AE title; when this returns, the PACS has sent all of it.

        Raises:
            PacsUnavailable: it could not be asked, does not know our AE title, or could not send everything.
        """
        query = Dataset()
        query.QueryRetrieveLevel = "SERIES"
        query.StudyInstanceUID = study_instance_uid
        query.SeriesInstanceUID = series_instance_uid
        model = StudyRootQueryRetrieveInformationModelMove
        timeout_s = self._peer.timeout_s * _MOVE_TIMEOUTS
        self._ask(model, timeout_s, lambda found: found.send_c_move(query, self._own_ae_title, model))

    def _find(self, query: Dataset) -> list[Dataset]:
        model = StudyRootQueryRetrieveInformationModelFind
        return self._ask(model, self._peer.timeout_s, lambda found: found.send_c_find(query, model))

    def _ask(self, model: UID, timeout_s: float, question: Callable[[Association], Answers]) -> list[Dataset]:
        """The identifiers of all answers, once the last of them says that it was the last."""
        found: list[Dataset] = []
        status: int | None = None
        try:
            with association(self._peer, self._own_ae_title, [(model, ImplicitVRLittleEndian)], timeout_s) as made:
                for answer, identifier in question(made):
                    status = answer.get("Status")
                    if identifier is not None:
                        found.append(identifier)
                    if len(found) > _MAX_ANSWERS:
                        raise PacsUnavailable(f"{self._peer.ae_title} gives more than {_MAX_ANSWERS} answers")
        except PeerUnavailable as error:
            raise PacsUnavailable(str(error)) from None
        except (RuntimeError, ValueError) as error:  # pynetdicom's, where the association has just ended
            raise PacsUnavailable(f"{self._peer.ae_title} could not be asked ({type(error).__name__})") from None
        if status != _SUCCESS:
            raise PacsUnavailable(self._refusal(status))
        return found

    def _refusal(self, status: int | None) -> str:
        if status is None or status in _PENDING:
            return f"{self._peer.ae_title} did not answer to the end"
        if status == _UNKNOWN_DESTINATION:
            return f"{self._peer.ae_title} does not know {self._own_ae_title} as a destination; add it there"
        return f"{self._peer.ae_title} could not do all that it was asked (status 0x{status:04X}); its log says why"


def _uid(answer: Dataset, keyword: str) -> str | None:
    uid = _text(answer, keyword)
    return uid if len(uid) <= 64 and _UID.fullmatch(uid) else None


def _may_hold_mr(study: Dataset) -> bool:
    # Matching by the modalities is optional, telling them too (PS3.4 Table C.6-5).
    modalities = _text(study, "ModalitiesInStudy")
    return not modalities or "MR" in modalities.split("\\")


def _number(answer: Dataset, keyword: str) -> int | None:
    number = _text(answer, keyword)
    return int(number) if number.isdecimal() and len(number) <= _LONGEST_NUMBER else None


def _text(answer: Dataset, keyword: str) -> str:
    try:
        value = answer.get(keyword)
    except Exception:  # a damaged value breaks its conversion in ways that have no common type
        return ""
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "").strip()
