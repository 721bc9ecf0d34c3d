"""The log of a run: kept in memory, and written to a private file only when something unexpected happens."""

from __future__ import annotations

import logging
import logging.handlers
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT_RECORDS = 10_000


class ErrorLog(logging.handlers.MemoryHandler):
    """Keeps records until the first error, then appends them to a file of its owner alone.

    A run without errors leaves no file. A traceback may name input files, so nobody else may read it.

    Attributes:
        path: the file, once there is one; None also where no file could be made.
    """

    def __init__(self) -> None:
        super().__init__(_KEPT_RECORDS, logging.ERROR, flushOnClose=False)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self.path: Path | None = None

    def flush(self) -> None:
        """Write what is kept. A disk that refuses a log must not end the run."""
        if not any(record.levelno >= logging.ERROR for record in self.buffer):
            self.buffer.clear()
            return
        try:
            if self.path is None:
                handle, name = tempfile.mkstemp(prefix="breast-pcr-", suffix=".log")
                os.close(handle)
                self.path = Path(name)
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(self.format(record) + "\n" for record in self.buffer)
        except OSError:
            self.path = None
        self.buffer.clear()

    @property
    def where(self) -> str:
        """For a sentence to the user: where the traceback is."""
        return f"the traceback is in {self.path}" if self.path else "no log could be written"


@contextmanager
def error_log() -> Iterator[ErrorLog]:
    """Collect all log records and warnings of a run; nothing of them reaches the console."""
    log = ErrorLog()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [log]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield log
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
        log.close()
