"""Pages as Secondary Capture images (PS3.3 A.8.1): what every PACS shows, also one that knows no SEG."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.enum import CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM, format_number_as_ds

from pcr.case import ReportedCase
from pcr.frames import Frame
from pcr.page import Page, SlicePage
from pcr.report.attribution import Attribution
from pcr.report.codes import SIDES
from pcr.report.identity import take_over_identity
from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.result_series import NOT_EVALUABLE, OVERLAY, SUMMARY, ResultSeries


def make_summary(case: ReportedCase, pages: Sequence[Page], attribution: Attribution) -> list[SCImage]:
    """The summary as a series of its own; it refers to the images that show the lesion's largest section."""
    captures = [_capture(page, SUMMARY, number, attribution) for number, page in enumerate(pages, start=1)]
    for capture in captures:
        _say_where(capture, case, case.lesion.largest_slice)
        # It has no slice's edges: what is left and right differs from view to view.
        capture.PatientOrientation = []
        capture.DerivationDescription = "Summary of a pCR prediction with views through the lesion"
    return captures


def make_overlays(case: ReportedCase, pages: Sequence[SlicePage], attribution: Attribution) -> list[SCImage]:
    """One series with one image a slice, each in the plane of the source image that it shows.

    The plane (PS3.3 C.7.6.2) is no part of the Secondary Capture IOD but a Standard Extended SOP Class may carry it
    (PS3.2 7.3); viewers scroll series together by it. It is exact: the page says where its first pixel lies.
    """
    captures = []
    for number, page in enumerate(pages, start=1):
        capture = _capture(page, OVERLAY, number, attribution)
        _say_where(capture, case, page.slice_index)
        _place(capture, case, page)
        capture.DerivationDescription = "Lesion outline and attention of the pCR model drawn on the dynamic series"
        captures.append(capture)
    return captures


def make_refusal(page: Page, attribution: Attribution) -> SCImage:
    """The page that says why there is no result. It shows no image, so it says nothing of orientation or side."""
    capture = _capture(page, NOT_EVALUABLE, 1, attribution)
    capture.PatientOrientation = []
    # Sent, so that Laterality need not be (PS3.3 C.7.3.1), and empty: of which breast the study is was not found out.
    capture.ImageLaterality = ""
    capture.DerivationDescription = "Why no probability of pCR is given"
    return capture


def _capture(page: Page, series: ResultSeries, number: int, attribution: Attribution) -> SCImage:
    made, uids = attribution.made, attribution.uids
    capture = SCImage(
        pixel_array=page.pixels,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "P"),
        study_instance_uid=attribution.identity.StudyInstanceUID,
        series_instance_uid=uids.series(series),
        series_number=series.number,
        series_description=series.description,
        sop_instance_uid=uids.instance(series, str(number)),
        instance_number=number,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **made.equipment,
    )
    capture.ConversionType = "WSD"
    capture.BurnedInAnnotation = "NO"
    capture.RecognizableVisualFeatures = "NO"
    capture.ImageComments = RESEARCH_NOTICE
    capture.DateOfSecondaryCapture = DA(made.made_at.date())
    capture.TimeOfSecondaryCapture = TM(made.made_at.time())
    take_over_identity(capture, attribution.identity)
    return capture


def _say_where(capture: SCImage, case: ReportedCase, slice_index: int) -> None:
    """Body part, side, and the early and pre-contrast images that a page was drawn from (PS3.3 C.7.6.1.1.4)."""
    early = case.volume.series.phase("early").frames[slice_index]
    sources = [early, case.volume.series.phase("pre").nearest(early)]
    capture.BodyPartExamined = "BREAST"
    capture.Laterality = SIDES[case.lesion.laterality]
    capture.SourceImageSequence = [_source(frame) for frame in sources]


def _place(capture: SCImage, case: ReportedCase, page: SlicePage) -> None:
    """Image plane of a page (PS3.3 C.7.6.2): that of the source image, from the page's own first pixel on."""
    geometry = case.volume.geometry
    frame = case.volume.series.phase("early").frames[page.slice_index]
    plane = frame.plane
    _, towards_down, towards_right = geometry.get_closest_patient_orientation()
    capture.PatientOrientation = [towards_right.value, towards_down.value]
    capture.ImagePositionPatient = [format_number_as_ds(value) for value in plane.point_lps_mm(*page.first_pixel)]
    # To the digit as the source has it, since viewers compare.
    capture.ImageOrientationPatient = frame.header.ImageOrientationPatient
    capture.PixelSpacing = [format_number_as_ds(float(page.pixel_mm))] * 2
    capture.SliceThickness = format_number_as_ds(float(geometry.spacing_between_slices))
    capture.FrameOfReferenceUID = plane.frame_of_reference_uid
    capture.PositionReferenceIndicator = None


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
