"""A real PACS: Debian's Orthanc, alone with its callers in a network namespace; our script routes to the trigger."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

from tests.integration.namespace import Namespace, loopback_only

AE_TITLE = "ORTHANC"
DICOM_PORT = 4242
HTTP_PORT = 8042
# What the example configuration sends to.
TRIGGER_AE_TITLE = "BREASTPCR"
TRIGGER_PORT = 11112

_EXAMPLE = Path(__file__).parents[2] / "deploy" / "orthanc"
# Without it, each C-STORE waits 40 ms for Nagle's algorithm.
_DCMTK = {"TCP_NODELAY": "1"}
T = TypeVar("T")


class Orthanc:
    """A server that can be killed and started again on the same folder.

    Attributes:
        namespace: where it listens on 127.0.0.1; run in it whatever is to reach the PACS.
    """

    def __init__(self, namespace: Namespace, folder: Path, config: Path) -> None:
        self.namespace = namespace
        self._folder = folder
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = self.namespace.popen(
                ["Orthanc", self._config], env=os.environ | _DCMTK, stdout=log, stderr=log, cwd=self._folder
            )
        self.until(lambda: self._answers(), seconds=30)

    def kill(self) -> None:
        """End it with SIGKILL, as a loss of power would; silent where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def store(self, *sources: Path) -> None:
        """Push DICOM files, or folders of them, in one association with dcmtk's storescu."""
        found = (path for source in sources for path in (source.rglob("*") if source.is_dir() else [source]))
        files = sorted(path for path in found if path.is_file() and path.suffix != ".json")
        command: list[str | Path] = ["storescu", "-R", "-aec", AE_TITLE, "127.0.0.1", str(DICOM_PORT), *files]
        self.namespace.run(command, env=os.environ | _DCMTK)

    def get(self, path: str) -> Any:
        """The answer of the REST API, as JSON."""
        return json.loads(self.request("GET", path))

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """A request to the REST API: what it answers.

        Raises:
            OSError: no connection, or a status other than 200.
        """
        with self.namespace.entered():
            connection = HTTPConnection("127.0.0.1", HTTP_PORT, timeout=60)
            try:
                connection.request(method, path, body)
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
        if response.status != 200:
            raise OSError(f"{method} {path}: {response.status}")
        return content

    def modalities_of(self, study_instance_uid: str) -> dict[str, int]:
        """How many instances of each modality the study holds."""
        found: dict[str, int] = {}
        for study in self.get("/studies?expand"):
            if study["MainDicomTags"]["StudyInstanceUID"] == study_instance_uid:
                for series in self.get(f"/studies/{study['ID']}/series"):
                    modality = series["MainDicomTags"]["Modality"]
                    found[modality] = found.get(modality, 0) + len(series["Instances"])
        return found

    def files_of(self, study_instance_uid: str, modality: str) -> list[bytes]:
        """The instances of that modality in the study, as files."""
        return [
            self.request("GET", f"/instances/{instance}/file")
            for study in self.get("/studies?expand")
            if study["MainDicomTags"]["StudyInstanceUID"] == study_instance_uid
            for series in self.get(f"/studies/{study['ID']}/series")
            if series["MainDicomTags"]["Modality"] == modality
            for instance in series["Instances"]
        ]

    def is_stable(self, study_instance_uid: str) -> bool:
        """Whether nothing has come for the study for a while."""
        studies = self.get("/studies?expand")
        return all(s["IsStable"] for s in studies if s["MainDicomTags"]["StudyInstanceUID"] == study_instance_uid)

    def jobs(self) -> list[dict[str, Any]]:
        """What it has sent or tries to send."""
        return list(self.get("/jobs?expand"))

    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "orthanc.log").read_text(errors="replace")

    def until(self, get: Callable[[], T], seconds: float) -> T:
        """Ask until the answer is true, and give it.

        Raises:
            TimeoutError: it never was; the end of the log is in the message.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := get():
                return answer
            time.sleep(0.1)
        raise TimeoutError(f"not within {seconds} s; Orthanc's log ends with:\n{self.log()[-3000:]}")

    def _answers(self) -> bool:
        try:
            return bool(self.get("/system"))
        except OSError:
            return False


@contextmanager
def running_orthanc(folder: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Orthanc]:
    """Orthanc with the example configuration of deploy/orthanc, its index and files in `folder`.

    `settings` are entries of orthanc.json over the example's. Needs root, and the packages orthanc, dcmtk, iproute2.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "orthanc.json"
    config.write_text(json.dumps(_configuration(folder) | dict(settings or {})))
    with loopback_only() as namespace:
        orthanc = Orthanc(namespace, folder, config)
        try:
            orthanc.start()
            yield orthanc
        finally:
            orthanc.kill()


def _configuration(folder: Path) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((_EXAMPLE / "breast-pcr.json").read_text())
    return example | {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": HTTP_PORT,
        "DicomPort": DICOM_PORT,
        "LuaScripts": [str(_EXAMPLE / "breast-pcr.lua")],
        "StableAge": 2,
        "AuthenticationEnabled": False,
    }
