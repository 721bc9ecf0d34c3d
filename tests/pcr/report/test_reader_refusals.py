"""What is no report of ours, or says what can not be, is refused in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage

from pcr.case import PredictedCase
from pcr.report import codes as concepts
from pcr.report import reader
from pcr.report.attribution import Attribution
from pcr.report.provenance import Provenance
from pcr.report.reader import UnreadableReport, read_report
from pcr.report.report_facts import ReportFacts
from pcr.report.seg import make_segmentation
from tests.pcr.report.written_reports import (
    PREDICTION,
    group_of,
    item_of,
    name_of,
    phase_groups_of,
    set_code,
    set_number,
    written,
)


@pytest.fixture(scope="module")
def file(case: PredictedCase, made: Provenance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the case."""
    return written(case, made, tmp_path_factory.mktemp("report") / "sr.dcm")


@pytest.fixture
def changed(file: Path, tmp_path: Path) -> Callable[[Callable[[Dataset], object]], Path]:
    """Makes the report of the case with a change to it."""

    def made_file(change: Callable[[Dataset], object]) -> Path:
        report = pydicom.dcmread(file)
        change(report)
        report.save_as(tmp_path / "changed.dcm")
        return tmp_path / "changed.dcm"

    return made_file


def refusal(path: Path) -> str:
    """What is said of a file that is not read."""
    with pytest.raises(UnreadableReport) as caught:
        read_report(path)
    return str(caught.value)


def test_a_report_of_another_maker_is_refused(changed: Callable[..., Path]) -> None:
    assert "not made by breast-pcr" in refusal(changed(lambda report: setattr(report, "Manufacturer", "Somebody")))


def test_another_object_of_ours_is_refused(case: PredictedCase, attribution: Attribution, tmp_path: Path) -> None:
    make_segmentation(case, attribution).save_as(tmp_path / "seg")
    assert "no report" in refusal(tmp_path / "seg")


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", bytes(128) + b"DICM", bytes(128) + b"DICM" + bytes(9000)])
def test_what_is_no_dicom_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert re.search("no DICOM file|not made by", refusal(tmp_path / "file"))


@pytest.mark.parametrize("name", ["absent", "nul\0"])
def test_what_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    assert "no such file" in refusal(tmp_path / name)


def test_a_file_larger_than_any_report_is_refused_unread(file: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(file.read_bytes())
    with (tmp_path / "large").open("r+b") as large:
        large.truncate(reader.MAX_REPORT_BYTES + 1)
    assert "larger" in refusal(tmp_path / "large")


def test_more_items_than_any_report_has_are_refused(changed: Callable[..., Path]) -> None:
    def repeat(report: Dataset) -> None:
        lesion = group_of(report)
        lesion.ContentSequence = list(lesion.ContentSequence) * 400

    assert "more items" in refusal(changed(repeat))


def test_items_in_items_without_end_are_refused(changed: Callable[..., Path]) -> None:
    path = changed(lambda report: report.pop("ContentSequence"))
    content_sequence, item = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(path.read_bytes() + (content_sequence + item) * 5000)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    "fact",
    [
        *PREDICTION,
        concepts.VOLUME,
        concepts.LONG_AXIS,
        concepts.EARLY_ENHANCEMENT,
        concepts.CURVE_TYPE,
        codes.DCM.ReferencedSegment,
        codes.SCT.FindingSite,
    ],
    ids=lambda code: code.value,
)
@pytest.mark.parametrize("times", [0, 2])
def test_a_fact_that_is_missing_or_there_twice_refuses_the_report(
    changed: Callable[..., Path], fact: Code, times: int
) -> None:
    def change(report: Dataset) -> None:
        lesion = group_of(report)
        lesion.ContentSequence = [
            item for one in lesion.ContentSequence for item in [one] * (times if name_of(one) == fact else 1)
        ]

    assert "damaged" in refusal(changed(change))


@pytest.mark.parametrize("missing", ["measurements", "group"])
def test_a_report_without_its_measurements_is_refused(changed: Callable[..., Path], missing: str) -> None:
    def change(report: Dataset) -> None:
        where = report if missing == "measurements" else report.ContentSequence[-1]
        where.ContentSequence.pop()

    assert "damaged" in refusal(changed(change))


def test_a_volume_in_another_unit_is_refused(changed: Callable[..., Path]) -> None:
    def in_cubic_millimetres(report: Dataset) -> None:
        volume = item_of(group_of(report), concepts.VOLUME)
        volume.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "mm3"

    assert "Volume" in refusal(changed(in_cubic_millimetres))


# The case: probability 34.21 %, interval 28 to 41 %, threshold 45 %, "below".
@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        (concepts.PROBABILITY, 101, "out of range"),
        (concepts.PROBABILITY, -0.01, "out of range"),
        (concepts.PROBABILITY, 27.99, "outside of its interval"),
        (concepts.PROBABILITY_LOW, 41.01, "outside of its interval"),
        (concepts.PROBABILITY_HIGH, 34.2, "outside of its interval"),
        (concepts.THRESHOLD, 34.2, "judges"),
        (concepts.VOLUME, 0, "volume_ml"),
        (concepts.VOLUME, -1, "volume_ml"),
        (concepts.LONG_AXIS, 0, "longest_diameter_mm"),
        (concepts.LONG_AXIS, 40, "distance of its ends"),
        (concepts.SECTION_LONG_AXIS, -2, "section_diameter_mm"),
    ],
    ids=lambda given: str(getattr(given, "value", given)),
)
def test_a_number_that_can_not_be_is_refused(changed: Callable[..., Path], fact: Code, value: float, said: str) -> None:
    assert said in refusal(changed(lambda report: set_number(item_of(group_of(report), fact), value)))


def test_a_judgement_against_the_two_numbers_is_refused(changed: Callable[..., Path]) -> None:
    def judge(report: Dataset) -> None:
        set_code(item_of(group_of(report), concepts.AGAINST_THRESHOLD), concepts.ABOVE_THRESHOLD)

    assert "judges" in refusal(changed(judge))


@pytest.mark.parametrize("judgement", [concepts.ABOVE_THRESHOLD, concepts.BELOW_THRESHOLD], ids=lambda c: c.value)
def test_a_probability_rounded_to_the_threshold_may_be_judged_either_way(
    changed: Callable[..., Path], judgement: Code
) -> None:
    def meet(report: Dataset) -> None:
        set_number(item_of(group_of(report), concepts.THRESHOLD), 34.21)
        set_code(item_of(group_of(report), concepts.AGAINST_THRESHOLD), judgement)

    assert read_report(changed(meet)).prediction.above_threshold is (judgement == concepts.ABOVE_THRESHOLD)


def only_others(report: Dataset) -> None:
    """Leave no phase that the model read."""
    for phase in phase_groups_of(report):
        set_code(item_of(phase, concepts.CONTRAST_PHASE), concepts.PHASES["other"])


def two_early(report: Dataset) -> None:
    """Call every phase that is not the first the early one."""
    for phase in phase_groups_of(report)[1:]:
        set_code(item_of(phase, concepts.CONTRAST_PHASE), concepts.PHASES["early"])


def no_phase(report: Dataset) -> None:
    """Empty the image library."""
    phase_groups_of(report)[:] = []


def all_at_once(report: Dataset) -> None:
    """Give all phases one time."""
    for phase in phase_groups_of(report):
        set_number(item_of(phase, concepts.TIME_SINCE_INJECTION), 30)


def swapped_roles(report: Dataset) -> None:
    """Call the first phase late and the last one pre-contrast."""
    first, *_, last = phase_groups_of(report)
    set_code(item_of(first, concepts.CONTRAST_PHASE), concepts.PHASES["late"])
    set_code(item_of(last, concepts.CONTRAST_PHASE), concepts.PHASES["pre"])


@pytest.mark.parametrize("change", [only_others, two_early, no_phase, all_at_once, swapped_roles])
def test_phases_that_no_model_reads_are_refused(
    changed: Callable[..., Path], change: Callable[[Dataset], None]
) -> None:
    assert "one pre, one early and one late phase" in refusal(changed(change))


@pytest.mark.parametrize(
    "change",
    [
        lambda phase: phase.ContentSequence.remove(item_of(phase, concepts.INJECTION_SOURCE)),
        lambda phase: set_code(
            item_of(phase, concepts.INJECTION_SOURCE), concepts.INJECTION_SOURCES["ContrastBolusStartTime"]
        ),
    ],
    ids=["silent", "another"],
)
def test_phases_that_differ_in_the_source_of_the_injection_are_refused(
    changed: Callable[..., Path], change: Callable[[Dataset], None]
) -> None:
    assert "differ" in refusal(changed(lambda report: change(phase_groups_of(report)[1])))


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("ReferencedSOPClassUID", MRImageStorage, "no segmentation"),
        ("ReferencedSegmentNumber", 2, "segment_number"),
        ("ReferencedSOPInstanceUID", "1..2", "sop_instance_uid"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_an_outline_that_is_not_ours_is_refused(
    changed: Callable[..., Path], keyword: str, value: object, said: str
) -> None:
    def refer(report: Dataset) -> None:
        segment = item_of(group_of(report), codes.DCM.ReferencedSegment)
        segment.ReferencedSOPSequence[0][keyword].value = value

    assert said in refusal(changed(refer))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("uid", ["1..2", ".1.2", "1.2.", "1.2a", "1" * 65, ""])
def test_a_uid_that_is_none_is_refused(changed: Callable[..., Path], uid: str) -> None:
    def set_uid(report: Dataset) -> None:
        report.SOPInstanceUID = uid

    assert "sop_instance_uid" in refusal(changed(set_uid))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("name", [concepts.WARNING, concepts.INPUT_SOURCE, codes.DCM.AlgorithmName])
@pytest.mark.parametrize("control", ["\0", "\x1b[2J", "\x7f", "\x9b2J"])
def test_a_text_that_steers_a_terminal_is_refused(changed: Callable[..., Path], name: Code, control: str) -> None:
    def write(report: Dataset) -> None:
        report.SpecificCharacterSet = "ISO_IR 192"
        item_of(group_of(report), name).TextValue = f"Seen{control}here"

    assert "impossible value" in refusal(changed(write))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@given(data=st.data())
def test_a_damaged_report_is_read_or_refused_in_one_sentence(
    file: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "sr"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        assert isinstance(read_report(path), ReportFacts)
    except UnreadableReport as refused:
        assert "\n" not in str(refused)
