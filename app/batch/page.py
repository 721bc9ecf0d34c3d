"""The summary as one HTML file that needs no script and nothing from elsewhere."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.batch.made_with import MadeWith
from app.batch.rows import StudyRow, repeated
from pcr.report.provenance import RESEARCH_NOTICE

_BINS = 20
_STATUSES = ("completed", "not_evaluable", "failed")


@dataclass(frozen=True, slots=True)
class Bar:
    """Probabilities from `low` to `high`: how many, and as a share of the highest bar."""

    low: float
    high: float
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds of the jobs that are published: how many they are, and what they took."""

    jobs: int
    median: float
    shortest: float
    longest: float
    sum: float


def as_html(rows: Sequence[StudyRow], made_with: MadeWith, made_at: datetime) -> str:
    """The page; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("app.batch"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    environment.filters["quoted"] = quote
    counts = Counter(row.status for row in rows)
    return environment.get_template("summary.html.j2").render(
        notice=RESEARCH_NOTICE,
        made_with=made_with,
        made_at=made_at,
        rows=rows,
        counts={status: counts[status] for status in _STATUSES},
        reasons=Counter(row.reason_code for row in rows if row.reason_code).most_common(),
        bars=histogram([row.probability for row in rows if row.probability is not None]),
        durations=_durations(rows),
        repeated=repeated(rows),
    )


def histogram(probabilities: Sequence[float]) -> tuple[Bar, ...]:
    """Counts of probabilities in equal bins from 0 to 1; none where there are none."""
    if not probabilities:
        return ()
    counts = Counter(min(int(probability * _BINS), _BINS - 1) for probability in probabilities)
    highest = max(counts.values())
    return tuple(Bar(i / _BINS, (i + 1) / _BINS, counts[i], counts[i] / highest) for i in range(_BINS))


def _durations(rows: Sequence[StudyRow]) -> Durations | None:
    seconds = list({row.job: row.seconds for row in rows if row.seconds is not None}.values())
    if not seconds:
        return None
    return Durations(len(seconds), statistics.median(seconds), min(seconds), max(seconds), sum(seconds))
