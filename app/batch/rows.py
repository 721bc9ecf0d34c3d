"""The summary as rows, one a study, taken from what is published. No row holds a patient's identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.batch.job import JobOutcome
from app.batch.journal import FinishedJob, all_finished
from app.batch.place import Place
from pcr.reasons import ReasonCode
from pcr.report.result import Reason, StudyResult


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One study of one input, or an input without any; what is not known is None.

    Attributes:
        job: name of the job; `.batch/inputs.csv` says which input that was.
        inputs: in how many inputs the study came; of more than one, each result may be of a part of it.
        seconds: that the job's process took.
        path: of the study's results, below the output folder.
    """

    study_instance_uid: str | None = None
    status: str
    reason_code: ReasonCode | None = None
    reason: str | None = None
    probability: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    above_threshold: bool | None = None
    lesion_volume_ml: float | None = None
    lesion_longest_diameter_mm: float | None = None
    laterality: str | None = None
    clinical_source: str | None = None
    warnings: int = 0
    seconds: float | None = None
    model_version: str | None = None
    inputs: int = 1
    job: str
    path: str | None = None


def study_rows(place: Place, outcomes: Iterable[JobOutcome]) -> tuple[StudyRow, ...]:
    """All that the output folder holds, and the jobs of this run that published nothing.

    A job that published before and nothing now is a failure: its input has changed since.
    """
    unpublished = {outcome.job: _unpublished(outcome) for outcome in outcomes if outcome.reason is not None}
    rows = list(unpublished.values())
    for name, job in all_finished(place):
        if name not in unpublished:
            rows += _of_job(name, job)
    times = Counter(row.study_instance_uid for row in rows)
    rows = [replace(row, inputs=times[row.study_instance_uid]) if row.study_instance_uid else row for row in rows]
    return tuple(sorted(rows, key=lambda row: (row.study_instance_uid or "", row.job)))


def repeated(rows: Sequence[StudyRow]) -> int:
    """How many studies came in more than one input."""
    return len({row.study_instance_uid for row in rows if row.inputs > 1})


def _unpublished(outcome: JobOutcome) -> StudyRow:
    (status,) = outcome.statuses
    code, sentence = outcome.reason or (None, None)
    return StudyRow(job=outcome.job, status=status, reason_code=code, reason=sentence)


def _of_job(name: str, job: FinishedJob) -> list[StudyRow]:
    if job.index.reason is not None:
        return [_without_study(name, job, job.index.reason)]
    return [_of_study(name, job, result) for result in job.results]


def _without_study(name: str, job: FinishedJob, reason: Reason) -> StudyRow:
    return StudyRow(
        job=name,
        status="not_evaluable",
        reason_code=reason.code,
        reason=reason.message,
        seconds=job.record.seconds,
    )


def _of_study(name: str, job: FinishedJob, result: StudyResult) -> StudyRow:
    prediction, lesion = result.prediction, result.lesion
    low, high = prediction.interval if prediction else (None, None)
    return StudyRow(
        job=name,
        study_instance_uid=result.study_instance_uid,
        status=result.status,
        reason_code=result.reason.code if result.reason else None,
        reason=result.reason.message if result.reason else None,
        probability=prediction.probability if prediction else None,
        interval_low=low,
        interval_high=high,
        above_threshold=prediction.above_threshold if prediction else None,
        lesion_volume_ml=lesion.volume_ml if lesion else None,
        lesion_longest_diameter_mm=lesion.longest_diameter_mm if lesion else None,
        laterality=lesion.laterality if lesion else None,
        clinical_source=result.clinical.source if result.clinical else None,
        warnings=len(result.warnings),
        seconds=job.record.seconds,
        model_version=result.model.version,
        path=f"studies/{name}/{result.study_instance_uid}",
    )
