"""Where everything of a batch lies below its output folder, and the locks that keep two runs apart."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from pcr.reasons import BadConfiguration
from pcr.report.publish import sync

_POLL_S = 0.1


class StillHeld(Exception):
    """Somebody else holds a lock, and went on holding it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The output folder of a batch, given as an absolute path."""

    out: Path

    @property
    def studies(self) -> Path:
        """The finished jobs, one folder each, as `python -m app` leaves its output."""
        return self.out / "studies"

    @property
    def own(self) -> Path:
        """What the batch keeps for itself: locks, logs, settings."""
        return self.out / ".batch"

    @property
    def settings(self) -> Path:
        """The settings that every job of this batch runs with, on whatever machine."""
        return self.own / "app.yaml"

    def finished(self, job: str) -> Path:
        return self.studies / job

    def staged(self, job: str) -> Path:
        return self.studies / f".new-{job}"

    def replaced(self, job: str) -> Path:
        return self.studies / f".old-{job}"

    def lock(self, job: str) -> Path:
        return self.own / "locks" / job

    def fetched(self, job: str) -> Path:
        return self.own / "fetched" / job

    def log(self, job: str) -> Path:
        return self.own / "logs" / job

    def make(self) -> None:
        """Make the folders that all jobs share.

        Raises BadConfiguration.
        """
        try:
            self.studies.mkdir(parents=True, exist_ok=True)
            # Names of inputs, logs and what is fetched may name patients: they are for nobody else.
            self.own.mkdir(mode=0o700, exist_ok=True)
            for folder in ("locks", "fetched", "logs"):
                (self.own / folder).mkdir(exist_ok=True)
        except OSError as error:
            raise BadConfiguration(f"the output folder can not be used: {error.strerror}") from None


@contextmanager
def whole_batch(place: Place) -> Iterator[None]:
    """Hold the output folder for one batch.

    Raises:
        BadConfiguration: it can not be written, or another batch holds it.
    """
    place.make()
    try:
        with hold(place.own / "lock", wait_s=0):
            yield
    except StillHeld:
        raise BadConfiguration("another batch writes to the output folder; wait for it, or name another one") from None


@contextmanager
def hold(path: Path, wait_s: float) -> Iterator[int]:
    """Hold a lock file, waiting for it; gives its descriptor.

    A process that inherits the descriptor holds the lock too, and on after this one was killed.

    Raises:
        StillHeld: it could not be had in time.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        latest = monotonic() + wait_s
        while not _locked(handle):
            if monotonic() >= latest:
                raise StillHeld
            sleep(_POLL_S)
        yield handle
    finally:
        os.close(handle)


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is there completely or not at all."""
    staged = path.with_name(f".new-{path.name}")
    with staged.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)
    sync(path.parent)


def remove(folder: Path) -> None:
    """Remove a folder with all in it, if it is there."""
    if os.path.lexists(folder):
        shutil.rmtree(folder)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
