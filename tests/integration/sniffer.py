"""Who is called by whom in a namespace: every packet that opens a connection, and whatever would leave the machine."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.integration.namespace import Namespace

_ALL_PROTOCOLS, _IPV4, _IPV6, _TCP, _UDP = 0x0003, 0x0800, 0x86DD, 6, 17
_SYN, _ACK = 0x02, 0x10
_WAY_OUT = "wayout0"


@dataclass
class Traffic:
    """What was seen.

    Attributes:
        opened: address and port of every TCP connection that somebody began on the loopback interface.
        outside: packets, of any protocol, that took the way out of the machine.
    """

    opened: set[tuple[str, int]] = field(default_factory=set)
    outside: list[bytes] = field(default_factory=list)

    def add(self, interface: str, packet: bytes) -> None:
        if interface == _WAY_OUT:
            self.outside.append(packet[:80])
        elif packet[0] >> 4 == 4 and (destination := _called(packet)):
            self.opened.add(destination)


@contextmanager
def listening_to(namespace: Namespace) -> Iterator[Traffic]:
    """Watch a namespace, which gets a way out that leads nowhere: what is sent there is seen, and lost."""
    ip = ["ip", "-n", namespace.name]
    for command in (
        f"link add {_WAY_OUT} type veth peer name nowhere0",
        f"link set {_WAY_OUT} arp off",
        "link set nowhere0 up",
        f"addr add 198.51.100.1/24 dev {_WAY_OUT}",
        f"link set {_WAY_OUT} up",
        f"route add default via 198.51.100.254 dev {_WAY_OUT}",
        f"addr add 2001:db8::1/64 dev {_WAY_OUT} nodad",
        f"-6 route add default dev {_WAY_OUT}",
    ):
        subprocess.run([*ip, *command.split()], check=True, capture_output=True)
    with namespace.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(_ALL_PROTOCOLS))
    traffic, over = Traffic(), threading.Event()
    sniffer.settimeout(0.2)

    def listen() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                packet, (interface, protocol, *_) = sniffer.recvfrom(2048)
                # Of IPv6, what the system itself announces on a new interface is none of ours.
                if protocol == _IPV4 or (protocol == _IPV6 and packet[6] in (_TCP, _UDP)):
                    traffic.add(interface, packet)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield traffic
    finally:
        over.set()
        thread.join()
        sniffer.close()


def _called(packet: bytes) -> tuple[str, int] | None:
    """Address and port that a TCP SYN or a datagram goes to."""
    start = (packet[0] & 0x0F) * 4
    address = socket.inet_ntoa(packet[16:20])
    if packet[9] == _TCP:
        flags = packet[start + 13]
        if not flags & _SYN or flags & _ACK:
            return None
    elif packet[9] != _UDP:
        return None
    return address, struct.unpack("!H", packet[start + 2 : start + 4])[0]
