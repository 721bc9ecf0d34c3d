"""The report as a Comprehensive 3D SR (PS3.3 A.35.13) after TID 1500 Measurement Report (PS3.16)."""

from __future__ import annotations

from highdicom.seg import Segmentation
from highdicom.sr import (
    CodeContentItem,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    ImageLibraryEntryDescriptors,
    MeasurementReport,
    NumContentItem,
    ObservationContext,
    RelationshipTypeValues,
)
from pydicom.sr.codedict import codes

from pcr.case import ReportedCase
from pcr.frames import Frame
from pcr.phases import DceSeries, Phase
from pcr.report.attribution import Attribution
from pcr.report.codes import (
    CONTRAST_PHASE,
    INJECTION_SOURCE,
    INJECTION_SOURCES,
    MRI_OF_BREAST,
    PHASES,
    TIME_SINCE_INJECTION,
    private_scheme,
)
from pcr.report.identity import take_over_identity, without_identity
from pcr.report.observer import device_observer
from pcr.report.result_series import REPORT
from pcr.report.sr_lesion import lesion_group


def make_report(case: ReportedCase, segmentation: Segmentation, attribution: Attribution) -> Comprehensive3DSR:
    """The report of one prediction: unverified, preliminary, complete as far as the device goes.

    The image library shows one image of each phase, so that a person can read it; every image of every phase and the
    segmentation are the evidence (PS3.3 C.17.2.3). `segmentation` is that of the same case.
    """
    spacing = case.volume.geometry.spacing_between_slices
    source = without_identity(case.volume.series.phase("early").frames[0].header, spacing)
    instances = {f.instance.sop_instance_uid: f.instance for p in case.volume.series.phases for f in p.frames}
    uids = attribution.uids
    report = Comprehensive3DSR(
        evidence=[source, *(i.header for i in instances.values()), segmentation],
        content=_content(case, segmentation, attribution),
        series_instance_uid=uids.series(REPORT),
        series_number=REPORT.number,
        series_description=REPORT.description,
        sop_instance_uid=uids.instance(REPORT),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[private_scheme()],
        **attribution.made.equipment,
    )
    take_over_identity(report, attribution.identity)
    return report


def _content(case: ReportedCase, segmentation: Segmentation, attribution: Attribution) -> MeasurementReport:
    """TID 1500; its image library (TID 1600) is put in front of the measurements, where the template has it."""
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device_observer(attribution.made)),
        procedure_reported=MRI_OF_BREAST,
        imaging_measurements=[lesion_group(case, segmentation, attribution)],
    )
    items = content[0].ContentSequence
    items.insert(len(items) - 1, _image_library(case))
    return content


def _image_library(case: ReportedCase) -> ContainerContentItem:
    """TID 1600 with a group for each phase that holds its slice through the lesion's largest section."""
    library = ContainerContentItem(name=codes.DCM.ImageLibrary, relationship_type=RelationshipTypeValues.CONTAINS)
    spacing = case.volume.geometry.spacing_between_slices
    series = case.volume.series
    largest = series.phase("early").frames[case.lesion.largest_slice]
    library.ContentSequence = ContentSequence(
        [_phase_group(series, phase, phase.nearest(largest), spacing) for phase in series.phases]
    )
    return library


def _phase_group(series: DceSeries, phase: Phase, frame: Frame, slice_spacing_mm: float) -> ContainerContentItem:
    """One group of TID 1600: which phase, when, how that is known, and one image of it (TID 1601)."""
    header = without_identity(frame.header, slice_spacing_mm)
    image = ImageContentItem(
        name=codes.SCT.Source,
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        referenced_frame_numbers=None if frame.number is None else [frame.number],
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    image.ContentSequence = ImageLibraryEntryDescriptors(header)
    group = ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS)
    described: list[ContentItem] = [
        CodeContentItem(
            name=CONTRAST_PHASE,
            value=PHASES[phase.role],
            relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT,
        ),
        NumContentItem(
            name=TIME_SINCE_INJECTION,
            value=round(phase.after_injection_s, 1),
            unit=codes.UCUM.Second,
            relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT,
        ),
        CodeContentItem(
            name=INJECTION_SOURCE,
            value=INJECTION_SOURCES[series.injection_source],
            relationship_type=RelationshipTypeValues.HAS_ACQ_CONTEXT,
        ),
    ]
    group.ContentSequence = ContentSequence([*described, image])
    return group
