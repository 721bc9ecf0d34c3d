"""The measurement groups of the report: the lesion (TID 1411), the prediction and its clinical inputs (TID 1501)."""

from __future__ import annotations

from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from highdicom.uid import UID
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.case import ReportedCase
from pcr.manifest import ClinicalName
from pcr.report import codes as concepts
from pcr.report.identity import writable
from pcr.report.provenance import MANUFACTURER, RESEARCH_NOTICE, SOFTWARE_NAME, Provenance
from pcr.report.seg import ALGORITHM_NAMES


def lesion_group(
    case: ReportedCase, segmentation: Segmentation, made: Provenance
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411: the lesion that segment 1 of `segmentation` outlines, and what was measured inside it."""
    lesion, kinetics = case.lesion, case.lesion.kinetics
    segment = segmentation.SegmentSequence[0]
    measurements = [
        _measured(concepts.VOLUME, lesion.volume_ml, codes.UCUM.CubicCentimeter),
        _measured(concepts.LONG_AXIS, lesion.longest_diameter_mm, codes.UCUM.Millimeter),
        _measured(concepts.EARLY_ENHANCEMENT, kinetics.early_enhancement_percent, codes.UCUM.Percent),
        _measured(concepts.LATE_CHANGE, kinetics.late_change_percent, codes.UCUM.Percent),
    ]
    if kinetics.signal_enhancement_ratio is not None:
        ratio = kinetics.signal_enhancement_ratio
        measurements.append(_measured(concepts.SIGNAL_ENHANCEMENT_RATIO, ratio, codes.UCUM.Ratio))
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=_referenced_segment(case, segmentation),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[_site(case)],
        algorithm_id=AlgorithmIdentification(
            name=ALGORITHM_NAMES[lesion.source], version=made.software_version, manufacturer=MANUFACTURER
        ),
        measurements=measurements,
        qualitative_evaluations=[QualitativeEvaluation(concepts.CURVE_TYPE, concepts.CURVE_TYPES[kinetics.curve_type])],
    )


def prediction_group(case: ReportedCase, made: Provenance) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: the probability of pCR, what it rests on, which algorithm gave it (TID 4019), and what to mind."""
    prediction = case.prediction
    inside = case.attention.inside_fraction(case.lesion.mask)
    shares = [
        (concepts.PROBABILITY, prediction.probability),
        (concepts.PROBABILITY_LOW, prediction.interval[0]),
        (concepts.PROBABILITY_HIGH, prediction.interval[1]),
        (concepts.PROBABILITY_IMAGING, prediction.imaging_probability),
        (concepts.PROBABILITY_CLINICAL, prediction.clinical_probability),
        (concepts.THRESHOLD, prediction.threshold),
        (concepts.ATTENTION_INSIDE, inside),
    ]
    judged = {True: concepts.ABOVE_THRESHOLD, False: concepts.BELOW_THRESHOLD, None: concepts.NOT_JUDGED}
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier="pCR prediction"),
        finding_type=codes.DCM.ResponseEvaluation,
        finding_sites=[_site(case)],
        algorithm_id=AlgorithmIdentification(
            name=made.model_name,
            version=made.model_version,
            manufacturer=MANUFACTURER,
            family=codes.DCM.ArtificialIntelligence,
            parameters=[
                f"sha256={made.model_sha256}",
                f"execution provider={made.provider}",
                f"{SOFTWARE_NAME}={made.software_version}",
            ],
        ),
        measurements=[_measured(name, 100 * share, codes.UCUM.Percent) for name, share in shares],
        qualitative_evaluations=[QualitativeEvaluation(concepts.AGAINST_THRESHOLD, judged[prediction.above_threshold])],
    )
    _comment(group, case, (RESEARCH_NOTICE, *case.warnings))
    return group


def clinical_group(case: ReportedCase) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: the clinical inputs that the prediction used, with their values, and those that were missing."""
    age = case.clinical.age
    used, missing = case.encoded.used_names, case.encoded.missing_names
    answers = {name: _coded(case, name) for name in concepts.CLINICAL if name in used}
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier="Clinical inputs"),
        finding_type=concepts.CLINICAL_INPUTS,
        measurements=(
            [_measured(concepts.CLINICAL["age"], age, codes.UCUM.Year)] if age is not None and "age" in used else None
        ),
        qualitative_evaluations=[
            *(QualitativeEvaluation(concepts.CLINICAL[n], answer) for n, answer in answers.items() if answer),
            *(
                QualitativeEvaluation(concepts.INPUT_MISSING, concept)
                for name, concept in concepts.CLINICAL.items()
                if name in missing
            ),
        ],
    )
    _comment(group, case, (f"Source of the clinical inputs: {case.clinical.source}",))
    return group


def _coded(case: ReportedCase, name: ClinicalName) -> Code | None:
    """The coded answer of a clinical variable; None for one that is a number."""
    value = getattr(case.clinical, name)
    if isinstance(value, bool):
        return concepts.RECEPTOR[value]
    return concepts.MENOPAUSAL[value] if isinstance(value, str) else None


def _measured(name: Code, value: float, unit: Code) -> Measurement:
    """TID 300 with the digits that mean something to a reader."""
    return Measurement(name=name, value=round(float(value), 2), unit=unit)


def _site(case: ReportedCase) -> FindingSite:
    return FindingSite(anatomic_location=concepts.BREAST, laterality=concepts.LATERALITY[case.lesion.laterality])


def _referenced_segment(case: ReportedCase, segmentation: Segmentation) -> ReferencedSegment:
    """Segment 1 and the images it was outlined on (highdicom's own shortcut fails on a single segment)."""
    first, last = case.lesion.slice_range
    frames = case.volume.series.phase("early").frames[first : last + 1]
    return ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=1,
        source_images=[
            SourceImageForSegmentation(
                referenced_sop_class_uid=frame.instance.sop_class_uid,
                referenced_sop_instance_uid=frame.instance.sop_instance_uid,
                referenced_frame_numbers=None if frame.number is None else [frame.number],
            )
            for frame in frames
        ],
    )


def _comment(group: MeasurementsAndQualitativeEvaluations, case: ReportedCase, comments: tuple[str, ...]) -> None:
    """Sentences for the reader, as far as the study's character set can hold them."""
    header = case.volume.series.phase("early").frames[0].header
    group[0].ContentSequence.extend(
        TextContentItem(
            name=codes.DCM.Comment,
            value=writable(comment, header),
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        for comment in comments
    )
