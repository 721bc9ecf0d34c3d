"""The summary as CSV: what a spreadsheet must never run."""

from __future__ import annotations

import csv
import io

import pytest

from app.batch.table import as_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "=HYPERLINK(1)"]
)
def test_text_that_begins_a_formula_is_shown_as_text(text: str) -> None:
    ((cell,),) = list(csv.reader(io.StringIO(as_csv(["heading"], [[text]]), newline="")))[1:]
    assert cell == "'" + text


def test_cells_are_read_back_as_they_were_written() -> None:
    row = [None, True, 0.123456789, 3, 'a "quoted", text\nof two lines', "1.2.3"]
    heading, read = csv.reader(io.StringIO(as_csv(list("abcdef"), [row]), newline=""))
    assert heading == list("abcdef")
    assert read == ["", "true", "0.123457", "3", 'a "quoted", text\nof two lines', "1.2.3"]
