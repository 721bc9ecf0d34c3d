"""The Storage SCP: instances come in by C-STORE from the AE titles that may send, and are handed to an intake."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol, cast
from uuid import uuid4

import structlog
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from deploy.trigger.bounded_server import BoundedServer
from deploy.trigger.connection import application_entity, server_context
from deploy.trigger.instance import ReceivedInstance, UnusableInstance, identify
from deploy.trigger.settings import Listener
from pcr.reasons import BadConfiguration

__all__ = ["Intake", "IntakeRefused", "ReceivedInstance", "Reception"]

# PS3.4 Table B.2-1
_SUCCESS = 0x0000
_OUT_OF_RESOURCES = 0xA700
_DOES_NOT_MATCH_SOP_CLASS = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_LONGEST_COMMENT = 64  # PS3.7 Annex E, Error Comment

log = structlog.get_logger()


class IntakeRefused(Exception):
    """An instance is not kept; the sender gets the status of PS3.4 Table B.2-1 and the sentence, which names nobody."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Intake(Protocol):
    """Where instances go; called from the threads of several associations at once."""

    def begin(self, association: str) -> None:
        """An association was accepted."""

    def accept(self, association: str, received: ReceivedInstance) -> None:
        """Keep an instance: when this returns, the sender is told that it is safe.

        Raises:
            IntakeRefused: it is not kept.
        """

    def end(self, association: str, *, released: bool) -> None:
        """An association is over: released by the sender, or else aborted or lost."""


class Reception:
    """Listens while it is started, as `settings` say.

    Only `settings.allowed_ae_titles` may send, to our AE title, and what they send takes no more than
    about three times `settings.max_instance_mib` of memory in all, however many they are and however they send it.
    """

    def __init__(self, settings: Listener, intake: Intake) -> None:
        self.settings = settings
        self._intake = intake
        self._names: dict[Association, str] = {}
        self._server: BoundedServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen.

        Raises:
            BadConfiguration: nobody may send, a certificate can not be used, or the port is taken.
        """
        settings = self.settings
        if not settings.allowed_ae_titles:
            # To pynetdicom, an empty list means everybody.
            raise BadConfiguration("listener.allowed_ae_titles names nobody who may send; name the PACS's AE title")
        entity = application_entity(settings.ae_title, settings.idle_timeout_s)
        entity.require_called_aet = True
        entity.require_calling_aet = list(settings.allowed_ae_titles)
        entity.maximum_associations = settings.max_associations
        try:
            self._server = BoundedServer(
                entity,
                (settings.host, settings.port),
                _contexts(),
                [(evt.EVT_ACCEPTED, self._begin), (evt.EVT_C_STORE, self._store), (evt.EVT_REJECTED, _on_rejected)],
                tls=server_context(settings.tls) if settings.tls else None,
                max_bytes=settings.max_instance_mib * 2**20,
                timeout_s=settings.idle_timeout_s,
                ended=self._end,
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise BadConfiguration(f"can not listen at {where} ({error.strerror}); choose another port") from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="reception", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; associations that are open are aborted, and ended when this returns."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Reception:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _begin(self, event: Event) -> None:
        name = self._names[event.assoc] = uuid4().hex
        try:
            self._intake.begin(name)
        except Exception as error:
            log.error("unexpected", thread="reception", error=type(error).__name__)

    def _store(self, event: Event) -> int | Dataset:
        try:
            self._intake.accept(self._names[event.assoc], _received(event))
        except IntakeRefused as refused:
            return _refusal(event, refused.status, str(refused))
        except UnusableInstance as unusable:
            return _refusal(event, _CANNOT_UNDERSTAND, str(unusable))
        except _Mismatch:
            return _refusal(event, _DOES_NOT_MATCH_SOP_CLASS, "the data set has other UIDs than its command")
        except Exception as error:
            return _refusal(event, _OUT_OF_RESOURCES, f"it could not be kept ({type(error).__name__})")
        return _SUCCESS

    def _end(self, association: Association) -> None:
        name = self._names.pop(association, None)
        if name is None:
            return
        try:
            self._intake.end(name, released=association.is_released)
        except Exception as error:
            log.error("unexpected", thread="reception", error=type(error).__name__)


class _Mismatch(Exception):
    """A C-STORE request and its data set are not of the same instance."""


def _received(event: Event) -> ReceivedInstance:
    request = cast(C_STORE, event.request)
    found = identify(event.encoded_dataset(include_meta=False), UID(event.context.transfer_syntax))
    uids = found.uids
    if (uids["SOPClassUID"], uids["SOPInstanceUID"]) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
        raise _Mismatch
    return ReceivedInstance(
        study_instance_uid=uids["StudyInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        sop_class_uid=uids["SOPClassUID"],
        patient_id=found.patient_id,
        accession_number=found.accession_number,
        study_date=found.study_date,
        is_own=found.is_own,
        content=event.encoded_dataset(),
    )


def _contexts() -> list[PresentationContext]:
    """All standard storage classes, in every transfer syntax that carries its pixels in itself; and C-ECHO."""
    carried = [uid for uid in ALL_TRANSFER_SYNTAXES if "JPIP" not in UID(uid).name and "SMPTE" not in UID(uid).name]
    storage = [build_context(UID(str(context.abstract_syntax)), carried) for context in AllStoragePresentationContexts]
    return [*storage, build_context(Verification)]


def _refusal(event: Event, status: int, sentence: str) -> Dataset:
    log.warning("instance_refused", calling=event.assoc.requestor.ae_title, status=f"0x{status:04X}", reason=sentence)
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = sentence[:_LONGEST_COMMENT]
    return answer


def _on_rejected(event: Event) -> None:
    asked = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    log.warning(
        "association_refused",
        calling=asked.calling_ae_title,
        called=asked.called_ae_title,
        reason="its AE titles are not those of the settings, or there are too many associations",
    )
