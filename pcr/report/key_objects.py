"""The pictures to look at first, as a Key Object Selection Document (PS3.3 A.35.4, PS3.16 TID 2010)."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sc import SCImage
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from pcr.case import ReportedCase
from pcr.page import SlicePage
from pcr.report.attribution import Attribution
from pcr.report.identity import take_over_identity, without_identity
from pcr.report.observer import device_observer
from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.result_series import KEY_OBJECTS


def select_key_objects(
    case: ReportedCase,
    summary: Sequence[SCImage],
    slices: Sequence[SlicePage],
    overlays: Sequence[SCImage],
    attribution: Attribution,
) -> KeyObjectSelectionDocument:
    """Point, "For Research", to the first page of the summary and to the overlay of the lesion's largest section.

    `overlays` are the captures of `slices`, in their order.
    """
    overlay_of = {page.slice_index: overlay for page, overlay in zip(slices, overlays, strict=True)}
    largest = overlay_of[case.lesion.largest_slice]
    spacing = case.volume.geometry.spacing_between_slices
    chosen = [without_identity(capture, spacing) for capture in (summary[0], largest)]
    document = KeyObjectSelectionDocument(
        evidence=chosen,
        content=KeyObjectSelection(
            document_title=codes.DCM.ForResearch,
            referenced_objects=chosen,
            observer_device_context=device_observer(attribution.made),
            description=f"Summary and largest section of the lesion. {RESEARCH_NOTICE}",
        ),
        series_instance_uid=attribution.uids.series(KEY_OBJECTS),
        series_number=KEY_OBJECTS.number,
        series_description=KEY_OBJECTS.description,
        sop_instance_uid=attribution.uids.instance(KEY_OBJECTS),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **attribution.made.equipment,
    )
    take_over_identity(document, attribution.identity)
    return document
