"""A server that answers what Orthanc would not. The real one is asked in tests/integration/test_batch.py."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.batch import orthanc
from app.batch.orthanc import OrthancServer, OrthancSource, find_studies
from pcr.reasons import BadConfiguration, NotEvaluable, PcrError

STUDY, SERIES, INSTANCE = ("-".join([digits * 8] * 5) for digits in "abc")
Serve = Callable[[dict[str, object]], OrthancServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server of fixed answers by path: JSON, bytes, or a number for a status."""
    servers = []

    def started(answers: dict[str, object]) -> OrthancServer:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path, 404)
                self.send_response(answer if isinstance(answer, int) else 200)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return OrthancServer(url=f"http://127.0.0.1:{server.server_port}")

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def _source(server: OrthancServer) -> OrthancSource:
    return OrthancSource(server=server, study=STUDY, changed="20260101T000000")


@pytest.mark.parametrize("url", ["orthanc:8042", "ftp://h", "http://", "http://u:p@h", "http://h/?a=b", "http://h\n"])
def test_an_address_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration, match="address of Orthanc"):
        OrthancServer(url=url)


def test_a_password_does_not_cross_the_network_in_clear(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("user:password\n")
    server = OrthancServer(url="http://pacs.example:8042", credentials_file=tmp_path / "secret")
    with pytest.raises(BadConfiguration, match="in clear"):
        server.connect()


@pytest.mark.parametrize("content", ["", "password", ":password"])
def test_credentials_without_a_user_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(BadConfiguration, match="user:password"):
        OrthancServer(url="https://h", credentials_file=tmp_path / "secret").connect()


def test_user_and_password_are_those_of_the_file_else_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORTHANC_CREDENTIALS", "from:variable")
    (tmp_path / "secret").write_text("from:file:with colon\n")
    for file, expected in ((tmp_path / "secret", "from:file:with colon"), (None, "from:variable")):
        client = OrthancServer(url="http://127.0.0.1:1", credentials_file=file).connect()
        request = next(client.auth.auth_flow(client.build_request("GET", "/"))) if client.auth else None
        assert request is not None
        assert b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode() == expected


def test_a_query_by_something_that_is_no_keyword_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="'Studydate'"):
        find_studies(OrthancServer(url="http://127.0.0.1:1"), {"Studydate": "2020"})


@pytest.mark.parametrize("answer", [401, {"error": 1}, [{"ID": "../../x", "LastUpdate": ""}], [{}], b"<html>", 7])
def test_an_answer_that_is_not_orthanc_s_is_a_sentence(answer: object, serve: Serve) -> None:
    with pytest.raises(BadConfiguration, match=r"Orthanc|status"):
        find_studies(serve({"/tools/find": answer}), {"StudyDate": "2020"})


def test_studies_are_found_by_their_identifier(serve: Serve) -> None:
    server = serve({"/tools/find": [{"ID": STUDY, "LastUpdate": "20260101T000000", "Type": "Study"}]})
    assert find_studies(server, {}) == (_source(server),)


def test_a_fetched_study_is_there_while_it_is_needed_and_removed_afterwards(serve: Serve, tmp_path: Path) -> None:
    server = serve(
        {
            f"/studies/{STUDY}": {"Series": [SERIES]},
            f"/series/{SERIES}": {"Instances": [INSTANCE]},
            f"/instances/{INSTANCE}/file": b"content",
        }
    )
    with _source(server).as_folder(tmp_path / "fetched", 10) as folder:
        assert [path.read_bytes() for path in folder.iterdir()] == [b"content"]
        assert folder.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.iterdir())


def test_a_study_of_too_many_instances_is_not_fetched(serve: Serve, tmp_path: Path) -> None:
    server = serve({f"/studies/{STUDY}": {"Series": [SERIES]}, f"/series/{SERIES}": {"Instances": [INSTANCE] * 11}})
    with pytest.raises(NotEvaluable, match="too_large"), _source(server).as_folder(tmp_path / "fetched", 10):
        pass


@pytest.mark.parametrize("instances", [["../../system"], ["c"], [INSTANCE]])
def test_a_server_that_gives_nothing_sound_leaves_no_file(
    instances: list[str], serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orthanc, "_PAUSES_S", (0.0, 0.0))
    server = serve({f"/studies/{STUDY}": {"Series": [SERIES]}, f"/series/{SERIES}": {"Instances": instances}})
    with (
        pytest.raises(PcrError, match="does not give the study"),
        _source(server).as_folder(tmp_path / "fetched", 10),
    ):
        pass
    assert not list(tmp_path.iterdir())
