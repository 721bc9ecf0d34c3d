"""Which jobs are done: told by what is published and by nothing else, so that no list can say otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.batch.place import Place, remove, write_whole
from pcr.report.publish import RESULT_NAME, sync
from pcr.report.result import RunResult, StudyEntry, StudyResult

_RECORD_NAME = "job.json"


class JobRecord(BaseModel):
    """What a finished job says of itself, beside the results.

    Attributes:
        fingerprint: of its source and record, when it was run.
        run: the batch run that made it.
        seconds: that its process took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    run: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJob:
    """A published job: its folder, its record, the application's index and the facts of each study."""

    folder: Path
    record: JobRecord
    index: RunResult
    results: tuple[StudyResult, ...]

    @property
    def statuses(self) -> tuple[str, ...]:
        """Of its studies; of an input without any, that of a study that is not evaluable."""
        return tuple(study.status for study in self.index.studies) or ("not_evaluable",)


def read_finished(place: Place, job: str) -> FinishedJob | None:
    """What a job published, or None where it has not, or what lies there is no whole result."""
    folder = place.finished(job)
    try:
        record = JobRecord.model_validate_json((folder / _RECORD_NAME).read_bytes())
        index = RunResult.model_validate_json((folder / RESULT_NAME).read_bytes())
        # Somebody may have tidied up: a study that is gone is not done.
        results = tuple(StudyResult.model_validate_json(_result(folder, study)) for study in index.studies)
    except (OSError, ValidationError):
        return None
    return FinishedJob(folder=folder, record=record, index=index, results=results)


def all_finished(place: Place) -> Iterator[tuple[str, FinishedJob]]:
    """Every published job with its name, sorted."""
    for folder in sorted(path for path in place.studies.iterdir() if not path.name.startswith(".")):
        if (finished := read_finished(place, folder.name)) is not None:
            yield folder.name, finished


def has_index(staged: Path) -> bool:
    """Whether the application came to its end: it writes the index last."""
    return (staged / RESULT_NAME).is_file()


def publish(place: Place, job: str, record: JobRecord) -> FinishedJob:
    """Give a staged job its place; an earlier result of it goes. The caller holds the job's lock.

    Raises OSError where what was written can not be read back.
    """
    staged, final, replaced = place.staged(job), place.finished(job), place.replaced(job)
    write_whole(staged / _RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    if final.exists():
        final.rename(replaced)
    staged.rename(final)
    sync(place.studies)
    remove(replaced)
    if (finished := read_finished(place, job)) is None:
        raise OSError("what was written can not be read back")
    return finished


def recover(place: Place, job: str) -> None:
    """Undo what a killed run left half done. The caller holds the job's lock."""
    final, replaced = place.finished(job), place.replaced(job)
    if replaced.exists() and not final.exists():
        replaced.rename(final)
    for leftover in (replaced, place.staged(job), place.fetched(job)):
        remove(leftover)


def _result(folder: Path, study: StudyEntry) -> bytes:
    return (folder / study.study_instance_uid / RESULT_NAME).read_bytes()
