"""The conformance statement says what the code does: codes, series, settings, what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from highdicom.sr import ContentItem
from highdicom.sr.utils import find_content_items
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, UID_dictionary

from pcr.case import PredictedCase
from pcr.compressed import check_decodable
from pcr.pixel_format import PixelFormat
from pcr.reasons import NotEvaluable
from pcr.report import codes as concepts
from pcr.report.attribution import Attribution
from pcr.report.result_series import ALL_SERIES
from pcr.report.seg import make_segmentation
from pcr.report.settings import ReportSettings
from pcr.report.sr import make_report
from pcr.series_evidence import READ_OBJECTS

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"


def rows(columns: int) -> list[tuple[str, ...]]:
    """Rows of all tables of the page that have so many columns, without the marks of code."""
    lines = [line.replace("`", "") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    found = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [row for row in found if len(row) == columns]


def is_decodable(syntax: UID) -> bool:
    """Whether images of 8 bits in a transfer syntax are read."""
    sizes = {"rows": 4, "columns": 4, "bits_allocated": 8, "bits_stored": 8, "high_bit": 7}
    form = PixelFormat(**sizes, signed=False, inverted=False, slope=1.0, intercept=0.0)
    try:
        check_decodable(syntax, form)
    except NotEvaluable:
        return False
    return True


def items_of_the_table(report: Dataset) -> list[ContentItem]:
    """What the report says in numbers, codes and texts of lesion and phases, but for what TID 1411 itself names."""
    template = (codes.DCM.Finding, codes.SCT.FindingSite, codes.DCM.TrackingIdentifier, codes.DCM.Comment)
    containers = find_content_items(report.content[0], value_type="CONTAINER", recursive=True)
    groups = [c for c in containers if c.name in (codes.DCM.MeasurementGroup, codes.DCM.ImageLibraryGroup)]
    found = [
        item for group in groups for item in group.ContentSequence if item.value_type.value in ("NUM", "CODE", "TEXT")
    ]
    return [i for i in found if i.name not in template and not i.name.meaning.startswith("Algorithm")]


def test_every_private_code_is_on_the_page_and_no_other() -> None:
    defined = [
        item for value in vars(concepts).values() for item in (value.values() if type(value) is dict else [value])
    ]
    ours = [
        code for code in defined if isinstance(code, Code) and code.scheme_designator == concepts.PRIVATE_DESIGNATOR
    ]
    page = {(value, meaning) for value, scheme, meaning, *_ in rows(5) if scheme == concepts.PRIVATE_DESIGNATOR}
    assert page == {(code.value, code.meaning) for code in ours}


def test_every_measurement_has_its_unit_and_every_question_its_answers(
    case: PredictedCase, attribution: Attribution
) -> None:
    page = {(value, scheme): row for value, scheme, *row in rows(5)}
    items = items_of_the_table(make_report(case, make_segmentation(case, attribution), attribution))
    for item in items:
        meaning, kind, note = page[item.name.value, item.name.scheme_designator]
        assert (meaning, kind) == (item.name.meaning, item.value_type.value)
        if kind == "NUM":
            assert note.split(";")[0] == item.unit.value
        elif kind == "CODE":
            assert page[item.value.value, item.value.scheme_designator][0] == item.value.meaning
            assert item.value.value in note or item.name == concepts.INPUT_MISSING
    assert {item.name.value for item in items} >= {"PCR_PROB", "PCR_JUDGED", "WARNING", "121033", "122665"}


def test_every_series_has_its_class_and_transfer_syntax(
    case: PredictedCase, make_all: Callable[..., dict[str, list[Dataset]]]
) -> None:
    page = {int(number): row for number, *row in rows(6) if number.isdigit()}
    assert {number: tuple(row[:2]) for number, row in page.items()} == {s.number: (s.name, s.kind) for s in ALL_SERIES}
    for kind, objects in make_all(case).items():
        for made in objects:
            assert page[made.SeriesNumber][1:4] == [kind, UID(made.SOPClassUID).name, made.SOPClassUID]
            assert made.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_every_object_and_transfer_syntax_that_is_read_is_on_the_page() -> None:
    syntaxes = [UID(uid) for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"]
    page = {uid: what for _, uid, what in rows(3)}
    assert page.keys() & set(syntaxes) == {uid for uid in syntaxes if is_decodable(uid)}
    assert {uid for uid, what in page.items() if what.startswith("dynamic series")} == READ_OBJECTS


def test_every_setting_of_the_report_is_on_the_page_with_its_default() -> None:
    page = {name.removeprefix("report."): default for name, default, _ in rows(3) if name.startswith("report.")}
    assert page == {name: str(value).lower() for name, value in asdict(ReportSettings()).items()}
