"""The facts that a report of ours holds, for machines: what `python -m pcr.report` prints.

Names, places and units are those of result.json, so that the two can be compared; shares have four digits here, sizes
two.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pcr.report.result import AttentionFacts, ClinicalFacts, ModelFacts, Point, PredictionFacts

# PS3.5 section 9.1.
Uid = Annotated[str, Field(pattern=r"^[0-9][0-9.]{0,63}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodeFacts(_Facts):
    """A coded concept (PS3.3 section 8)."""

    value: str
    scheme: str
    meaning: str


class ReportedPhase(_Facts):
    """A phase, and the image that the report shows of it; `frame_number` is null for a single-frame image."""

    role: Literal["pre", "early", "late", "other"]
    after_injection_s: float
    series_instance_uid: Uid
    sop_instance_uid: Uid
    frame_number: int | None


class ReportedKinetics(_Facts):
    """Mean kinetics of the lesion; the signal of each phase is in result.json alone."""

    early_enhancement_percent: float
    late_change_percent: float
    signal_enhancement_ratio: float | None
    curve_type: Literal["persistent", "plateau", "washout"]


class SegmentFacts(_Facts):
    """Where the lesion's outline is: a segment of a DICOM Segmentation."""

    sop_instance_uid: Uid
    segment_number: int


class SectionFacts(_Facts):
    """Ends of a diameter on one image: column and row, 0.5 in the middle of the first pixel (PS3.3 C.18.6.1.2)."""

    ends_column_row: tuple[tuple[float, float], tuple[float, float]]
    sop_instance_uid: Uid
    frame_number: int | None


class ReportedLesion(_Facts):
    """The lesion that the probability is for.

    `diameter_ends_lps_mm` are the ends of the longest diameter in the patient, in the frame of reference
    `frame_of_reference_uid`; `section` is where the diameter of the largest section is shown. In reports before 0.4.0
    these, `source` and `section_diameter_mm` are null.
    """

    source: Literal["kinetic", "segmentation"] | None
    tracking_identifier: str
    tracking_uid: Uid
    volume_ml: float
    longest_diameter_mm: float
    diameter_ends_lps_mm: tuple[Point, Point] | None
    frame_of_reference_uid: Uid | None
    section_diameter_mm: float | None
    section: SectionFacts | None
    laterality: Literal["left", "right"]
    kinetics: ReportedKinetics
    segmentation: SegmentFacts


class ReportedModel(ModelFacts):
    """Which model answered, and in which version of this software; reports before 0.4.0 have no `base_rate`."""

    sha256: Sha256
    software_version: str


class StatusFacts(_Facts):
    """What the report says of its own standing (PS3.3 C.17.2, C.12.1.1)."""

    completion_flag: Literal["COMPLETE", "PARTIAL"]
    verification_flag: Literal["VERIFIED", "UNVERIFIED"]
    preliminary_flag: Literal["PRELIMINARY", "FINAL"]
    content_qualification: Literal["PRODUCT", "RESEARCH", "SERVICE"]


class ReportFacts(_Facts):
    """The facts of one report. No patient's name, birth date or id is ever here.

    `predecessors` are the SOPInstanceUIDs of our earlier reports that this one follows.
    """

    schema_version: Literal["1.0"] = "1.0"
    notice: str
    study_instance_uid: Uid
    series_instance_uid: Uid
    sop_instance_uid: Uid
    predecessors: tuple[Uid, ...]
    status: StatusFacts
    procedure_reported: CodeFacts
    prediction: PredictionFacts
    phases: tuple[ReportedPhase, ...]
    clinical: ClinicalFacts
    lesion: ReportedLesion
    attention: AttentionFacts
    model: ReportedModel
    warnings: tuple[str, ...]
