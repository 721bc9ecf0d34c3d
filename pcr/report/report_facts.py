"""The facts that a report of ours holds, for machines: what `python -m pcr.report` prints.

Names, places and units are those of result.json, so that the two can be compared; shares have four digits here, sizes
two. Facts that contradict each other are refused in words that follow "the report".
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from pcr.report.result import AttentionFacts, ClinicalFacts, ModelFacts, Point, PredictionFacts

# Ends are written in single precision, diameters with two digits.
_MAX_DIAMETER_ERROR_MM = 0.1

# PS3.5 section 9.1, but for components that begin with a zero: studies come with them, and are read.
Uid = Annotated[str, Field(max_length=64, pattern=r"^[0-9]+(\.[0-9]+)*$")]
# PS3.5 section 6.2, VR UT: no control character but those that lay text out. Others steer a terminal.
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodeFacts(_Facts):
    """A coded concept (PS3.3 section 8)."""

    value: Text
    scheme: Text
    meaning: Text


class ReportedPrediction(PredictionFacts):
    """The probabilities; interval and judgement are about `probability`."""

    @model_validator(mode="after")
    def _interval_holds_the_probability(self) -> Self:
        low, high = self.interval
        if not low <= self.probability <= high:
            raise ValueError("has a probability outside of its interval")
        return self

    @model_validator(mode="after")
    def _judgement_is_that_of_the_threshold(self) -> Self:
        # Where rounding made them equal, either judgement may be true.
        differs = self.above_threshold is not None and self.probability != self.threshold
        if differs and self.above_threshold != (self.probability > self.threshold):
            raise ValueError("judges its probability against the threshold otherwise than the two numbers say")
        return self


class ReportedPhase(_Facts):
    """A phase, and the image that the report shows of it; `frame_number` is null for a single-frame image."""

    role: Literal["pre", "early", "late", "other"]
    after_injection_s: float
    series_instance_uid: Uid
    sop_instance_uid: Uid
    frame_number: PositiveInt | None


class ReportedClinical(ClinicalFacts):
    """The clinical inputs; their source is printed."""

    source: Text


class ReportedKinetics(_Facts):
    """Mean kinetics of the lesion; the signal of each phase is in result.json alone."""

    early_enhancement_percent: float
    late_change_percent: float
    signal_enhancement_ratio: float | None
    curve_type: Literal["persistent", "plateau", "washout"]


class SegmentFacts(_Facts):
    """Where the lesion's outline is: the one segment of our DICOM Segmentation."""

    sop_instance_uid: Uid
    segment_number: Literal[1]


class SectionFacts(_Facts):
    """Ends of a diameter on one image: column and row, 0.5 in the middle of the first pixel (PS3.3 C.18.6.1.2)."""

    ends_column_row: tuple[tuple[float, float], tuple[float, float]]
    sop_instance_uid: Uid
    frame_number: PositiveInt | None


class ReportedLesion(_Facts):
    """The lesion that the probability is for.

    `diameter_ends_lps_mm` are the ends of the longest diameter in the patient, in the frame of reference
    `frame_of_reference_uid`; `section` is where the diameter of the largest section is shown. In reports before 0.4.0
    these, `source` and `section_diameter_mm` are null.
    """

    source: Literal["kinetic", "segmentation"] | None
    tracking_identifier: Text
    tracking_uid: Uid
    volume_ml: PositiveFloat
    longest_diameter_mm: PositiveFloat
    diameter_ends_lps_mm: tuple[Point, Point] | None
    frame_of_reference_uid: Uid | None
    section_diameter_mm: PositiveFloat | None
    section: SectionFacts | None
    laterality: Literal["left", "right"]
    kinetics: ReportedKinetics
    segmentation: SegmentFacts

    @model_validator(mode="after")
    def _longest_diameter_joins_its_ends(self) -> Self:
        ends = self.diameter_ends_lps_mm
        if ends is not None and abs(math.dist(*ends) - self.longest_diameter_mm) > _MAX_DIAMETER_ERROR_MM:
            raise ValueError("has a longest diameter that is not the distance of its ends")
        return self


class ReportedModel(ModelFacts):
    """Which model answered, and in which version of this software; reports before 0.4.0 have no `base_rate`."""

    name: Text
    version: Text
    sha256: Sha256
    provider: Text
    software_version: Text


class StatusFacts(_Facts):
    """What the report says of its own standing (PS3.3 C.17.2, C.12.1.1)."""

    completion_flag: Literal["COMPLETE", "PARTIAL"]
    verification_flag: Literal["VERIFIED", "UNVERIFIED"]
    preliminary_flag: Literal["PRELIMINARY", "FINAL"]
    content_qualification: Literal["PRODUCT", "RESEARCH", "SERVICE"]


class ReportFacts(_Facts):
    """The facts of one report. No patient's name, birth date or id is ever here.

    `predecessors` are the SOPInstanceUIDs of our earlier reports that this one follows; `injection_source` is how the
    injection is known that the times of the phases count from, null where the report does not say.
    """

    schema_version: Literal["1.0"] = "1.0"
    notice: str
    study_instance_uid: Uid
    series_instance_uid: Uid
    sop_instance_uid: Uid
    predecessors: tuple[Uid, ...]
    status: StatusFacts
    procedure_reported: CodeFacts
    prediction: ReportedPrediction
    phases: tuple[ReportedPhase, ...]
    injection_source: Literal["ContrastBolusStartTime", "estimated"] | None
    clinical: ReportedClinical
    lesion: ReportedLesion
    attention: AttentionFacts
    model: ReportedModel
    warnings: tuple[Text, ...]

    @model_validator(mode="after")
    def _the_model_read_three_phases_in_order(self) -> Self:
        read = [phase for phase in self.phases if phase.role != "other"]
        times_s = [phase.after_injection_s for phase in read]
        if [phase.role for phase in read] != ["pre", "early", "late"] or times_s != sorted(set(times_s)):
            raise ValueError("does not hold one pre, one early and one late phase in the order of time")
        return self
