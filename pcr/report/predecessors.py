"""Our earlier reports of a study: what a new one names as its predecessors (PS3.3 C.17.2, Predecessor Documents)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import Comprehensive3DSRStorage

from pcr.report.provenance import is_own_making
from pcr.report.uids import derived_uid
from pcr.study import Study


def follow_earlier_reports(report: Dataset, study: Study) -> None:
    """Let a report name our reports in its study that it follows; it then has another SOPInstanceUID.

    A report that another one followed is left out: one chain leads back to it. So is a report in the new one's own
    series, which is of the same job, with all that followed it: the same job gives the same report, whether or not
    the study already holds it.
    """
    earlier = _earlier(study, str(report.SeriesInstanceUID))
    if not earlier:
        return
    report.PredecessorDocumentsSequence = [_reference(header) for header in earlier]
    named = (str(header.SOPInstanceUID) for header in earlier)
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = derived_uid(report.SOPInstanceUID, *named)


def _earlier(study: Study, own_series_uid: str) -> list[Dataset]:
    reports = {str(header.SOPInstanceUID): header for header in _own_reports(study)}
    followed = {uid: dict(_predecessors(header)) for uid, header in reports.items()}
    later = {
        uid
        for uid, header in reports.items()
        if own_series_uid in (str(header.SeriesInstanceUID), *followed[uid].values())
    }
    while found := {uid for uid, before in followed.items() if uid not in later and not later.isdisjoint(before)}:
        later |= found
    superseded = {named for uid in reports.keys() - later for named in followed[uid]}
    return [reports[uid] for uid in sorted(reports.keys() - later - superseded)]


def _own_reports(study: Study) -> Iterator[Dataset]:
    for series in study.series:
        for instance in series.instances:
            if instance.sop_class_uid == Comprehensive3DSRStorage and is_own_making(instance.header):
                yield instance.header


def _predecessors(report: Dataset) -> Iterator[tuple[str, str]]:
    """SOPInstanceUID and SeriesInstanceUID of each report that a report says it follows."""
    for study in _items(report, "PredecessorDocumentsSequence"):
        for series in _items(study, "ReferencedSeriesSequence"):
            for instance in _items(series, "ReferencedSOPSequence"):
                yield str(instance.get("ReferencedSOPInstanceUID")), str(series.get("SeriesInstanceUID"))


def _items(dataset: Dataset, keyword: str) -> Sequence:
    """Items of a sequence; none where a damaged header has something else in its place."""
    value = dataset.get(keyword)
    return value if isinstance(value, Sequence) else Sequence()


def _reference(report: Dataset) -> Dataset:
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = report.SOPClassUID
    instance.ReferencedSOPInstanceUID = report.SOPInstanceUID
    series.SeriesInstanceUID = report.SeriesInstanceUID
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID = report.StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study
