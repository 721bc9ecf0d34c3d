"""The log of a run: kept in memory, and written to a private file only when something unexpected happens."""

from __future__ import annotations

import logging
import logging.handlers
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_KEPT_RECORDS = 10_000


class _PrivateFile(logging.FileHandler):
    """A log file of the owner alone, never one that somebody else has put there."""

    def _open(self) -> TextIO:  # type: ignore[override]
        return open(self.baseFilename, "x", encoding=self.encoding, opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@contextmanager
def error_log() -> Iterator[Path]:
    """Collect log records; on the first error they go to the file whose path is given.

    A run without errors leaves no file. The file is readable by its owner alone: a traceback may name input files.
    """
    path = Path(tempfile.gettempdir(), f"breast-pcr-{os.getpid()}.log")
    target = _PrivateFile(path, delay=True, encoding="utf-8")
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    memory = logging.handlers.MemoryHandler(_KEPT_RECORDS, logging.ERROR, target, flushOnClose=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [memory]
    root.setLevel(logging.INFO)
    try:
        yield path
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        memory.close()
        target.close()
