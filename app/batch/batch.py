"""A batch from its sources to its summary."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from app.batch.job import Common, Job, JobOutcome
from app.batch.made_with import MadeWith
from app.batch.place import Place, whole_batch
from app.batch.rows import StudyRow, repeated, study_rows
from app.batch.sources import Source
from app.batch.summary import write_inputs, write_summary
from app.run import EXIT_COMPLETED, EXIT_INTERNAL, EXIT_NOT_EVALUABLE
from app.settings import Settings
from pcr.clinical_file import read_clinical_file
from pcr.reasons import BadConfiguration, NotEvaluable, ReasonCode

if TYPE_CHECKING:
    from distributed import Client


class Progress(Protocol):
    """What a batch tells of itself while it goes on."""

    def planned(self, jobs: int) -> None:
        """So many jobs there are."""

    def finished(self, outcome: JobOutcome) -> None:
        """A job has its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a batch is asked to do; paths are absolute."""

    sources: tuple[Source, ...]
    out: Path
    models: Path
    settings: Settings
    made_with: MadeWith
    timeout_s: float
    retry_failed: bool

    def __post_init__(self) -> None:
        if not self.sources:
            raise NotEvaluable(ReasonCode.NO_STUDY, "no input is named, or nothing is found where it is looked for")
        if self.timeout_s <= 0:
            raise BadConfiguration("--timeout must be more than 0 s")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """The outcomes of the jobs of this run, and the rows of all that the output folder holds."""

    jobs: tuple[JobOutcome, ...]
    rows: tuple[StudyRow, ...]

    @property
    def exit_status(self) -> int:
        """0 when every study of this run is completed and came once; else the worst wins: 1 over 3."""
        statuses = {status for job in self.jobs for status in job.statuses}
        if "failed" in statuses:
            return EXIT_INTERNAL
        mine = {job.job for job in self.jobs}
        is_repeated = repeated([row for row in self.rows if row.job in mine]) > 0
        return EXIT_NOT_EVALUABLE if is_repeated or "not_evaluable" in statuses else EXIT_COMPLETED


def score(order: Order, cluster: Callable[[], AbstractContextManager[Client]], progress: Progress) -> BatchOutcome:
    """Run every job that is not done, and write the summary.

    Raises:
        BadConfiguration: nothing was run.
    """
    # Importing the scheduler takes a second, which a wrong command line need not wait for.
    from app.batch.cluster import spread

    place = Place(order.out)
    with whole_batch(place):
        order.made_with.settle(place, order.settings)
        jobs = _jobs(order)
        write_inputs(place, jobs)
        progress.planned(len(jobs))
        outcomes = []
        with cluster() as client:
            for outcome in spread(client, jobs):
                progress.finished(outcome)
                outcomes.append(outcome)
        rows = study_rows(place, outcomes)
        write_summary(place, rows, order.made_with)
    return BatchOutcome(jobs=tuple(outcomes), rows=rows)


def _jobs(order: Order) -> tuple[Job, ...]:
    common = Common(
        run=uuid4().hex,
        out=order.out,
        models=order.models,
        records_sha256=_records_checksum(order.settings, order.sources),
        max_files=order.settings.limits.max_files,
        timeout_s=order.timeout_s,
        retry_failed=order.retry_failed,
    )
    return tuple(Job(source=source, common=common) for source in order.sources)


def _records_checksum(settings: Settings, sources: Sequence[Source]) -> str:
    """Of the clinical file that all jobs read, if the settings name one.

    Raises:
        BadConfiguration: it can not be read, or holds a record that every study would take for its own.
    """
    path = settings.clinical_file
    if path is None:
        return ""
    try:
        file = read_clinical_file(path)
    except NotEvaluable as error:
        raise BadConfiguration(f"the clinical file that the settings name: {error.message}") from None
    if len(sources) > 1 and not file.is_keyed:
        raise BadConfiguration(
            "the clinical file that the settings name holds a record without a key, which every input would take "
            "for its own; give it the study_instance_uid"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()
