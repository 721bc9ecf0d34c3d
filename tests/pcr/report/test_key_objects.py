"""What is to be looked at first."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from pcr.case import PredictedCase
from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.result_series import OVERLAY, SUMMARY

MakeAll = Callable[..., dict[str, list[Dataset]]]


def test_the_summary_and_the_largest_section_are_selected_for_research(case: PredictedCase, make_all: MakeAll) -> None:
    objects = make_all(case)
    (document,) = objects["KO"]
    shown = {capture.SOPInstanceUID: capture for capture in objects["SC"]}
    images = [item for item in document.ContentSequence if item.ValueType == "IMAGE"]
    summary, largest = (shown[item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID] for item in images)
    source = case.volume.series.phase("early").frames[case.lesion.largest_slice].instance
    assert (summary.SeriesNumber, summary.InstanceNumber) == (SUMMARY.number, 1)
    assert largest.SeriesNumber == OVERLAY.number
    assert largest.SourceImageSequence[0].ReferencedSOPInstanceUID == source.sop_instance_uid
    assert document.ConceptNameCodeSequence[0].CodeValue == "113009"
    assert any(RESEARCH_NOTICE in item.get("TextValue", "") for item in document.ContentSequence)
