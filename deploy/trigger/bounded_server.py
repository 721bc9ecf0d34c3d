"""A DICOM server that a hostile peer can neither fill nor hold up: pynetdicom's, with bounds on memory and time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import structlog
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from deploy.trigger.connection import send_without_delay

# A request for an association may be longer than the PDUs of data that are agreed in it.
_LONGEST_PDU = 2**20
_HEADER_BYTES = 6
# Connections that are not yet, or no longer, associations.
_MORE_CONNECTIONS = 20

log = structlog.get_logger()


class BoundedServer(ThreadedAssociationServer):
    """Takes connections, each in a thread of its own.

    Args:
        max_bytes: of messages that are held at a time, over all associations.
        timeout_s: for one PDU to arrive, and for the TLS handshake.
        ended: called once for each association, whatever ended it, after its last message was handled.
    """

    # Of a few that come at once, the fifth would be made to wait for a second by the system.
    request_queue_size = 128

    def __init__(
        self,
        entity: AE,
        address: tuple[str, int],
        contexts: list[PresentationContext],
        handlers: list[Any],
        *,
        tls: ssl.SSLContext | None,
        max_bytes: int,
        timeout_s: float,
        ended: Callable[[Association], None],
    ) -> None:
        self.tls = tls
        self.timeout_s = timeout_s
        self.ended = ended
        self.closing = False
        self._max_bytes = max_bytes
        self._held: dict[Association, int] = {}
        self._lock = threading.Lock()
        self._connections = threading.BoundedSemaphore(entity.maximum_associations + _MORE_CONNECTIONS)
        super().__init__(
            entity,
            address,
            entity.ae_title,
            contexts,
            evt_handlers=[*handlers, (evt.EVT_DIMSE_RECV, _on_message), (evt.EVT_DIMSE_SENT, _on_answer)],
            request_handler=_Connection,
        )
        entity._servers.append(self)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a thread left for another connection."""
        return self._connections.acquire(blocking=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of an error in a connection, without the traceback that would be printed."""
        log.error("connection_failed")

    def server_close(self) -> None:
        """Abort what is open, and wait for it to have ended."""
        self.closing = True
        for association in self.active_associations:
            association.abort()
        super().server_close()

    def connection_ended(self, association: Association | None) -> None:
        """Give back what a connection held."""
        self._connections.release()
        if association is not None:
            # The library's objects hold each other, and live until the collector comes.
            association.dimse.message = None
            association.dimse.msg_queue.queue.clear()
            self.let_go(association)
            self.ended(association)

    def may_hold(self, association: Association, number_of_bytes: int) -> bool:
        """Whether an association may hold so many bytes; where it may not, it has to let go of those that it has."""
        with self._lock:
            others = sum(held for other, held in self._held.items() if other is not association)
            if others + number_of_bytes > self._max_bytes:
                self._held.pop(association, None)
                return False
            self._held[association] = number_of_bytes
            return True

    def let_go(self, association: Association) -> None:
        """An association holds nothing any more."""
        with self._lock:
            self._held.pop(association, None)


class _Socket(AssociationSocket):
    """Reads no further while a message waits for its answer, nor what is too long, nor what comes too slowly.

    The library reads all that is sent: PDUs of up to 4 GiB, messages without end, requests that nobody waits for.
    """

    answering = False

    @property
    def ready(self) -> bool:
        """Whether there is something that may be read."""
        return not self.answering and bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read that many bytes; fewer where the peer has closed the connection.

        Raises:
            OSError: they may not be read or do not come; the connection is closed.
        """
        if nr_bytes > _HEADER_BYTES and not self._may_read(nr_bytes):
            self._shutdown_socket()
            raise ConnectionAbortedError("more than is taken")
        received = bytearray(nr_bytes)
        view, at = memoryview(received), 0
        end = time.monotonic() + self._server.timeout_s
        while at < nr_bytes:
            count = cast(socket.socket, self.socket).recv_into(view[at:])
            if count == 0:
                return received[:at]
            at += count
            if time.monotonic() > end:
                self._shutdown_socket()
                raise TimeoutError("too slow")
        return received

    @property
    def _server(self) -> BoundedServer:
        return cast(BoundedServer, self.assoc._server)

    def _may_read(self, number_of_bytes: int) -> bool:
        message = self.assoc.dimse.message
        parts = (message.encoded_command_set, message.data_set) if message else ()
        before = sum(part.tell() for part in parts if part)
        if number_of_bytes <= _LONGEST_PDU and self._server.may_hold(self.assoc, before + number_of_bytes):
            return True
        log.warning("sender_cut_off", calling=self.assoc.requestor.ae_title, reason="it sends more than is taken")
        return False


class _Connection(RequestHandler):
    """One connection from its first byte to the end of its association."""

    server: BoundedServer

    def handle(self) -> None:
        """Handle it; does not return before its association has ended."""
        association = None
        try:
            if self._prepare() and not self.server.closing:
                association = self._create_association()
                cast(AssociationSocket, association.dul.socket).__class__ = _Socket
                association.start()
                association.join()
        finally:
            self.request.close()
            self.server.connection_ended(association)

    def _prepare(self) -> bool:
        self.request.settimeout(self.server.timeout_s)
        send_without_delay(self.request)
        try:
            # An association costs more than a connection that says nothing.
            if not self.request.recv(1, socket.MSG_PEEK):
                return False
            # Not where connections are accepted: there, one that is slow would keep out all others.
            if self.server.tls:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        except ssl.SSLError as error:
            log.warning("tls_refused", address=self.client_address[0], reason=error.reason)
            return False
        except OSError:
            return False
        return True


def _on_message(event: Event) -> None:
    cast(_Socket, event.assoc.dul.socket).answering = True


def _on_answer(event: Event) -> None:
    cast(BoundedServer, event.assoc._server).let_go(event.assoc)
    cast(_Socket, event.assoc.dul.socket).answering = False
    # The time that we took is not the sender's.
    event.assoc.dul._idle_timer.restart()
