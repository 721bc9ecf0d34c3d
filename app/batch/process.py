"""The application as a process of its own: what goes wrong in one study, or takes its memory, ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings import APP_ROOT, ENV_PREFIX

CONSOLE_NAME = "console.txt"
CREDENTIALS_VARIABLE = "ORTHANC_CREDENTIALS"
# What would override the settings and folders that the batch was started with.
_NOT_INHERITED = ("HOLOSCAN_", "MERCURE_", ENV_PREFIX, CREDENTIALS_VARIABLE)


class TookTooLong(Exception):
    """The process did not end in time; it has been killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRun:
    """One run of the application.

    Attributes:
        settings: the file of settings, which nothing in the worker's environment overrides.
        log: folder for what it prints, and for its log after an unexpected error.
        lock: descriptor that the process holds as long as it lives, even if its parent is killed.
    """

    source: Path
    out: Path
    models: Path
    settings: Path
    log: Path
    lock: int
    timeout_s: float

    def __call__(self) -> int:
        """Run it and wait; its exit status, negative for the signal that ended it.

        Raises:
            TookTooLong: it was killed at the time limit.
            OSError: it could not be started.
        """
        with (self.log / CONSOLE_NAME).open("ab") as console:
            try:
                return subprocess.run(
                    self._command(),
                    cwd=APP_ROOT,
                    env=environment(os.environ, self.settings, self.log),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    pass_fds=(self.lock,),
                    # Ctrl-C at the terminal is for the batch, which ends its workers itself.
                    start_new_session=True,
                    timeout=self.timeout_s,
                ).returncode
            except subprocess.TimeoutExpired:
                raise TookTooLong from None

    def _command(self) -> list[str | Path]:
        # The kernel kills it with the worker that waits for it: nobody would publish what an orphan makes.
        dies_with_worker: list[str | Path] = ["setpriv", "--pdeathsig", "KILL", "--"]
        folders: list[str | Path] = ["-i", self.source, "-o", self.out, "-m", self.models]
        return [*dies_with_worker, sys.executable, "-m", "app", *folders]


def environment(inherited: Mapping[str, str], settings: Path, log: Path) -> dict[str, str]:
    """The environment of the application: the worker's, without what could change a result."""
    kept = {name: value for name, value in inherited.items() if not name.upper().startswith(_NOT_INHERITED)}
    return kept | {"HOLOSCAN_CONFIG_PATH": str(settings), "HOLOSCAN_LOG_LEVEL": "OFF", "TMPDIR": str(log)}
