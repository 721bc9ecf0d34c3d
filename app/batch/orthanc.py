"""Studies of an Orthanc server, found and fetched by its REST interface over one connection."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from time import sleep
from typing import Any

import httpx
from pydicom.datadict import tag_for_keyword

from app.batch.process import CREDENTIALS_VARIABLE
from pcr.reasons import BadConfiguration, NotEvaluable, PcrError, ReasonCode

# Orthanc's identifiers are SHA-1 sums in five groups.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_MAX_ANSWER_BYTES = 256 * 2**20
_MAX_STUDY_BYTES = 64 * 2**30
_TIMEOUT_S = 60.0
# Before each try to fetch a study: a server that is started again must not cost the rest of the archive.
_PAUSES_S = (0.0, 2.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthancServer:
    """How a server is reached. Secrets are read where they are used, so none travels to a worker.

    Attributes:
        url: of its REST interface, without user and password.
        credentials_file: one line, `user:password`; None for what ORTHANC_CREDENTIALS holds, if it is set.
        ca_file: certificates that vouch for the server's, instead of the public ones.
    """

    url: str
    credentials_file: Path | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL:
            raise BadConfiguration("the address of Orthanc is no URL; write http://HOST:PORT or https://...") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise BadConfiguration("the address of Orthanc must be http://HOST:PORT or https://HOST:PORT")
        if url.userinfo or url.query or url.fragment:
            raise BadConfiguration("the address of Orthanc must hold neither user and password nor a query")

    def connect(self) -> httpx.Client:
        """A client with one connection, kept open.

        Raises:
            BadConfiguration: the credentials or certificates can not be read, or would cross the network in clear.
        """
        url = httpx.URL(self.url)
        credentials = self._credentials()
        if credentials and url.scheme == "http" and not _is_this_machine(url.host):
            raise BadConfiguration("user and password would cross the network in clear; reach Orthanc by https")
        return httpx.Client(
            base_url=self.url,
            auth=credentials,
            verify=self._trusted(),
            timeout=_TIMEOUT_S,
            limits=httpx.Limits(max_connections=1),
            # No proxy, and no password of a .netrc, that the command line does not name.
            trust_env=False,
        )

    def _credentials(self) -> tuple[str, str] | None:
        text = os.environ.get(CREDENTIALS_VARIABLE, "")
        if self.credentials_file is not None:
            try:
                text = self.credentials_file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise BadConfiguration(f"the credentials can not be read ({type(error).__name__})") from None
        if not text and self.credentials_file is None:
            return None
        user, colon, password = text.partition(":")
        if not user or not colon:
            raise BadConfiguration("the credentials must be one line, user:password")
        return user, password

    def _trusted(self) -> ssl.SSLContext | bool:
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise BadConfiguration(f"the certificates of --orthanc-ca can not be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthancSource:
    """One study of a server; `changed` is when it last changed, by the server's clock."""

    server: OrthancServer
    study: str
    changed: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.study):
            raise ValueError("a study of Orthanc is named by five groups of eight hexadecimal digits")

    @property
    def location(self) -> str:
        return f"{self.server.url.rstrip('/')}/studies/{self.study}"

    def fingerprint(self, max_files: int) -> str:
        """When it last changed: instances that come or go change that."""
        return self.changed

    @contextmanager
    def as_folder(self, scratch: Path, max_files: int) -> Iterator[Path]:
        """Fetch all instances to `scratch`, under names of our own, and remove them at the end.

        Raises:
            NotEvaluable: `too_large`.
            PcrError: the server does not give them.
        """
        try:
            _fetch_patiently(self, scratch, max_files)
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def find_studies(server: OrthancServer, query: Mapping[str, str]) -> tuple[OrthancSource, ...]:
    """The studies that match a query of DICOM keywords (PS3.4 C.2.2.2), by Orthanc's identifier.

    Raises:
        BadConfiguration: a keyword is none, or the server can not be reached or does not answer as Orthanc does.
    """
    for keyword in query:
        if tag_for_keyword(keyword) is None:
            raise BadConfiguration(f"'{keyword}' of the query is no DICOM keyword; write --query StudyDate=20200101-")
    asked = {"Level": "Study", "Query": dict(query), "Expand": True}
    try:
        with server.connect() as client:
            found = _answer(client, "POST", "/tools/find", asked)
        sources = [OrthancSource(server=server, study=study["ID"], changed=study["LastUpdate"]) for study in found]
    except httpx.HTTPError as error:
        raise BadConfiguration(f"Orthanc can not be asked: {_why(error)}") from None
    except (TypeError, KeyError, ValueError):
        raise BadConfiguration("what answers at the address of Orthanc does not answer as Orthanc does") from None
    return tuple(sorted(sources, key=lambda source: source.study))


def _fetch_patiently(source: OrthancSource, folder: Path, max_files: int) -> None:
    for pause_s in _PAUSES_S:
        sleep(pause_s)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            with source.server.connect() as client:
                return _fetch(client, source.study, folder, max_files)
        except httpx.HTTPError as error:
            failure = _why(error)
        except (TypeError, KeyError, ValueError):
            failure = "it does not answer as Orthanc does"
    raise PcrError(ReasonCode.INTERNAL_ERROR, f"Orthanc does not give the study: {failure}")


def _fetch(client: httpx.Client, study: str, folder: Path, max_files: int) -> None:
    instances: list[str] = []
    for series in _answer(client, "GET", f"/studies/{study}")["Series"]:
        instances += _answer(client, "GET", f"/series/{_checked(series)}")["Instances"]
        if len(instances) > max_files:
            raise NotEvaluable(
                ReasonCode.TOO_LARGE, f"the study has more than {max_files:,} instances; raise limits.max_files"
            )
    left = _MAX_STUDY_BYTES
    for number, instance in enumerate(instances):
        with (folder / f"{number:06d}").open("xb") as file:
            for part in _parts(client, "GET", f"/instances/{_checked(instance)}/file"):
                left -= file.write(part)
                if left < 0:
                    raise NotEvaluable(ReasonCode.TOO_LARGE, f"the study has more than {_MAX_STUDY_BYTES >> 30} GiB")


def _answer(client: httpx.Client, method: str, path: str, asked: object = None) -> Any:
    """The JSON that the server answers, of bounded size."""
    content = bytearray()
    for part in _parts(client, method, path, asked):
        content += part
        if len(content) > _MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    return json.loads(content)


def _parts(client: httpx.Client, method: str, path: str, asked: object = None) -> Iterator[bytes]:
    with client.stream(method, path, json=asked) as answer:
        answer.raise_for_status()
        yield from answer.iter_bytes()


def _checked(identifier: str) -> str:
    if not _ID.fullmatch(identifier):
        raise ValueError("no identifier of Orthanc's")
    return identifier


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _why(error: httpx.HTTPError) -> str:
    """In words that hold no address and no query, which may name a patient."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers with status {error.response.status_code}"
    return f"the connection failed ({type(error).__name__})"
