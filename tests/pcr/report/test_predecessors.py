"""A new report names the earlier ones that it follows, and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import Comprehensive3DSRStorage

from pcr.case import PredictedCase, grow
from pcr.dicom_file import read_header
from pcr.report.predecessors import follow_earlier_reports
from pcr.report.provenance import MANUFACTURER, SOFTWARE_NAME, Provenance
from pcr.study import Instance, Series, Study

MakeAll = Callable[..., dict[str, list[Dataset]]]


def report(uid: str, follows: Sequence[str] = (), maker: str = MANUFACTURER) -> Instance:
    """A report in a series of its own, named after it, that follows others."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.SOPClassUID, header.SOPInstanceUID = Comprehensive3DSRStorage, uid
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2", f"{uid}.0"
    header.Manufacturer, header.ManufacturerModelName = maker, SOFTWARE_NAME
    if follows:
        study = Dataset()
        study.ReferencedSeriesSequence = [reference_to(earlier) for earlier in follows]
        header.PredecessorDocumentsSequence = [study]
    return Instance(Path("sr"), header)


def reference_to(uid: str) -> Dataset:
    """An item of a Referenced Series Sequence with one instance."""
    item, series = Dataset(), Dataset()
    item.ReferencedSOPInstanceUID = uid
    series.SeriesInstanceUID = f"{uid}.0"
    series.ReferencedSOPSequence = [item]
    return series


def earlier(own: str, *reports: Instance) -> list[str]:
    """UIDs of the reports that a report `own` follows in a study that holds these."""
    series = tuple(Series(str(r.header.SeriesInstanceUID), (r,)) for r in reports)
    made = report(own).header
    follow_earlier_reports(made, Study("1.2", series))
    named = [
        study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for study in made.get("PredecessorDocumentsSequence", ())
    ]
    assert (made.SOPInstanceUID == own) == (not named)
    return named


@pytest.mark.parametrize(
    ("own", "reports", "follows"),
    [
        ("9.1", [], []),
        ("9.1", [report("9.2")], ["9.2"]),
        ("9.1", [report("9.2"), report("9.3", ["9.2"])], ["9.3"]),  # a chain: its end
        ("9.1", [report("9.2"), report("9.3")], ["9.2", "9.3"]),
        ("9.1", [report("9.2", maker="Other")], []),
        ("9.1", [report("9.1")], []),  # the same job once more
        ("9.1", [report("9.2"), report("9.1", ["9.2"])], ["9.2"]),
        ("9.1", [report("9.1"), report("9.2", ["9.1"]), report("9.3", ["9.2"])], []),  # what followed it
        ("9.1", [report("9.2", ["9.1"])], []),  # what followed it, though it is not there itself
        ("9.1", [report("9.2", ["9.3"]), report("9.3", ["9.2"])], []),  # a circle of a hostile sender
    ],
)
def test_the_ends_of_the_chains_before_it(own: str, reports: list[Instance], follows: list[str]) -> None:
    assert earlier(own, *reports) == follows


def test_a_report_of_another_model_follows_the_one_in_the_study_and_a_repeat_changes_nothing(
    case: PredictedCase, made: Provenance, make_all: MakeAll, tmp_path: Path
) -> None:
    (first,) = make_all(case)["SR"]
    first.save_as(tmp_path / "sr.dcm")
    header, _ = read_header(tmp_path / "sr.dcm", 2**20) or pytest.fail("the report can not be read")
    stored = Series(str(first.SeriesInstanceUID), (Instance(tmp_path / "sr.dcm", header),))
    later = grow(case, PredictedCase, study=replace(case.study, series=(*case.study.series, stored)))
    (repeated,) = make_all(later)["SR"]
    (second,) = make_all(later, replace(made, model_version="0.2.0"))["SR"]
    assert repeated.SOPInstanceUID == first.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in repeated
    (predecessor,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID


@pytest.mark.parametrize("damage", ["OB", "LO", "SQ"])
def test_a_damaged_report_of_ours_is_named_and_harms_nothing(damage: str) -> None:
    damaged = report("9.2")
    study = Dataset()
    study.add_new("ReferencedSeriesSequence", "LO", "text")
    value = {"OB": b"abc", "LO": "text", "SQ": [study]}[damage]
    damaged.header.add_new("PredecessorDocumentsSequence", damage, value)
    assert earlier("9.1", damaged) == ["9.2"]
