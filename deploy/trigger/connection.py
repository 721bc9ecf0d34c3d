"""What every DICOM connection of the trigger has: timeouts, no delay, TLS where configured, and silent libraries."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context

from deploy.trigger.settings import Peer, Tls
from pcr.reasons import BadConfiguration

# Larger ones save little; dcmtk's tools take up to 128 KiB.
MAX_PDU_BYTES = 128 * 1024


class PeerUnavailable(Exception):
    """No association with the PACS; the message is a sentence that says why and what to do."""


def application_entity(ae_title: str, timeout_s: float) -> AE:
    """An application entity of ours, whose libraries tell nothing: they repeat headers and queries in their logs."""
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    entity = AE(ae_title)
    entity.maximum_pdu_size = MAX_PDU_BYTES
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = timeout_s
    return entity


@contextmanager
def association(
    peer: Peer, own_ae_title: str, contexts: Sequence[tuple[UID, UID]], timeout_s: float
) -> Iterator[Association]:
    """A new association with the PACS, which is released in the end, or aborted after an error.

    Args:
        contexts: pairs of abstract and transfer syntax, 128 at most (PS3.8 9.3.2.2).
        timeout_s: for each answer, and for silence.

    Raises:
        PeerUnavailable: it can not be had.
    """
    found = _associate(peer, application_entity(own_ae_title, timeout_s), [build_context(*pair) for pair in contexts])
    try:
        yield found
    except BaseException:
        found.abort()
        raise
    if found.is_established:
        found.release()


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS of a listener, to which only clients with a certificate of `tls.ca` get through.

    Raises:
        BadConfiguration: a file can not be read or is none of its kind.
    """
    return _with_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls)


def send_without_delay(connected: socket.socket | None) -> None:
    """Send every message at once: waiting for more to send costs 40 ms an instance."""
    if connected is not None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _associate(peer: Peer, entity: AE, contexts: list[PresentationContext]) -> Association:
    tls = (_with_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), peer.tls), peer.host) if peer.tls else None
    try:
        made = entity.associate(
            peer.host,
            peer.port,
            contexts=contexts,
            ae_title=peer.ae_title,
            max_pdu=MAX_PDU_BYTES,
            evt_handlers=[(evt.EVT_CONN_OPEN, _on_open)],
            tls_args=tls,
        )
    except OSError as error:
        raise PeerUnavailable(
            f"the address of {peer.ae_title} is not known ({error.strerror}); check pacs.host"
        ) from None
    if made.is_established:
        return made
    if made.is_rejected:
        answer = made.acceptor.primitive
        why = answer.reason_str if answer else "no reason given"
        raise PeerUnavailable(f"{peer.ae_title} refused the association: {why}; check the AE titles on both sides")
    if made.rejected_contexts:
        raise PeerUnavailable(f"{peer.ae_title} takes none of {_names(made.rejected_contexts)}; enable it there")
    raise PeerUnavailable(f"{peer.ae_title} does not answer at {peer.host}:{peer.port}; check that it runs there")


def _names(contexts: Sequence[PresentationContext]) -> str:
    return ", ".join(sorted({UID(str(context.abstract_syntax)).name for context in contexts}))


def _on_open(event: Event) -> None:
    opened = event.assoc.dul.socket
    send_without_delay(opened.socket if opened else None)


def _with_certificates(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.ca)
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise BadConfiguration(f"tls: certificate, key or ca can not be used ({reason}); check the files") from None
    return context
