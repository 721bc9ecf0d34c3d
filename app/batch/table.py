"""Rows as CSV (RFC 4180) that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# What a spreadsheet takes for the beginning of a formula, also in its full-width forms, or passes over before one.
_BEGINS_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def as_csv(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a heading row; None is an empty cell, truth values are `true` and `false`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(heading)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return "'" + text if text.lstrip(" ").startswith(_BEGINS_FORMULA) else text
