"""The queue of jobs: a study is processed once for its images, its clinical record and the model.

A job goes `queued -> running -> sending -> done`, or ends `dead` with its reason. `superseded` is one that was
overtaken before it began, by more images or by a record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from deploy.trigger.records import FoundRecord
from deploy.trigger.settings import Retry
from deploy.trigger.store import Store

State = Literal["queued", "running", "sending", "done", "dead", "superseded"]
NOT_DELIVERED = "not_delivered"
# Reasons that say nothing of the study.
MAY_PASS = (NOT_DELIVERED, "timeout", "runner_unavailable", "bad_configuration", "bad_model", "internal_error")
Census = dict[State, tuple[int, float | None]]
STATES: tuple[State, ...] = ("queued", "running", "sending", "done", "dead", "superseded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One processing of one study.

    Attributes:
        images: digest of the images that it is for.
        record: text of the clinical file that goes with them.
        runs: attempts that were begun; failures: those in a row that failed, at processing or at delivery.
        interruptions: attempts that ended because the trigger did.
        created, not_before, started, finished: seconds since 1970.
        reason_code, reason: why there is no result.
        trouble: what went wrong last and is tried again.
    """

    id: int
    study_uid: str
    images: str
    record_digest: str
    model: str
    record: str
    state: State
    created: float
    not_before: float
    runs: int
    failures: int
    interruptions: int
    started: float | None
    finished: float | None
    reason_code: str | None
    reason: str | None
    trouble: str | None

    def attempt_name(self, site: str) -> str:
        """Name of the current attempt, unique on the machine."""
        return f"breast-pcr-{site}-{self.id}-{self.runs}"


class Queue:
    """All jobs, in the store."""

    def __init__(self, store: Store, retry: Retry, now: Callable[[], float]) -> None:
        self._store = store
        self._retry = retry
        self._now = now

    def add(self, study_uid: str, images: str, record: FoundRecord, model: str) -> Job | None:
        """A new job, which overtakes those of the study that have not begun; None where there has been one like it.

        One that failed for a reason that may have passed is put back. The study then holds nothing new any more.
        """
        now = self._now()
        with self._store.transaction() as connection:
            connection.execute("UPDATE study SET arrived=0, complete_since=NULL WHERE study_uid=?", (study_uid,))
            key = (study_uid, images, record.digest, model)
            same = "study_uid=? AND images=? AND record_digest=? AND model=?"
            others = f"study_uid=? AND NOT ({same})"
            overtaken = f"DELETE FROM job WHERE {others} AND state IN ('queued', 'superseded') AND runs=0"
            connection.execute(overtaken, (study_uid, *key))
            set_aside = f"UPDATE job SET state='superseded', finished=? WHERE {others} AND state='queued'"
            connection.execute(set_aside, (now, study_uid, *key))
            found = connection.execute(f"SELECT * FROM job WHERE {same} AND state!='superseded'", key).fetchone()
            if found is not None:
                return self._put_back(_job(found))
            connection.execute(f"DELETE FROM job WHERE {same}", key)
            values = (*key, record.content, "queued", now, now)
            cursor = connection.execute(
                "INSERT INTO job (study_uid, images, record_digest, model, record, state, created, not_before)"
                " VALUES (?,?,?,?,?,?,?,?)",
                values,
            )
            return self.job(int(cursor.lastrowid or 0))

    def claim(self) -> Job | None:
        """The next job to process, now running; one job of a study at a time, the least interrupted first."""
        with self._store.transaction() as connection:
            found = connection.execute(
                "SELECT id FROM job WHERE state='queued' AND not_before<=?"
                " AND study_uid NOT IN (SELECT study_uid FROM job WHERE state IN ('running', 'sending'))"
                " ORDER BY interruptions, failures, created, id LIMIT 1",
                (self._now(),),
            ).fetchone()
            if found is None:
                return None
            query = "UPDATE job SET state='running', runs=runs+1, started=? WHERE id=?"
            connection.execute(query, (self._now(), found["id"]))
            return self.job(found["id"])

    def processed(self, job: Job, code: str | None = None, sentence: str | None = None) -> None:
        """What it came to can be sent: its results, or the page that says why there are none."""
        self._set(
            job,
            "state='sending', failures=0, trouble=NULL, not_before=?, reason_code=?, reason=?",
            self._now(), code, sentence,
        )  # fmt: skip

    def to_send(self) -> Job | None:
        """The next job whose results are to be sent."""
        query = "SELECT * FROM job WHERE state='sending' AND not_before<=? ORDER BY not_before, id LIMIT 1"
        return next((_job(row) for row in self._store.rows(query, (self._now(),))), None)

    def sent(self, job: Job) -> None:
        """All of it is in the PACS: done, or dead where it was the page of a refusal."""
        end: State = "dead" if job.reason_code else "done"
        self._set(job, "state=?, finished=?, trouble=NULL", end, self._now())

    def dead(self, job: Job, code: str, sentence: str) -> None:
        """It can not be done, for a reason that will not pass."""
        self._set(job, "state='dead', finished=?, reason_code=?, reason=?", self._now(), code, sentence)

    def lost(self, job: Job) -> State:
        """Its results are no longer there: it is processed again, but not without end; the state it is in now."""
        return self.failed(replace(job, state="running"), "internal_error", "its results are no longer there")

    def superseded(self, job: Job) -> None:
        """Its study has changed before it began."""
        self._set(job, "state='superseded', finished=?", self._now())

    def failed(self, job: Job, code: str, sentence: str) -> State:
        """What may pass went wrong: tried again after a pause, or dead after too many tries; the state it is in now."""
        tries = self._retry.deliveries if job.state == "sending" else self._retry.runs
        failures = job.failures + 1
        if failures >= tries:
            # Where the page of a refusal could not be sent, the refusal is still the reason.
            self.dead(job, job.reason_code or code, job.reason or sentence)
            return "dead"
        back: State = "sending" if job.state == "sending" else "queued"
        pause = self._now() + self._retry.pause_s(failures)
        self._set(job, "state=?, failures=?, not_before=?, trouble=?", back, failures, pause, f"{code}: {sentence}")
        return back

    def recover(self) -> list[Job]:
        """After a start: what was running goes back to the queue; the jobs, as they were.

        A job that was running at too many kills of the trigger may be their cause, and is dead.
        """
        interrupted = self.in_state("running")
        with self._store.transaction():
            for job in interrupted:
                if job.interruptions + 1 >= self._retry.interruptions:
                    self.dead(job, "internal_error", "the trigger was killed too often while it processed this study")
                else:
                    self._set(job, "state='queued', interruptions=interruptions+1")
        return interrupted

    def retry(self, job: Job) -> Job:
        """Put a dead job back to where it failed."""
        back: State = "sending" if job.reason_code == NOT_DELIVERED else "queued"
        self._set(
            job,
            "state=?, failures=0, interruptions=0, not_before=0, finished=NULL, reason_code=NULL, reason=NULL",
            back,
        )
        return self.job(job.id)

    def forget(self, job: Job) -> None:
        """Remove its clinical record."""
        self._set(job, "record=''")

    def delivered(self, job: Job) -> set[str]:
        """Result files of the job that the PACS has confirmed."""
        return {row["path"] for row in self._store.rows("SELECT path FROM delivered WHERE job_id=?", (job.id,))}

    def note_delivered(self, job: Job, paths: list[str]) -> None:
        """The PACS has confirmed these result files."""
        with self._store.transaction() as connection:
            rows = [(job.id, path) for path in paths]
            connection.executemany("INSERT OR IGNORE INTO delivered VALUES (?,?)", rows)

    def remodel(self, model: str) -> None:
        """After a start: what has not begun will be processed by this model."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE OR IGNORE job SET model=? WHERE state='queued'", (model,))
            left = "UPDATE job SET state='superseded', finished=? WHERE state='queued' AND model!=?"
            connection.execute(left, (self._now(), model))

    def job(self, id: int) -> Job:
        """A job by its number."""
        return _job(self._store.rows("SELECT * FROM job WHERE id=?", (id,))[0])

    def of_study(self, study_uid: str) -> list[Job]:
        """All jobs of a study, oldest first."""
        rows = self._store.rows("SELECT * FROM job WHERE study_uid=? ORDER BY id", (study_uid,))
        return [_job(row) for row in rows]

    def in_state(self, state: State) -> list[Job]:
        """All jobs in a state, oldest first."""
        return [_job(row) for row in self._store.rows("SELECT * FROM job WHERE state=? ORDER BY id", (state,))]

    def latest(self) -> list[Job]:
        """The last job of every study whose images are here, and that was not superseded."""
        query = (
            "SELECT * FROM job WHERE id IN (SELECT max(id) FROM job WHERE state!='superseded' GROUP BY study_uid)"
            " AND study_uid IN (SELECT study_uid FROM instance)"
        )
        return [_job(row) for row in self._store.rows(query)]

    def _put_back(self, job: Job) -> Job | None:
        return self.retry(job) if job.state == "dead" and job.reason_code in MAY_PASS else None

    def _set(self, job: Job, assignments: str, *values: object) -> None:
        with self._store.transaction() as connection:
            connection.execute(f"UPDATE job SET {assignments} WHERE id=?", (*values, job.id))


def census(store: Store) -> Census:
    """How many jobs are in each state, and when the oldest of them was made."""
    query = "SELECT state, count(*) AS n, min(created) AS oldest FROM job GROUP BY state"
    found = {row["state"]: (row["n"], row["oldest"]) for row in store.rows(query)}
    return {state: found.get(state, (0, None)) for state in STATES}


def _job(row: sqlite3.Row) -> Job:
    return Job(**dict(row))
