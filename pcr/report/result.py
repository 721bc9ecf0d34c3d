"""result.json: the facts of one study, and of one run, for machines. The schema is published in docs/."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pcr.case import ReportedCase
from pcr.manifest import ModelFolder
from pcr.phases import NoDynamicSeries
from pcr.reasons import NotEvaluable, PcrError, ReasonCode

Status = Literal["completed", "not_evaluable", "failed"]
Point = tuple[float, float, float]


class _Facts(BaseModel):
    # The facts have the names that the core's own types have, and are read from them.
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Reason(_Facts):
    """Why there is no result."""

    code: ReasonCode
    message: str


class PredictionFacts(_Facts):
    """Calibrated probabilities; `interval` is the spread of the model's own parts."""

    probability: float
    interval: tuple[float, float]
    threshold: float
    above_threshold: bool | None
    imaging_probability: float
    clinical_probability: float


class PhaseFacts(_Facts):
    """A phase; `time_s` counts from the pre-contrast phase, `after_injection_s` from injection."""

    series_instance_uid: str
    description: str
    time_s: float
    after_injection_s: float
    role: Literal["pre", "early", "late", "other"]


class RejectedFacts(_Facts):
    """A series that is not part of the dynamic one."""

    series_instance_uid: str
    description: str
    reason: str


class DynamicCandidateFacts(_Facts):
    """Volumes of one protocol that could have been the dynamic series, and what speaks for and against them."""

    descriptions: tuple[str, ...]
    volumes: int
    points: float
    evidence: tuple[str, ...]


class SelectionFacts(_Facts):
    """Why this series, why not the others; the best candidate comes first.

    `time_field` is where the times of the phases come from, `injection_source` how the injection is known; both are
    null where no series was chosen.
    """

    why: str
    candidates: tuple[DynamicCandidateFacts, ...]
    rejected: tuple[RejectedFacts, ...]
    time_field: Literal["AcquisitionTime", "TriggerTime", "ContentTime"] | None = None
    injection_source: Literal["ContrastBolusStartTime", "estimated"] | None = None


class ClinicalFacts(_Facts):
    """Variables that the model read, with their values in its units, those that were missing, and their source."""

    used: dict[str, float]
    missing: tuple[str, ...]
    source: str


class KineticFacts(_Facts):
    """Mean kinetics of the lesion."""

    mean_signal: tuple[float, ...]
    early_enhancement_percent: float
    late_change_percent: float
    signal_enhancement_ratio: float | None
    curve_type: Literal["persistent", "plateau", "washout"]


class CandidateFacts(_Facts):
    """A place that could have been the lesion."""

    centroid_lps_mm: Point
    volume_ml: float
    score: float


class LesionFacts(_Facts):
    """The lesion that the probability is for; `section_diameter_mm` lies in the plane of its largest section."""

    source: Literal["kinetic", "segmentation"]
    score: float | None
    volume_ml: float
    longest_diameter_mm: float
    section_diameter_mm: float
    centroid_lps_mm: Point
    laterality: Literal["left", "right"]
    kinetics: KineticFacts
    runners_up: tuple[CandidateFacts, ...]


class AttentionFacts(_Facts):
    """How much of the attention lies in the lesion."""

    inside_lesion_fraction: float


class PhaseMotionFacts(_Facts):
    """How far the breasts lie from where the reference shows them; null where that can not be measured.

    `moved`: the images bear it out, by `similarity_gain` nats of mutual information; else it is what errors measure.
    """

    index: int
    mean_mm: float | None
    p95_mm: float | None
    similarity_gain: float | None
    moved: bool
    corrected: bool


class MotionFacts(_Facts):
    """Motion between phases; `reference` and `index` count the phases from 0, `max_mm` is of those that moved."""

    reference: int
    phases: tuple[PhaseMotionFacts, ...]
    max_mm: float
    corrected: bool


class ModelFacts(_Facts):
    """Which model answered, on what it ran, and the share of pCR among the patients that it was trained on."""

    name: str
    version: str
    sha256: str
    provider: str
    base_rate: float | None = None


class StudyResult(_Facts):
    """The facts of one study; what a step did not reach is null. No patient's name, birth date or id is ever here."""

    schema_version: Literal["1.0"] = "1.0"
    notice: str
    status: Status
    reason: Reason | None = None
    study_instance_uid: str
    prediction: PredictionFacts | None = None
    phases: tuple[PhaseFacts, ...] = ()
    pre_gap_s: float | None = None
    selection: SelectionFacts | None = None
    motion: MotionFacts | None = None
    clinical: ClinicalFacts | None = None
    lesion: LesionFacts | None = None
    attention: AttentionFacts | None = None
    model: ModelFacts
    warnings: tuple[str, ...] = ()
    timings_s: dict[str, float] = {}
    outputs: tuple[str, ...] = ()


class StudyEntry(_Facts):
    """A study in the index of a run; `path` is that of its folder below OUT."""

    study_instance_uid: str
    status: Status
    reason: Reason | None
    path: str | None


class PassedOverFacts(_Facts):
    """Files and studies that were left aside."""

    not_dicom: int
    outside_links: int
    invalid_identity: int
    other_studies: int


class RunResult(_Facts):
    """The index of a run, written last: when it is there, everything that it names is there."""

    schema_version: Literal["1.0"] = "1.0"
    studies: tuple[StudyEntry, ...]
    reason: Reason | None = None
    passed_over: PassedOverFacts | None = None


def model_facts(folder: ModelFolder, provider: str) -> ModelFacts:
    """Facts of a model and the provider that runs it."""
    return ModelFacts(
        name=folder.name,
        version=folder.version,
        sha256=folder.manifest.onnx.sha256,
        provider=provider,
        base_rate=folder.manifest.base_rate,
    )


def completed(case: ReportedCase, model: ModelFacts, notice: str, outputs: tuple[str, ...]) -> StudyResult:
    """The result of a study that got its probability."""
    series = case.volume.series
    values = {name: case.clinical.value(name) for name in case.encoded.used_names}
    return StudyResult(
        notice=notice,
        status="completed",
        study_instance_uid=case.study.study_instance_uid,
        prediction=PredictionFacts.model_validate(case.prediction),
        phases=tuple(PhaseFacts.model_validate(phase) for phase in series.phases),
        pre_gap_s=series.pre_gap_s,
        selection=SelectionFacts.model_validate(series.selection).model_copy(
            update={"time_field": series.time_field, "injection_source": series.injection_source}
        ),
        motion=None if case.volume.motion is None else MotionFacts.model_validate(case.volume.motion),
        clinical=ClinicalFacts(
            used={name: value for name, value in values.items() if value is not None},
            missing=case.encoded.missing_names,
            source=case.clinical.source,
        ),
        lesion=LesionFacts.model_validate(case.lesion),
        attention=AttentionFacts(inside_lesion_fraction=case.attention.inside_fraction(case.lesion.mask)),
        model=model,
        warnings=case.warnings,
        timings_s=case.timings_s,
        outputs=outputs,
    )


def refused(
    study_instance_uid: str, refusal: PcrError, model: ModelFacts, notice: str, outputs: tuple[str, ...] = ()
) -> StudyResult:
    """The result of a study that got none; where its series are the reason, with what is said of each of them."""
    seen = refusal.selection if isinstance(refusal, NoDynamicSeries) else None
    return StudyResult(
        notice=notice,
        status="not_evaluable" if isinstance(refusal, NotEvaluable) else "failed",
        reason=Reason(code=refusal.code, message=refusal.message),
        study_instance_uid=study_instance_uid,
        selection=None if seen is None else SelectionFacts.model_validate(seen),
        model=model,
        outputs=outputs,
    )
