"""What an administrator asks of the queue, beside a trigger that may be running."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deploy.trigger.drop_folder import DropFolder
from deploy.trigger.queue import Queue, census
from deploy.trigger.records import Problem
from deploy.trigger.settings import Records, Retry
from deploy.trigger.store import Store
from pcr.reasons import BadConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLine:
    """How many jobs are in a state, and the age of the oldest."""

    state: str
    jobs: int
    oldest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A job that is tried again, and what went wrong last."""

    job: int
    study_uid: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A study without a result, and why."""

    ended: str
    study_uid: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The queue at a glance."""

    states: tuple[StateLine, ...]
    arriving: int
    troubles: tuple[Trouble, ...]


def overview(state: Path) -> Overview:
    """The queue at a glance."""
    with _queue(state) as (store, queue):
        troubled = [job for name in ("queued", "sending") for job in queue.in_state(name) if job.trouble]
        return Overview(
            states=tuple(
                StateLine(state=state, jobs=jobs, oldest="" if oldest is None else _age(oldest))
                for state, (jobs, oldest) in census(store).items()
            ),
            arriving=store.rows("SELECT count(*) FROM study WHERE arrived")[0][0],
            troubles=tuple(
                Trouble(job=job.id, study_uid=job.study_uid, sentence=job.trouble or "") for job in troubled
            ),
        )


def dead_letters(state: Path) -> list[DeadLetter]:
    """The dead-letter list, oldest first."""
    with _queue(state) as (_, queue):
        return [
            DeadLetter(
                ended=datetime.fromtimestamp(job.finished or 0).isoformat(" ", "seconds"),
                study_uid=job.study_uid,
                code=job.reason_code or "",
                sentence=job.reason or "",
            )
            for job in queue.in_state("dead")
        ]


def put_back(state: Path, study_uid: str) -> int:
    """Put the last job of a study back into the queue, where it is dead; how many were.

    Raises:
        BadConfiguration: the images of the study are no longer here.
    """
    with _queue(state) as (store, queue):
        # What another job followed is history.
        dead = [job for job in queue.of_study(study_uid) if job.state != "superseded"][-1:]
        dead = [job for job in dead if job.state == "dead"]
        if dead and not store.rows("SELECT 1 FROM instance WHERE study_uid=?", (study_uid,)):
            raise BadConfiguration("the images of this study were removed after keep_days; send it again from the PACS")
        return len([queue.retry(job) for job in dead])


def record_problems(settings: Records) -> Sequence[Problem]:
    """Files of the drop folder that can not be read, by name, which may name a patient: for this screen only."""
    if settings.drop_folder is None:
        return []
    folder = DropFolder(settings.drop_folder)
    folder.generation()
    return folder.problems()


@contextmanager
def _queue(state: Path) -> Iterator[tuple[Store, Queue]]:
    if not (state / "queue.sqlite").is_file():
        raise BadConfiguration(f"there is no queue in {state}; has the trigger been started with these settings?")
    store = Store(state)
    try:
        yield store, Queue(store, Retry(), time.time)
    finally:
        store.close()


def _age(created: float) -> str:
    return str(timedelta(seconds=int(time.time() - created)))
