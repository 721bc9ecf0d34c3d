"""Searches at a FHIR R4 server over HTTP: bounded in time, pages and bytes, and never anywhere but at that server."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

import httpx

from deploy.trigger.records import RecordsUnavailable
from deploy.trigger.settings import FhirServer
from pcr.reasons import BadConfiguration

MAX_PAGES = 20
MAX_BYTES = 4 * 2**20
_MAX_TOKEN_BYTES = 16 * 1024


# What a server answers to a request that it does not like, an odd PatientID say; it is up, for others.
_OF_THE_REQUEST = (400, 404, 410, 412, 422)


class RequestRefused(Exception):
    """The server will not answer this question; the message is a sentence without anything of a patient."""


class FhirClient:
    """One server, at one base address.

    Certificates are checked against those that the system trusts. Proxies of the environment are not used, and
    redirects not followed, since the token and the PatientID would go with them.

    Raises:
        BadConfiguration: the address is not one of a FHIR server, or not encrypted where it must be.
    """

    def __init__(self, server: FhirServer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._base = _base(server)
        self._token_file = server.token_file
        self._timeout_s = server.timeout_s
        self._monotonic = monotonic
        # Its lines hold the whole address, and with it the PatientID.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._http = httpx.Client(
            timeout=server.timeout_s,
            trust_env=False,
            follow_redirects=False,
            verify=ssl.create_default_context(),
            headers={"Accept": "application/fhir+json", "Accept-Encoding": "identity"},
        )

    def search(self, resource_type: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        """All resources of a type that match (http://hl7.org/fhir/R4/search.html); values are escaped by the caller.

        Raises:
            RecordsUnavailable: the server does not answer, refuses, or answers what no FHIR server should.
        """
        until = self._monotonic() + self._timeout_s
        found: list[dict[str, Any]] = []
        room = MAX_BYTES
        url = httpx.URL(f"{self._base}/{resource_type}", params=parameters)
        for _ in range(MAX_PAGES):
            reply = self._get(url, room, until)
            room -= len(reply)
            page = _bundle(reply)
            found += _matches(page, resource_type)
            if (link := _next_link(page)) is None:
                return found
            url = self._followed(url, link)
        raise RecordsUnavailable(f"the FHIR server's answer has more than {MAX_PAGES} pages")

    def _get(self, url: httpx.URL, room: int, until: float) -> bytes:
        """The body of a reply of at most `room` bytes that is there by `until`."""
        body = bytearray()
        try:
            with self._http.stream("GET", url, headers=self._authorization()) as response:
                if response.status_code in _OF_THE_REQUEST:
                    raise RequestRefused(_refusal(response.status_code))
                if response.status_code != httpx.codes.OK:
                    raise RecordsUnavailable(_refusal(response.status_code))
                # Little that is sent could become much that is unpacked.
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise RecordsUnavailable("the FHIR server compresses its answer, though it was asked not to")
                for part in response.iter_raw():
                    body += part
                    if len(body) > room:
                        raise RecordsUnavailable(f"the FHIR server's answer is larger than {MAX_BYTES // 2**20} MiB")
                    if self._monotonic() > until:
                        raise RecordsUnavailable("the FHIR server takes longer to answer than timeout_s")
        except httpx.HTTPError as error:
            raise RecordsUnavailable(f"the FHIR server can not be reached ({type(error).__name__})") from None
        return bytes(body)

    def _authorization(self) -> dict[str, str]:
        """Read again each time: tokens are renewed."""
        if self._token_file is None:
            return {}
        try:
            with self._token_file.open("rb") as file:
                token = file.read(_MAX_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, ValueError):
            raise RecordsUnavailable("the file of the FHIR server's token can not be read") from None
        if not token.isprintable() or not token or " " in token:
            raise RecordsUnavailable("the file of the FHIR server's token holds no token")
        return {"Authorization": f"Bearer {token}"}

    def _followed(self, url: httpx.URL, link: str) -> httpx.URL:
        """Where the next page is; it has to be at the same server, below the same base."""
        try:
            following = url.join(link)
        except httpx.InvalidURL:
            raise RecordsUnavailable("the FHIR server's link to the next page is malformed") from None
        if not self._is_below_base(following):
            raise RecordsUnavailable(
                "the FHIR server's link to the next page leads elsewhere; set the base address that it tells"
            )
        return following

    def _is_below_base(self, url: httpx.URL) -> bool:
        origin = (url.scheme, url.host, url.port, url.userinfo) == (
            self._base.scheme, self._base.host, self._base.port, self._base.userinfo,
        )  # fmt: skip
        path = unquote(unquote(url.path))
        is_below = path == self._base.path or path.startswith(self._base.path.rstrip("/") + "/")
        return origin and is_below and ".." not in path.split("/")


def _base(server: FhirServer) -> httpx.URL:
    try:
        url = httpx.URL(server.url.rstrip("/"))
    except httpx.InvalidURL:
        raise BadConfiguration("records.fhir.url is no address") from None
    if url.scheme not in ("https", "http") or not url.host or url.query or url.fragment or url.userinfo:
        raise BadConfiguration("records.fhir.url must be the https address of a FHIR base, without user or query")
    if url.scheme == "http" and not server.allow_plain_http and not _is_loopback(url.host):
        raise BadConfiguration("records.fhir.url must be https, or allow_plain_http must be set: it carries PatientIDs")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"the FHIR server refuses access (HTTP status {status}); check its token"
    if status in (404, 405):
        return f"there is no FHIR search at that address (HTTP status {status}); check records.fhir.url"
    return f"the FHIR server answered with HTTP status {status}"


def _bundle(reply: bytes) -> dict[str, Any]:
    try:
        content = json.loads(reply)
    except (ValueError, RecursionError):
        raise RecordsUnavailable("the FHIR server's answer is not JSON") from None
    if not isinstance(content, dict) or content.get("resourceType") != "Bundle":
        raise RecordsUnavailable("the FHIR server's answer is not a Bundle")
    return content


def _next_link(page: dict[str, Any]) -> str | None:
    links = page.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            return str(link.get("url"))
    return None


def _matches(page: dict[str, Any], resource_type: str) -> list[dict[str, Any]]:
    """The resources that were asked for; a server may add others, and outcomes."""
    entries = page.get("entry")
    found = [entry.get("resource") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [r for r in found if isinstance(r, dict) and r.get("resourceType") == resource_type]
