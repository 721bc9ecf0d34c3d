"""Our earlier reports of a study: what a new one names as its predecessors (PS3.3 C.17.2, Predecessor Documents)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from pcr.report.provenance import is_own_making
from pcr.study import Study


def earlier_reports(study: Study, own_series_uid: str) -> list[Dataset]:
    """Those of our reports in a study that a new one in series `own_series_uid` follows, as references to them.

    A report that another one followed is left out: one chain leads back to it. So is a report in the new one's own
    series, which is of the same job, with all that followed it: the same job gives the same report, whether or not
    the study already holds it.
    """
    reports = {str(header.SOPInstanceUID): header for header in _own_reports(study)}
    followed = {uid: _predecessors(header) for uid, header in reports.items()}
    later = {uid for uid, header in reports.items() if str(header.SeriesInstanceUID) == own_series_uid}
    while found := {uid for uid, earlier in followed.items() if uid not in later and earlier & later}:
        later |= found
    earlier = sorted(set(reports) - later)
    superseded = set[str]().union(*(followed[uid] for uid in earlier))
    return [_reference(reports[uid]) for uid in earlier if uid not in superseded]


def _own_reports(study: Study) -> Sequence[Dataset]:
    return [
        instance.header
        for series in study.series
        for instance in series.instances
        if instance.sop_class_uid == Comprehensive3DSRStorage and is_own_making(instance.header)
    ]


def _predecessors(report: Dataset) -> set[str]:
    return {
        str(instance.get("ReferencedSOPInstanceUID"))
        for study in report.get("PredecessorDocumentsSequence") or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedSOPSequence") or ()
    }


def _reference(report: Dataset) -> Dataset:
    """What a reference to a report needs of it; the rest stays behind, since a sender may have damaged it."""
    needed = Dataset()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"):
        setattr(needed, keyword, report[keyword].value)
    return needed
