"""Runs a study in a process of its own beside the trigger: `python -m app`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.trigger.runner import Attempt, RunnerTimeout, RunnerUnavailable
from deploy.trigger.settings import ENV_PREFIX
from deploy.trigger.settings import Runner as RunnerSettings
from pcr.manifest import read_metadata
from pcr.reasons import BadConfiguration, PcrError

_MARK = "PCR_TRIGGER_ATTEMPT"
_ROOT = Path(__file__).resolve().parents[2]


class ProcessRunner:
    """A process per attempt, marked in its environment, by which it is found again after a kill of the trigger."""

    def __init__(self, settings: RunnerSettings) -> None:
        self._settings = settings
        self._models = settings.models or Path(os.environ.get("HOLOSCAN_MODEL_PATH") or _ROOT / "models")

    def model(self) -> str:
        """Name, version and checksum of the model in the model folder."""
        try:
            folder = read_metadata(self._models / "pcr")
        except PcrError as error:
            raise BadConfiguration(f"runner.models: {error.message}") from None
        return f"{folder.name} {folder.version} {folder.manifest.onnx.sha256}"

    def run(self, attempt: Attempt) -> int:
        """Run `python -m app` on the attempt's folders."""
        folders = (("-i", attempt.input), ("-o", attempt.output), ("-m", self._models))
        command = [sys.executable, "-m", "app", *(str(part) for folder in folders for part in folder)]
        # The application refuses settings that it does not know, and the trigger's are none of its.
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
        environment = inherited | {_MARK: attempt.name, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"}
        if self._settings.config:
            environment["HOLOSCAN_CONFIG_PATH"] = str(self._settings.config)
        with attempt.log.open("wb") as log:
            try:
                process = subprocess.Popen(
                    command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise RunnerUnavailable(f"no process can be started: {error.strerror}") from None
            try:
                return process.wait(self._settings.timeout_s)
            except subprocess.TimeoutExpired:
                raise RunnerTimeout from None
            finally:
                self.stop(attempt.name)
                process.wait()

    def stop(self, name: str) -> None:
        """Kill every process that carries the attempt's mark."""
        mark = f"{_MARK}={name}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
