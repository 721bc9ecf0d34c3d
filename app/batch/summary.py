"""What a batch leaves beside the results: the inputs by job, and the summary as CSV and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime

from app.batch.job import Job
from app.batch.made_with import MadeWith
from app.batch.page import as_html
from app.batch.place import Place, write_whole
from app.batch.rows import StudyRow
from app.batch.table import as_csv

# What the page tells in words, a column of codes does not need.
_NOT_IN_CSV = {"reason"}


def write_inputs(place: Place, jobs: Sequence[Job]) -> None:
    """Which input is which job, where only the owner may look: folders may be named after patients."""
    write_whole(place.own / "inputs.csv", as_csv(("job", "input"), [(job.name, job.source.location) for job in jobs]))


def write_summary(place: Place, rows: Sequence[StudyRow], made_with: MadeWith) -> None:
    """Write `summary.csv` and `summary.html`."""
    names = [field.name for field in fields(StudyRow)]
    shown = [i for i, name in enumerate(names) if name not in _NOT_IN_CSV]
    lines = [[astuple(row)[i] for i in shown] for row in rows]
    write_whole(place.out / "summary.csv", as_csv([names[i] for i in shown], lines))
    write_whole(place.out / "summary.html", as_html(rows, made_with, datetime.now()))
