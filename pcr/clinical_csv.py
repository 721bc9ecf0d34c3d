"""Clinical records as a table: a header line with the names of the fields, then one record a line.

Fields are those of the plain clinical file; commas or semicolons between them, quotes as in RFC 4180. A cell that is
empty is missing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import get_args

from pcr.clinical import MenopausalStatus, invalid_record

MAX_LINES = 100_000

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "1", "positive"), True),
    **dict.fromkeys(("false", "no", "0", "negative"), False),
}
# What other programs take for a number, such as "nan" and "1e2", is none here; some countries write 55,5.
_YEARS = re.compile(r"[0-9]{1,3}([.,][0-9]{1,6})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def table_records(text: str) -> list[dict[str, object]]:
    """The records of a table, in the fields of the plain clinical file; formulas are text like any other.

    Raises:
        NotEvaluable: `clinical_record_invalid`, naming line and column of what is wrong, and never its value.
    """
    if text and not text.endswith(("\n", "\r")):
        raise invalid_record("its last line does not end: the file may have been cut off; end it with a line break")
    lines = _lines(text)
    _, header = next(lines, (1, []))
    columns = _columns(header)
    return [_record(columns, number, cells) for number, cells in lines if any(cells)]


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line, without blanks around them."""
    first = text[: text.find("\n") + 1]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    try:
        for cells in reader:
            if reader.line_num > MAX_LINES:
                raise invalid_record(f"the table has more than {MAX_LINES:,} lines")
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error:
        raise invalid_record(f"line {reader.line_num}: it is not a line of a CSV table; check its quotes") from None


def _columns(header: list[str]) -> list[str]:
    known = ", ".join(_READ)
    for number, name in enumerate(header, start=1):
        # Without a header line the first record stands here, so nothing of it is repeated.
        if name not in _READ:
            raise invalid_record(f"column {number} of the header line is not known; the columns are {known}")
    if len(set(header)) < len(header) or not header:
        raise invalid_record(f"the header line names a column twice, or none; the columns are {known}")
    return header


def _record(columns: list[str], number: int, cells: list[str]) -> dict[str, object]:
    if len(cells) != len(columns):
        raise invalid_record(f"line {number}: it has {len(cells)} cells, and the header line {len(columns)}")
    record: dict[str, object] = {}
    for name, cell in zip(columns, cells, strict=True):
        if cell:
            try:
                record[name] = _READ[name](cell)
            except ValueError as error:
                raise invalid_record(f"line {number}, column {name}: {error}") from None
    return record


def _boolean(cell: str) -> bool:
    if cell.lower() not in _BOOLEANS:
        raise ValueError(f"must be one of {', '.join(_BOOLEANS)}, or empty")
    return _BOOLEANS[cell.lower()]


def _years(cell: str) -> float:
    if not _YEARS.fullmatch(cell):
        raise ValueError("must be a number of years")
    return float(cell.replace(",", "."))


def _date(cell: str) -> str:
    try:
        if _DATE.fullmatch(cell):
            return date.fromisoformat(cell).isoformat()
    except ValueError:
        pass
    raise ValueError("must be a date written YYYY-MM-DD")


def _menopausal_status(cell: str) -> str:
    if cell.lower() not in (known := get_args(MenopausalStatus)):
        raise ValueError(f"must be one of {', '.join(known)}, or empty")
    return cell.lower()


_READ: dict[str, Callable[[str], object]] = {
    "study_instance_uid": str,
    "accession_number": str,
    "patient_id": str,
    "birth_date": _date,
    "age": _years,
    "menopausal_status": _menopausal_status,
    "hr": _boolean,
    "er": _boolean,
    "pr": _boolean,
    "her2": _boolean,
}
