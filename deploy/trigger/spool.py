"""Received studies: what has come, whether all of it is here, and the input folder of a job."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from pydicom.uid import UID, Comprehensive3DSRStorage

from deploy.trigger import settings
from deploy.trigger.reception import IntakeRefused, ReceivedInstance
from deploy.trigger.records import StudyIdentity
from deploy.trigger.store import Store
from pcr.report.publish import sync

OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1
_NOT_IMAGES = ("Presentation State", "SR Storage", "Key Object", "Encapsulated", "Waveform", "Report")


@dataclass(frozen=True, slots=True)
class QuietStudy:
    """A study of which something new has come, and nothing more for a while.

    Attributes:
        complete_since: since when all of it is here; None where that is not known yet.
        fetches: how often the PACS has sent what was missing, and something still is.
        is_remainder: whether more of it was here once, and has been removed.
    """

    identity: StudyIdentity
    complete_since: float | None
    fetches: int
    is_remainder: bool


class Spool:
    """Instances on disk, `spool/<StudyInstanceUID>/<SOPInstanceUID>.dcm`, and what is known of them.

    An instance is confirmed to its sender only when file and row are on disk. What came twice counts once; what came
    changed replaces the first. Results of this software are taken without being kept, but for reports, which a later
    report names; they make no study new.
    """

    def __init__(self, store: Store, folder: Path, limits: settings.Reception, now: Callable[[], float]) -> None:
        self._store = store
        self._folder = folder / "spool"
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._limits = limits
        self._now = now
        self._open: set[str] = set()

    def begin(self, association: str) -> None:
        """An association was accepted; nothing is known of what it will bring."""
        self._open.add(association)

    def accept(self, association: str, received: ReceivedInstance) -> None:
        """Keep one instance.

        Raises:
            IntakeRefused: 0xA700, there is no room, or the study has too many instances.
        """
        uid, now = received.study_instance_uid, self._now()
        counts = _counts(received)
        if received.is_own and received.sop_class_uid != Comprehensive3DSRStorage:
            return
        digest = hashlib.sha256(received.content).hexdigest()
        path = self._folder / uid / f"{received.sop_instance_uid}.dcm"
        known_digest = self._digest(uid, received.sop_instance_uid)
        is_here = known_digest == digest and path.is_file()
        try:
            staged = None if is_here else self._stage(path, received.content)
        except IntakeRefused:
            with self._store.transaction() as connection:  # what was refused is missing, however well the transfer ends
                self._interrupted(connection, uid)
            raise
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO study (study_uid, patient_id, accession_number, study_date, last_received)"
                " VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET last_received=excluded.last_received",
                (uid, *_identity_of(received), now),
            )
            self._open.add(association)
            connection.execute("INSERT OR IGNORE INTO transfer VALUES (?,?,?)", (association, uid, now))
            if staged is not None:
                staged.rename(path)
                sync(path.parent)
                if known_digest is None:
                    connection.execute("UPDATE study SET instances=instances+1 WHERE study_uid=?", (uid,))
                connection.execute(
                    "INSERT OR REPLACE INTO instance VALUES (?,?,?,?,?)",
                    (uid, received.sop_instance_uid, received.series_instance_uid, digest, int(counts)),
                )
                if counts:
                    connection.execute("UPDATE study SET complete_since=NULL, fetches=0 WHERE study_uid=?", (uid,))
            # Also what is here already: a study that is sent again may have failed, or there is a newer model.
            if counts:
                connection.execute(
                    "UPDATE study SET arrived=1, patient_id=?, accession_number=?, study_date=? WHERE study_uid=?",
                    (*_identity_of(received), uid),
                )

    def end(self, association: str, *, released: bool) -> None:
        """An association is over: released as agreed, or broken off."""
        self._open.discard(association)
        with self._store.transaction() as connection:
            carried = connection.execute("SELECT * FROM transfer WHERE association=?", (association,)).fetchall()
            for row in carried:
                if released:
                    # Only a transfer that began after the break can have brought what is missing.
                    query = "UPDATE study SET interrupted_at=NULL WHERE study_uid=? AND interrupted_at < ?"
                    connection.execute(query, (row["study_uid"], row["began"]))
                else:
                    self._interrupted(connection, row["study_uid"])
            connection.execute("DELETE FROM transfer WHERE association=?", (association,))

    def recover(self) -> None:
        """After a start: remove what a killed trigger left half done."""
        for left in (*self._folder.glob("*/.partial-*"), *self._folder.glob(".forgotten-*")):
            _remove(left)

    def quiet(self, since: float) -> list[QuietStudy]:
        """Studies with something new, of which nothing is on its way; a broken transfer is waited for longer.

        Args:
            since: when the trigger started; before, it could hear nothing.
        """
        self._close_lost_transfers()
        now = self._now()
        rows = self._store.rows(
            "SELECT * FROM study WHERE arrived AND study_uid NOT IN (SELECT study_uid FROM transfer)"
            " AND ?-max(last_received, ?) >= ?"
            " AND (interrupted_at IS NULL OR ?-max(interrupted_at, last_received) >= ?) ORDER BY last_received",
            (now, since, self._limits.quiet_s, now, self._limits.interrupted_wait_s),
        )
        return [
            QuietStudy(_identity(row), row["complete_since"], row["fetches"], row["instances"] < row["forgotten"])
            for row in rows
        ]

    def identity(self, study_uid: str) -> StudyIdentity:
        """What is known of the identity of a study that is here."""
        (row,) = self._store.rows("SELECT * FROM study WHERE study_uid=?", (study_uid,))
        return _identity(row)

    def is_arriving(self, study_uid: str) -> bool:
        """Whether images of the study are on their way, or no job has been made of them yet."""
        query = "SELECT 1 FROM study WHERE study_uid=? AND (arrived OR study_uid IN (SELECT study_uid FROM transfer))"
        return bool(self._store.rows(query, (study_uid,)))

    def series_counts(self, study_uid: str) -> dict[str, int]:
        """Number of instances here, by SeriesInstanceUID."""
        query = "SELECT series_uid, count(*) AS n FROM instance WHERE study_uid=? GROUP BY series_uid"
        return {row["series_uid"]: row["n"] for row in self._store.rows(query, (study_uid,))}

    def fetches(self, study_uid: str) -> int:
        """How often the PACS has sent what was missing, since something new came last."""
        return next(
            (row["fetches"] for row in self._store.rows("SELECT * FROM study WHERE study_uid=?", (study_uid,))), 0
        )

    def note_fetch(self, study_uid: str) -> None:
        """The PACS has sent series that were missing."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE study SET fetches=fetches+1 WHERE study_uid=?", (study_uid,))

    def note_complete(self, study_uid: str) -> None:
        """The study is here in full, and its wait for a clinical record begins."""
        with self._store.transaction() as connection:
            query = "UPDATE study SET complete_since=coalesce(complete_since, ?) WHERE study_uid=?"
            connection.execute(query, (self._now(), study_uid))

    def images_digest(self, study_uid: str) -> str:
        """Sum over all instances that a result depends on."""
        query = "SELECT sop_uid, sha256 FROM instance WHERE study_uid=? AND counts ORDER BY sop_uid"
        lines = (f"{row['sop_uid']} {row['sha256']}\n" for row in self._store.rows(query, (study_uid,)))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def link_into(self, folder: Path, study_uid: str) -> None:
        """Make a job's input: links to the files as they are now, whatever comes later."""
        for row in self._store.rows("SELECT sop_uid FROM instance WHERE study_uid=?", (study_uid,)):
            name = f"{row['sop_uid']}.dcm"
            os.link(self._folder / study_uid / name, folder / name)

    def forget(self, study_uid: str) -> None:
        """Remove the study's files and its patient's ids; the PACS has them."""
        removed = self._folder / f".forgotten-{secrets.token_hex(8)}"
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM instance WHERE study_uid=?", (study_uid,))
            connection.execute(
                "UPDATE study SET instances=0, forgotten=max(forgotten, instances), patient_id='', accession_number=''"
                " WHERE study_uid=?",
                (study_uid,),
            )
            if (self._folder / study_uid).is_dir():
                # What comes from now on goes to a folder of its own.
                (self._folder / study_uid).rename(removed)
        _remove(removed)

    def _digest(self, study_uid: str, sop_uid: str) -> str | None:
        query = "SELECT sha256 FROM instance WHERE study_uid=? AND sop_uid=?"
        return next((row["sha256"] for row in self._store.rows(query, (study_uid, sop_uid))), None)

    def _stage(self, path: Path, content: bytes) -> Path:
        if shutil.disk_usage(self._folder).free < self._limits.min_free_mib * 2**20 + len(content):
            raise IntakeRefused(OUT_OF_RESOURCES, "there is no room left for further instances")
        rows = self._store.rows("SELECT instances FROM study WHERE study_uid=?", (path.parent.name,))
        if rows and rows[0]["instances"] >= self._limits.max_instances:
            raise IntakeRefused(OUT_OF_RESOURCES, "the study has more instances than are taken")
        path.parent.mkdir(exist_ok=True, mode=0o700)
        staged = path.parent / f".partial-{secrets.token_hex(8)}"
        with staged.open("xb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        return staged

    def _close_lost_transfers(self) -> None:
        """Transfers of which no association is open any more have broken off: it ended with the trigger, or unheard."""
        with self._store.transaction() as connection:
            for row in connection.execute("SELECT * FROM transfer").fetchall():
                if row["association"] not in self._open:
                    self._interrupted(connection, row["study_uid"])
                    connection.execute("DELETE FROM transfer WHERE association=?", (row["association"],))

    def _interrupted(self, connection: sqlite3.Connection, study_uid: str) -> None:
        connection.execute("UPDATE study SET interrupted_at=? WHERE study_uid=?", (self._now(), study_uid))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _counts(received: ReceivedInstance) -> bool:
    """Whether a result could depend on it: images and segmentations that are not ours."""
    name = UID(received.sop_class_uid).name
    return not received.is_own and not any(kind in name for kind in _NOT_IMAGES)


def _identity_of(received: ReceivedInstance) -> tuple[str, str, str]:
    return received.patient_id, received.accession_number, received.study_date


def _identity(row: sqlite3.Row) -> StudyIdentity:
    return StudyIdentity(
        study_instance_uid=row["study_uid"],
        patient_id=row["patient_id"],
        accession_number=row["accession_number"],
        study_date=_date(row["study_date"]),
    )


def _date(written: str) -> date | None:
    """A day as DICOM writes it (PS3.5 6.2, DA); None for what is none."""
    try:
        return datetime.strptime(written, "%Y%m%d").date()
    except ValueError:
        return None
