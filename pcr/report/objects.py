"""The DICOM objects of one study, by the folder that they go to."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.dataset import Dataset

from pcr.case import IllustratedCase
from pcr.reasons import PcrError, ReasonCode
from pcr.report.attribution import attribute_case, attribute_refusal
from pcr.report.key_objects import select_key_objects
from pcr.report.parametric_map import make_attention_map
from pcr.report.pictures.refusal_page import draw_refusal
from pcr.report.predecessors import follow_earlier_reports
from pcr.report.provenance import Provenance
from pcr.report.result_series import ATTENTION, KEY_OBJECTS, NOT_EVALUABLE, OVERLAY, REPORT, SEGMENTATION
from pcr.report.secondary_capture import make_overlays, make_refusal, make_summary
from pcr.report.seg import make_segmentation
from pcr.report.settings import ReportSettings
from pcr.report.sr import make_report
from pcr.report.uids import name_by_content
from pcr.study import Study

Objects = Mapping[str, list[Dataset]]

# Whose study it is is not known, or the study is not to be read: a page could end up with the wrong patient.
_NO_PAGE = (ReasonCode.MIXED_PATIENTS, ReasonCode.TOO_LARGE)


def make_objects(case: IllustratedCase, settings: ReportSettings, made: Provenance) -> Objects:
    """Report, segmentation, summary and overlays, and what else the settings ask for."""
    attribution = attribute_case(case, made)
    pictures = case.illustrations
    segmentation = make_segmentation(case, attribution)
    report = make_report(case, segmentation, attribution)
    summary = make_summary(case, pictures.summary, attribution)
    overlays = make_overlays(case, pictures.slices, attribution)
    objects: dict[str, list[Dataset]] = {
        REPORT.kind: [report],
        SEGMENTATION.kind: [segmentation],
        OVERLAY.kind: [*summary, *overlays],
    }
    if settings.parametric_map:
        objects[ATTENTION.kind] = [make_attention_map(case, attribution)]
    if settings.key_objects:
        objects[KEY_OBJECTS.kind] = [select_key_objects(case, summary, pictures.slices, overlays, attribution)]
    name_by_content([made for kind in objects.values() for made in kind])
    follow_earlier_reports(report, case.study)
    return objects


def make_refusal_objects(study: Study, refusal: PcrError, settings: ReportSettings, made: Provenance) -> Objects:
    """The page that says why a study has no result, where the settings ask for it and it is clear whose study it is."""
    if not settings.not_evaluable_page or refusal.code in _NO_PAGE:
        return {}
    page = make_refusal(draw_refusal(refusal.code, refusal.message, made), attribute_refusal(study, made))
    name_by_content([page])
    return {NOT_EVALUABLE.kind: [page]}
