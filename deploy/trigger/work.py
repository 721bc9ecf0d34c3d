"""One job, from its input folder to results that can be sent: what the application answered, and what follows."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.trigger.queue import Job, Queue
from deploy.trigger.runner import Attempt, Runner, RunnerTimeout, RunnerUnavailable
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store
from pcr.report.publish import RESULT_NAME

_EXIT_CONFIGURATION = 2
_MAX_RESULT_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Completed:
    """The study has a result."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The study gets none, now or ever, and why; a page for the PACS may be there all the same."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something went wrong that may not go wrong again."""

    code: str
    sentence: str


Outcome = Completed | Refused | Failed


class Workshop:
    """Folders of jobs: `work/<attempt>/` while one runs, `results/<job>/` when it has run."""

    def __init__(self, store: Store, spool: Spool, queue: Queue, runner: Runner, folder: Path) -> None:
        self._store = store
        self._spool = spool
        self._queue = queue
        self._runner = runner
        self._work = folder / "work"
        self._results = folder / "results"
        for made in (self._work, self._results):
            made.mkdir(exist_ok=True, mode=0o700)

    def recover(self, interrupted: list[Job]) -> None:
        """After a start: end the attempts that a killed trigger left, and remove what they wrote."""
        for job in interrupted:
            self._runner.stop(job.attempt_name(self._store.site))
        for left in self._work.iterdir():
            shutil.rmtree(left, ignore_errors=True)

    def process(self, job: Job) -> Outcome | None:
        """Make one attempt at a job; None where its study has changed since it was queued."""
        name = job.attempt_name(self._store.site)
        folder = self._work / name
        shutil.rmtree(folder, ignore_errors=True)
        attempt = Attempt(name=name, input=folder / "in", output=folder / "out", log=folder / "log")
        attempt.output.mkdir(parents=True)
        attempt.input.mkdir()
        try:
            with self._store.transaction():
                if self._spool.images_digest(job.study_uid) != job.images:
                    return None
                self._spool.link_into(attempt.input, job.study_uid)
            self._add_earlier_reports(attempt.input, job)
            (attempt.input / "clinical.json").write_text(job.record, "utf-8")
            outcome = self._attempt(attempt, job)
            if not isinstance(outcome, Failed):
                self._keep_results(attempt.output, job)
            return outcome
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def results(self, job: Job) -> list[Path]:
        """The DICOM files to send."""
        return sorted(self.results_folder(job).glob(f"{job.study_uid}/*/*.dcm"))

    def results_folder(self, job: Job) -> Path:
        """Where the results of a job are, as the application wrote them."""
        return self._results / str(job.id)

    def forget(self, job: Job) -> None:
        """Remove its results; the PACS has them."""
        shutil.rmtree(self.results_folder(job), ignore_errors=True)

    def _attempt(self, attempt: Attempt, job: Job) -> Outcome:
        try:
            status = self._runner.run(attempt)
        except RunnerTimeout:
            return Failed("timeout", "the study took longer than runner.timeout_s; look at the machine's load")
        except RunnerUnavailable as error:
            return Failed("runner_unavailable", str(error))
        outcome = _outcome(attempt.output, job.study_uid, status)
        if isinstance(outcome, Failed):
            _keep_last_log(attempt.log, self._results.parent / "last-failure.log")
        return outcome

    def _add_earlier_reports(self, folder: Path, job: Job) -> None:
        """Our earlier reports of the study go with it, so that the new one names them."""
        for earlier in self._queue.of_study(job.study_uid):
            if earlier.id == job.id:
                continue
            for report in self.results_folder(earlier).glob(f"{job.study_uid}/SR/*.dcm"):
                if not (folder / report.name).exists():
                    os.link(report, folder / report.name)

    def _keep_results(self, output: Path, job: Job) -> None:
        final = self.results_folder(job)
        shutil.rmtree(final, ignore_errors=True)
        output.rename(final)


def _outcome(output: Path, study_uid: str, status: int) -> Outcome:
    """What an attempt came to, by what it wrote; the exit status alone tells nothing of a study."""
    if not _is_plain(output):
        return Failed("internal_error", "the application left something that is no file; it is not looked at")
    index = _read(output / RESULT_NAME)
    if index is None:
        if status == _EXIT_CONFIGURATION:
            return Failed("bad_configuration", "the application refuses its settings or its model; see its log")
        return Failed("internal_error", f"the application ended with status {status} and left no result")
    entries = [entry for entry in index.get("studies", []) if entry.get("study_instance_uid") == study_uid]
    told = entries[0] if entries else index
    reason = told.get("reason") or {}
    code, sentence = str(reason.get("code", "no_study")), str(reason.get("message", "nothing in it could be read"))
    if told.get("status") == "completed":
        return Completed()
    return Failed(code, sentence) if told.get("status") == "failed" else Refused(code, sentence)


def _is_plain(folder: Path) -> bool:
    """Whether there are but files and folders: links and pipes would lead us elsewhere, or hold us up."""
    modes = (path.lstat().st_mode for path in folder.rglob("*"))
    return all(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode in modes)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_RESULT_BYTES:
            return None
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _keep_last_log(log: Path, target: Path) -> None:
    if log.is_file():
        log.replace(target)
