"""The DICOM objects of one study, by the folder that they go to."""

from __future__ import annotations

from pydicom.dataset import Dataset

from pcr.case import IllustratedCase
from pcr.report.provenance import Provenance
from pcr.report.secondary_capture import make_secondary_captures
from pcr.report.seg import make_segmentation
from pcr.report.sr import make_report


def make_objects(case: IllustratedCase, made: Provenance) -> dict[str, list[Dataset]]:
    """Report, segmentation and overlays; the report refers to the segmentation."""
    segmentation = make_segmentation(case, made)
    return {
        "SR": [make_report(case, segmentation, made)],
        "SEG": [segmentation],
        "SC": [*make_secondary_captures(case, case.pages, made)],
    }
