"""The cluster of this machine: what others on it can not do."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx
import psutil
import pytest
from distributed import Client

from app.batch.cluster import local_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    with local_cluster(1) as client:
        yield client


@pytest.fixture(scope="module")
def addresses(cluster: Client) -> set[tuple[str, int]]:
    """What this process and its workers listen on."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [connection for process in family for connection in process.net_connections(kind="tcp")]
    return {tuple(c.laddr) for c in connections if c.status == psutil.CONN_LISTEN}


def test_it_listens_on_loopback_only(addresses: set[tuple[str, int]]) -> None:
    assert {host for host, _ in addresses} == {"127.0.0.1"}


def test_nobody_without_its_certificate_can_send_it_work(cluster: Client) -> None:
    host, port = cluster.scheduler.address.removeprefix("tls://").split(":")
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=10) as connection,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
        anybody.wrap_socket(connection) as wrapped,
    ):
        wrapped.recv(1)


def test_it_shows_no_page(addresses: set[tuple[str, int]]) -> None:
    answers = []
    for _, port in addresses:
        try:
            answers.append(httpx.get(f"http://127.0.0.1:{port}/info/main/workers.html", trust_env=False).status_code)
        except httpx.HTTPError:
            continue
    assert set(answers) == {404}
