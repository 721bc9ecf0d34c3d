"""The lesion as a DICOM Segmentation (PS3.3 A.51), on the images of the early phase."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.case import ReportedCase
from pcr.lesion import Lesion, LesionSource
from pcr.report.attribution import Attribution
from pcr.report.codes import BREAST, LATERALITY
from pcr.report.identity import take_over_identity, without_identity
from pcr.report.provenance import SOFTWARE_NAME
from pcr.report.result_series import SEGMENTATION
from pcr.report.sources import refer_to, source_images
from pcr.report.uids import share_dimensions

TRACKING_ID = "Lesion 1"
OUTLINE_RGB = (0, 230, 200)

ALGORITHM_NAMES: dict[LesionSource, str] = {
    "kinetic": f"{SOFTWARE_NAME} kinetic localizer",
    "segmentation": "Outline of a segmentation that came with the study",
}
# A segmentation that came with the study was, by the rules of taking it, not made by a machine alone.
_ALGORITHM_TYPES: dict[LesionSource, SegmentAlgorithmTypeValues] = {
    "kinetic": SegmentAlgorithmTypeValues.AUTOMATIC,
    "segmentation": SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
}
_ALGORITHM_FAMILIES: dict[LesionSource, Code] = {
    "kinetic": codes.DCM.MorphologicalOperations,
    "segmentation": codes.DCM.ManualProcessing,
}


def make_segmentation(case: ReportedCase, attribution: Attribution) -> Segmentation:
    """The lesion as a BINARY segmentation with one segment, frame by frame on the early phase's own planes.

    Planes without lesion have no frame. The planes are copied from the source images, not computed, since viewers
    match them exactly.
    """
    uids = attribution.uids
    slice_spacing_mm = case.volume.geometry.spacing_between_slices
    frames = case.volume.series.phase("early").frames
    header = without_identity(frames[0].header, slice_spacing_mm)
    segmentation = Segmentation(
        source_images=source_images(frames, slice_spacing_mm),
        pixel_array=case.lesion.mask.view(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(case.lesion, attribution)],
        pixel_measures=PixelMeasuresSequence(
            pixel_spacing=header.PixelSpacing,
            slice_thickness=header.SliceThickness,
            spacing_between_slices=slice_spacing_mm,
        ),
        series_instance_uid=uids.series(SEGMENTATION),
        series_number=SEGMENTATION.number,
        series_description=SEGMENTATION.description,
        sop_instance_uid=uids.instance(SEGMENTATION),
        instance_number=1,
        content_label="LESION",
        content_description="Breast lesion that the pCR probability is for",
        content_creator_name=f"{SOFTWARE_NAME}^",
        **attribution.made.equipment,
    )
    segmentation.BodyPartExamined = "BREAST"
    share_dimensions(segmentation, uids.uid("dimensions", SEGMENTATION.kind))
    refer_to(segmentation, frames)
    take_over_identity(segmentation, attribution.identity)
    return segmentation


def _segment(lesion: Lesion, attribution: Attribution) -> SegmentDescription:
    """Segment 1 (PS3.3 C.8.20.4), with the anatomic region modified by the lesion's side (PS3.16 CID 244)."""
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"Lesion, {lesion.laterality} breast",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=_ALGORITHM_TYPES[lesion.source],
        algorithm_identification=AlgorithmIdentificationSequence(
            name=ALGORITHM_NAMES[lesion.source],
            family=_ALGORITHM_FAMILIES[lesion.source],
            version=attribution.made.software_version,
            source=SOFTWARE_NAME,
        ),
        tracking_uid=attribution.uids.uid("tracking", TRACKING_ID),
        tracking_id=TRACKING_ID,
        anatomic_regions=[BREAST],
        display_color=CIELabColor.from_rgb(*OUTLINE_RGB),
    )
    side = CodedConcept.from_code(LATERALITY[lesion.laterality])
    segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    return segment
