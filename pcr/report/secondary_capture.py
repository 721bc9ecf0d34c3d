"""The overlay pages as Secondary Capture images (PS3.3 A.8.1): what every PACS shows, also one that knows no SEG."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.enum import CoordinateSystemNames, LateralityValues, PhotometricInterpretationValues
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from highdicom.uid import UID
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM

from pcr.case import ReportedCase
from pcr.frames import Frame
from pcr.page import OverlayPage
from pcr.report.identity import take_over_identity
from pcr.report.provenance import OVERLAY_SERIES_NUMBER, RESEARCH_NOTICE, Provenance, series_description


def make_secondary_captures(case: ReportedCase, pages: Sequence[OverlayPage], made: Provenance) -> list[SCImage]:
    """One series with one image a page, in the order of the pages.

    The page that shows a slice refers to the early and the pre-contrast image it was drawn from (PS3.3 C.7.6.1.1.4).
    """
    series_uid = UID()
    return [_capture(case, page, number, series_uid, made) for number, page in enumerate(pages, start=1)]


def _capture(case: ReportedCase, page: OverlayPage, number: int, series_uid: UID, made: Provenance) -> SCImage:
    series = case.volume.series
    early = series.phase("early").frames[page.slice_index]
    sources = [early, series.phase("pre").nearest(early)]
    header = sources[0].header
    _, down, right = case.volume.geometry.get_closest_patient_orientation()
    capture = SCImage(
        pixel_array=page.pixels,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=(right.value, down.value),
        laterality=LateralityValues.R if case.lesion.laterality == "right" else LateralityValues.L,
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=series_uid,
        series_number=OVERLAY_SERIES_NUMBER,
        series_description=series_description("pCR overlay"),
        sop_instance_uid=UID(),
        instance_number=number,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **made.equipment,
    )
    capture.BodyPartExamined = "BREAST"
    capture.BurnedInAnnotation = "NO"
    capture.RecognizableVisualFeatures = "NO"
    capture.ImageComments = RESEARCH_NOTICE
    capture.DerivationDescription = "Lesion outline and attention of the pCR model drawn on the early phase"
    capture.SourceImageSequence = [_source(frame) for frame in sources]
    capture.DateOfSecondaryCapture = DA(made.made_at.date())
    capture.TimeOfSecondaryCapture = TM(made.made_at.time())
    take_over_identity(capture, header)
    return capture


def _source(frame: Frame) -> Dataset:
    """An item of the Source Image Sequence (PS3.3 C.12.4.1)."""
    item = Dataset()
    item.ReferencedSOPClassUID = frame.instance.sop_class_uid
    item.ReferencedSOPInstanceUID = frame.instance.sop_instance_uid
    if frame.number is not None:
        item.ReferencedFrameNumber = frame.number
    item.SpatialLocationsPreserved = "NO"
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return item
