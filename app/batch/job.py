"""One job: a source through the application, published once. It may be called any number of times, anywhere."""

from __future__ import annotations

import hashlib
import signal
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pcr
from app.batch.journal import FinishedJob, JobRecord, has_index, publish, read_finished, recover
from app.batch.place import Place, StillHeld, hold, remove
from app.batch.process import CONSOLE_NAME, AppRun, TookTooLong
from app.batch.sources import Source, job_name
from app.run import EXIT_CONFIGURATION
from pcr.reasons import BadConfiguration, NotEvaluable, PcrError, ReasonCode

# A process that a signal ended, as the kernel does when memory is short, may fare better the second time.
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all jobs of a batch run share; paths are absolute, and the same on every machine.

    Attributes:
        run: name of this batch run.
        records_sha256: of the clinical file that the settings name; empty where they name none.
        max_files: of one source.
        timeout_s: after which a job is given up.
        retry_failed: whether a job that earlier runs published as failed is run again.
    """

    run: str
    out: Path
    models: Path
    records_sha256: str
    max_files: int
    timeout_s: float
    retry_failed: bool
    software_version: str = pcr.__version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A source, and what all jobs share."""

    source: Source
    common: Common

    @property
    def name(self) -> str:
        return job_name(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What became of a job.

    Attributes:
        ran: False where it was found done.
        statuses: of its studies; one `failed` where nothing could be published.
        reason: why nothing was published, as code and sentence.
    """

    job: str
    ran: bool
    statuses: tuple[str, ...]
    reason: tuple[ReasonCode, str] | None = None


def unpublished(job: Job, reason: PcrError) -> JobOutcome:
    """The outcome of a job that published nothing, and is run again by the next batch run."""
    status = "not_evaluable" if isinstance(reason, NotEvaluable) else "failed"
    return JobOutcome(job=job.name, ran=True, statuses=(status,), reason=(reason.code, reason.message))


def run_job(job: Job) -> JobOutcome:
    """Publish the results of a job, unless they are there; two calls for one job never work at the same time."""
    place = Place(job.common.out)
    try:
        _check_version(job.common)
        with hold(place.lock(job.name), job.common.timeout_s) as lock:
            return _run_held(job, place, lock)
    except StillHeld:
        return unpublished(job, _broken("another process still works at this study; start the batch again later"))
    except TookTooLong:
        return unpublished(job, _broken(f"it took longer than {job.common.timeout_s:g} s; raise --timeout"))
    except PcrError as reason:
        return unpublished(job, reason)
    except OSError as error:
        why = error.strerror or type(error).__name__
        return unpublished(job, _broken(f"its input can not be read or its result not be written: {why}"))


def _check_version(common: Common) -> None:
    if common.software_version != pcr.__version__:
        raise BadConfiguration(
            f"a worker has version {pcr.__version__} of this software, the batch {common.software_version}; install one"
        )


def _run_held(job: Job, place: Place, lock: int) -> JobOutcome:
    recover(place, job.name)
    fingerprint = _fingerprint(job)
    finished = read_finished(place, job.name)
    if finished is not None and not _is_due(finished, fingerprint, job.common):
        return JobOutcome(job=job.name, ran=False, statuses=finished.statuses)
    log = place.log(job.name)
    remove(log)
    log.mkdir()
    started = perf_counter()
    with job.source.as_folder(place.fetched(job.name), job.common.max_files) as folder:
        run = AppRun(
            source=folder,
            out=place.staged(job.name),
            models=job.common.models,
            settings=place.settings,
            log=log,
            lock=lock,
            timeout_s=job.common.timeout_s,
        )
        status = _attempted(run)
    if not has_index(place.staged(job.name)):
        raise _no_index(status, job.name)
    seconds = round(perf_counter() - started, 3)
    published = publish(place, job.name, JobRecord(fingerprint=fingerprint, run=job.common.run, seconds=seconds))
    if "failed" not in published.statuses:
        remove(log)
    return JobOutcome(job=job.name, ran=True, statuses=published.statuses)


def _fingerprint(job: Job) -> str:
    source = job.source.fingerprint(job.common.max_files)
    return hashlib.sha256(f"{source}\0{job.common.records_sha256}".encode()).hexdigest()


def _is_due(finished: FinishedJob, fingerprint: str, common: Common) -> bool:
    if finished.record.fingerprint != fingerprint:
        return True
    # What this very run published as failed is not tried again where a lost worker's job comes round.
    return common.retry_failed and "failed" in finished.statuses and finished.record.run != common.run


def _attempted(run: AppRun) -> int:
    for _ in range(_ATTEMPTS):
        status = run()
        if status >= 0:
            break
    return status


def _no_index(status: int, job: str) -> PcrError:
    where = f"what it printed is in .batch/logs/{job}/{CONSOLE_NAME}"
    if status < 0:
        return _broken(f"its process was ended by {signal.Signals(-status).name}: is memory short? {where}")
    if status == EXIT_CONFIGURATION:
        return BadConfiguration(f"the application refused its input folder, settings or model; {where}")
    return _broken(f"its process ended with status {status} without a result; {where}")


def _broken(sentence: str) -> PcrError:
    return PcrError(ReasonCode.INTERNAL_ERROR, sentence)
