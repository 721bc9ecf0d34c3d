"""A PACS, the trigger beside it, and a drop folder: what a site sets up, in a namespace of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pcr.report.reader import read_report
from pcr.report.report_facts import ReportFacts
from phantom import WrittenStudy, simulate, write_study
from tests.integration.orthanc import AE_TITLE, DICOM_PORT, TRIGGER_AE_TITLE, TRIGGER_PORT, Orthanc, running_orthanc
from tests.integration.small_spec import small_spec

ROOT = Path(__file__).resolve().parents[2]
METRICS_PORT = 9108


def small_study(out: Path, seed: int, layout: str | None = None) -> WrittenStudy:
    """The small patient of a seed, written in a layout."""
    chosen = {} if layout is None else {"layout": layout}
    return write_study(simulate(small_spec(seed)), out=out, distractors=False, **chosen)


class Loop:
    """The PACS with the trigger, which can be killed and started again."""

    def __init__(self, orthanc: Orthanc, folder: Path, runner: dict[str, Any], **sections: Any) -> None:
        self.orthanc = orthanc
        self.records = folder / "records"
        self.records.mkdir(parents=True)
        self.state = folder / "state"
        self._log = folder / "trigger.log"
        self._config = folder / "trigger.yaml"
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "state": str(self.state),
            "listener": {"ae_title": TRIGGER_AE_TITLE, "port": TRIGGER_PORT, "allowed_ae_titles": [AE_TITLE]},
            "pacs": {"ae_title": AE_TITLE, "host": "127.0.0.1", "port": DICOM_PORT, "timeout_s": 20},
            "reconcile": {"every_s": 2, "days": 36500},
            "reception": {"quiet_s": 2, "interrupted_wait_s": 8, "min_free_mib": 100},
            "records": {"drop_folder": {"path": str(self.records), "look_every_s": 0.5}, "wait_minutes": 0.05},
            "runner": {"workers": 1, **runner},
            "retry": {"first_s": 0.5, "longest_s": 2, "runs": 20},
            "metrics": {"port": METRICS_PORT},
        }
        self._config.write_text(yaml.safe_dump(settings | sections))

    def start(self) -> None:
        """Start the trigger; it need not be ready when this comes back."""
        with self._log.open("ab") as log:
            self._process = self.orthanc.namespace.popen(
                [sys.executable, "-m", "deploy.trigger", "serve", "--config", self._config],
                cwd=ROOT, env=os.environ | {"TCP_NODELAY": "1"}, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Process id of the trigger."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End the trigger as a loss of power would; what it runs goes on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def command(self, name: str, *arguments: str) -> str:
        """What an administrator's command prints."""
        call = [sys.executable, "-m", "deploy.trigger", name, "--config", str(self._config), *arguments]
        done = subprocess.run(call, cwd=ROOT, env=os.environ | {"COLUMNS": "400"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self, state: str | None = None) -> list[sqlite3.Row]:
        """Jobs in the queue, in the state or all."""
        if not (self.state / "queue.sqlite").exists():
            return []
        connection = sqlite3.connect(self.state / "queue.sqlite", timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute("SELECT * FROM job WHERE state=? OR ? IS NULL", (state, state)).fetchall()
        except sqlite3.OperationalError:  # the tables are not made yet
            return []
        finally:
            connection.close()

    def reports(self, study_uid: str, folder: Path) -> list[ReportFacts]:
        """Our reports in the PACS's study, in no order that means anything."""
        folder.mkdir(exist_ok=True)
        found = []
        for number, content in enumerate(self.orthanc.files_of(study_uid, "SR")):
            path = folder / f"{number}.dcm"
            path.write_bytes(content)
            found.append(read_report(path))
        return found

    def until(self, true: Callable[[], object], seconds: float) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not true():
            ended = self._process is not None and self._process.poll() is not None
            assert not ended, f"the trigger ended by itself:\n{self.log()[-4000:]}"
            assert time.monotonic() < end, f"not within {seconds} s; the trigger says:\n{self.log()[-4000:]}"
            time.sleep(0.05)

    def log(self) -> str:
        """What the trigger logged."""
        return self._log.read_text() if self._log.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """The trigger's log lines of one kind."""
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == name]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None


@contextmanager
def running_loop(folder: Path, runner: dict[str, Any], **sections: Any) -> Iterator[Loop]:
    """The PACS and the trigger, both started; ended whatever happens."""
    with running_orthanc(folder / "orthanc") as orthanc:
        loop = Loop(orthanc, folder / "loop", runner, **sections)
        loop.start()
        try:
            yield loop
        finally:
            loop.kill()
