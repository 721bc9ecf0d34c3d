"""The trigger's memory: one SQLite file that survives a kill at any moment."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pcr.reasons import BadConfiguration

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE site (id TEXT NOT NULL);
CREATE TABLE study (
    study_uid TEXT PRIMARY KEY,
    patient_id TEXT NOT NULL,
    accession_number TEXT NOT NULL,
    study_date TEXT NOT NULL,
    last_received REAL NOT NULL,
    instances INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0,  -- instances that were here and have been removed
    arrived INTEGER NOT NULL DEFAULT 0,  -- whether images came since a job was made
    interrupted_at REAL,                 -- when a transfer of it broke off, and no later one has ended well
    complete_since REAL,                 -- since when it waits for its clinical record
    fetches INTEGER NOT NULL DEFAULT 0   -- how often missing series were asked for
) STRICT;
CREATE TABLE instance (
    study_uid TEXT NOT NULL REFERENCES study,
    sop_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    counts INTEGER NOT NULL,             -- whether a result depends on it
    PRIMARY KEY (study_uid, sop_uid)
) STRICT;
CREATE TABLE transfer (
    association TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    began REAL NOT NULL,
    PRIMARY KEY (association, study_uid)
) STRICT;
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    study_uid TEXT NOT NULL REFERENCES study,
    images TEXT NOT NULL,
    record_digest TEXT NOT NULL,
    model TEXT NOT NULL,
    record TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    not_before REAL NOT NULL,
    runs INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    started REAL,
    finished REAL,
    reason_code TEXT,
    reason TEXT,
    trouble TEXT,                        -- what went wrong last and may pass
    UNIQUE (study_uid, images, record_digest, model)
) STRICT;
CREATE INDEX job_state ON job (state, not_before);
CREATE TABLE delivered (
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    path TEXT NOT NULL,
    PRIMARY KEY (job_id, path)
) STRICT;
"""


class Store:
    """The database of a state folder; one lock serialises all threads of the trigger.

    Attributes:
        site: a few letters that tell this state folder from others on the same machine or cluster.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "queue.sqlite"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # it holds patient ids: for its owner alone
        os.close(handle)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        # What is committed survives a kill of the process at once, and a power failure too: a store is confirmed to the
        # sender after its commit.
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "secure_delete=ON",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._create(path)
        self.site = str(self.rows("SELECT id FROM site")[0]["id"])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is done inside; nested ones are part of the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _create(self, path: Path) -> None:
        version = self.rows("PRAGMA user_version")[0][0]
        if version == 0:
            with self.transaction() as connection:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO site VALUES (?)", (secrets.token_hex(3),))
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            raise BadConfiguration(
                f"{path} is of version {version} of the queue, this program writes version {SCHEMA_VERSION}; "
                "start the program that wrote it, or name another state folder"
            )


@contextmanager
def state_folder(folder: Path) -> Iterator[Path]:
    """Make the state folder if need be, and hold it: one trigger works on it at a time.

    Raises:
        BadConfiguration: it can not be made or written, or another trigger holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BadConfiguration(f"the state folder {folder} can not be used: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise BadConfiguration(f"another trigger holds the state folder {folder}") from None
    finally:
        os.close(handle)
