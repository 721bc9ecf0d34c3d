"""What processes a study: one attempt at a job, in a process, a container or a cluster's job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class RunnerTimeout(Exception):
    """The attempt took longer than it may; all of it has been stopped."""


class RunnerUnavailable(Exception):
    """The attempt could not be made, for a reason that lies outside the study; the message is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a job.

    Attributes:
        name: unique in the life of the state folder, and a DNS label, so that it can name a container.
        input: folder with the study and clinical.json; read-only for the application.
        output: empty folder for the results.
        log: file for what the application prints.
    """

    name: str
    input: Path
    output: Path
    log: Path

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"'{self.name}' can not name an attempt")


class Runner(Protocol):
    """Makes attempts; several at once from several threads."""

    def model(self) -> str:
        """Which model it runs, told by name, version and checksum.

        Raises:
            BadConfiguration: there is no such model, image or cluster.
        """

    def run(self, attempt: Attempt) -> int:
        """Make an attempt and wait for it; the exit status of the application.

        Raises:
            RunnerTimeout: it took too long.
            RunnerUnavailable: it could not be made.
        """

    def stop(self, name: str) -> None:
        """Stop and remove what is left of an attempt of that name; silent where nothing is."""
