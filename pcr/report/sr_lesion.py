"""The measurement group of the report: the lesion, what was measured in it, and what the model says of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    ContentItem,
    ContentSequence,
    CoordinatesForMeasurement,
    CoordinatesForMeasurement3D,
    FindingSite,
    GraphicTypeValues,
    GraphicTypeValues3D,
    Measurement,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.case import ReportedCase
from pcr.frames import Frame
from pcr.lesion import PointMm
from pcr.manifest import ClinicalName
from pcr.report import codes as concepts
from pcr.report.attribution import Attribution
from pcr.report.identity import writable
from pcr.report.provenance import MANUFACTURER, RESEARCH_NOTICE, SOFTWARE_NAME, Provenance


def lesion_group(
    case: ReportedCase, segmentation: Segmentation, attribution: Attribution
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411: the lesion that segment 1 of `segmentation` outlines, and everything that is said of it.

    All is in one group, since viewers show groups with coordinates and stumble over others. For the same reason the
    algorithm (TID 4019) is named once for the group and not at its measurements.
    """
    segment = segmentation.SegmentSequence[0]
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=_referenced_segment(case, segmentation),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[_site(case)],
        algorithm_id=_algorithm(attribution.made),
        measurements=[*_prediction(case, attribution.made), *_size(case), *_kinetics(case), *_age(case)],
        qualitative_evaluations=[QualitativeEvaluation(name, value) for name, value in _evaluations(case)],
    )
    _show_diameters(group, case)
    texts = [
        (codes.DCM.Comment, RESEARCH_NOTICE),
        (concepts.INPUT_SOURCE, case.clinical.source),
        *((concepts.WARNING, warning) for warning in case.warnings),
    ]
    group[0].ContentSequence.extend(
        TextContentItem(
            name=name,
            # As far as the study's character set can hold it.
            value=writable(text, attribution.identity),
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        for name, text in texts
    )
    return group


def _algorithm(made: Provenance) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=made.model_name,
        version=made.model_version,
        manufacturer=MANUFACTURER,
        family=codes.DCM.ArtificialIntelligence,
        parameters=[
            f"sha256={made.model_sha256}",
            f"execution provider={made.provider}",
            f"{SOFTWARE_NAME}={made.software_version}",
        ],
    )


def _prediction(case: ReportedCase, made: Provenance) -> list[Measurement]:
    """The probability of pCR first, then what it is to be held against and what it rests on, in percent."""
    prediction = case.prediction
    shares = [
        (concepts.PROBABILITY, prediction.probability),
        (concepts.PROBABILITY_LOW, prediction.interval[0]),
        (concepts.PROBABILITY_HIGH, prediction.interval[1]),
        (concepts.THRESHOLD, prediction.threshold),
        *([] if made.base_rate is None else [(concepts.BASE_RATE, made.base_rate)]),
        (concepts.PROBABILITY_IMAGING, prediction.imaging_probability),
        (concepts.PROBABILITY_CLINICAL, prediction.clinical_probability),
        (concepts.ATTENTION_INSIDE, case.attention.inside_fraction(case.lesion.mask)),
    ]
    return [_measured(name, _percent(share), codes.UCUM.Percent) for name, share in shares]


def _percent(share: float) -> float:
    """A share in percent, never rounded to 0 or 100 where it is neither."""
    return min(max(100 * share, 0.01), 99.99) if 0 < share < 1 else 100 * share


def _size(case: ReportedCase) -> list[Measurement]:
    return [
        _measured(concepts.VOLUME, case.lesion.volume_ml, codes.UCUM.CubicCentimeter),
        # Viewers open the image of the first coordinates that they meet, so those on an image come first.
        _measured(concepts.SECTION_LONG_AXIS, case.lesion.section_diameter_mm, codes.UCUM.Millimeter),
        _measured(concepts.LONG_AXIS, case.lesion.longest_diameter_mm, codes.UCUM.Millimeter),
    ]


def _show_diameters(group: VolumetricROIMeasurementsAndQualitativeEvaluations, case: ReportedCase) -> None:
    """Give the diameters their ends (TID 320): in the patient, and on the image with the largest section.

    TID 1411 is extensible and has no row for them; highdicom's constructor takes none. A viewer needs the ends on an
    image to know which one to open.
    """
    lesion = case.lesion
    frame = case.volume.series.phase("early").frames[lesion.largest_slice]
    ends: dict[Code, ContentItem] = {
        concepts.LONG_AXIS: CoordinatesForMeasurement3D(
            graphic_type=GraphicTypeValues3D.POLYLINE,
            graphic_data=np.asarray(lesion.diameter_ends_lps_mm),
            frame_of_reference_uid=frame.plane.frame_of_reference_uid,
        ),
        concepts.SECTION_LONG_AXIS: CoordinatesForMeasurement(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=np.array([_on_image(frame, end) for end in lesion.section_ends_lps_mm]),
            source_image=SourceImageForRegion(
                referenced_sop_class_uid=frame.instance.sop_class_uid,
                referenced_sop_instance_uid=frame.instance.sop_instance_uid,
                referenced_frame_numbers=None if frame.number is None else [frame.number],
            ),
        ),
    }
    for item in group[0].ContentSequence:
        for name, shown in ends.items():
            if item.name == name:
                item.ContentSequence = ContentSequence([shown])


def _on_image(frame: Frame, point_lps_mm: PointMm) -> tuple[float, float]:
    """Column and row of a point in the plane of an image, 0.5 in the middle of the first pixel (PS3.3 C.18.6.1.2)."""
    plane = frame.plane
    offset = np.subtract(point_lps_mm, plane.position_lps_mm)
    (right, down), (row_mm, column_mm) = np.reshape(plane.orientation, (2, 3)), plane.pixel_spacing_mm
    return float(offset @ right / column_mm + 0.5), float(offset @ down / row_mm + 0.5)


def _kinetics(case: ReportedCase) -> list[Measurement]:
    kinetics = case.lesion.kinetics
    measured = [
        _measured(concepts.EARLY_ENHANCEMENT, kinetics.early_enhancement_percent, codes.UCUM.Percent),
        _measured(concepts.LATE_CHANGE, kinetics.late_change_percent, codes.UCUM.Percent),
    ]
    if kinetics.signal_enhancement_ratio is not None:
        ratio = kinetics.signal_enhancement_ratio
        measured.append(_measured(concepts.SIGNAL_ENHANCEMENT_RATIO, ratio, codes.UCUM.Ratio))
    return measured


def _age(case: ReportedCase) -> list[Measurement]:
    """The patient's age, where the model read it."""
    age = case.clinical.age
    if age is None or "age" not in case.encoded.used_names:
        return []
    return [_measured(concepts.CLINICAL["age"], age, codes.UCUM.Year)]


def _evaluations(case: ReportedCase) -> Iterator[tuple[Code, Code]]:
    """What is said in codes: judgement, kinetics, outline, clinical inputs used and missing."""
    yield concepts.AGAINST_THRESHOLD, concepts.JUDGEMENT[case.prediction.above_threshold]
    yield concepts.CURVE_TYPE, concepts.CURVE_TYPES[case.lesion.kinetics.curve_type]
    yield concepts.OUTLINE, concepts.OUTLINED_BY[case.lesion.source]
    for name, concept in concepts.CLINICAL.items():
        answer = _coded(case, name) if name in case.encoded.used_names else None
        if answer is not None:
            yield concept, answer
        if name in case.encoded.missing_names:
            yield concepts.INPUT_MISSING, concept


def _coded(case: ReportedCase, name: ClinicalName) -> Code | None:
    """The coded answer of a clinical variable; None for one that is a number."""
    value = getattr(case.clinical, name)
    if isinstance(value, bool):
        return concepts.RECEPTOR[value]
    return concepts.MENOPAUSAL[value] if isinstance(value, str) else None


def _measured(name: Code, value: float, unit: Code) -> Measurement:
    """TID 300 with the digits that mean something to a reader: two decimals, of small values three digits."""
    digits = round(float(value), 2) if abs(value) >= 1 else float(f"{value:.3g}")
    return Measurement(name=name, value=digits, unit=unit)


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
