"""The summary: what is published and what was not, as rows and as a page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from app.batch.batch import BatchOutcome
from app.batch.job import JobOutcome, run_job
from app.batch.page import as_html, histogram
from app.batch.place import Place
from app.batch.rows import StudyRow, repeated, study_rows
from app.batch.summary import write_inputs, write_summary
from pcr.reasons import ReasonCode

from .batch_jobs import MADE_WITH, job_without_study

COMPLETED = StudyRow(
    study_instance_uid="1.2.3",
    status="completed",
    probability=0.42,
    interval_low=0.3,
    interval_high=0.5,
    lesion_volume_ml=2.0,
    lesion_longest_diameter_mm=21.0,
    laterality="left",
    clinical_source="clinical.json",
    job="a",
    path="studies/a/1.2.3",
)
REFUSED = StudyRow(status="not_evaluable", reason_code=ReasonCode.NO_STUDY, reason="<script>alert(1)</script>", job="b")


def _page(*rows: StudyRow) -> str:
    return as_html(rows, MADE_WITH, datetime(2026, 1, 2))


def _outcome(*statuses: str, rows: tuple[StudyRow, ...] = ()) -> BatchOutcome:
    return BatchOutcome(jobs=(JobOutcome(job="a", ran=True, statuses=statuses),), rows=rows)


@pytest.mark.parametrize(
    ("statuses", "exit_status"),
    [
        (("completed",), 0),
        (("completed", "not_evaluable"), 3),
        (("completed", "not_evaluable", "failed"), 1),
    ],
)
def test_the_worst_study_decides_about_the_exit_status(statuses: tuple[str, ...], exit_status: int) -> None:
    assert _outcome(*statuses).exit_status == exit_status


def test_a_study_that_came_in_two_inputs_is_told_and_no_success() -> None:
    rows = (replace(COMPLETED, inputs=2), replace(COMPLETED, inputs=2, job="c"))
    assert repeated(rows) == 1
    assert _outcome("completed", rows=rows).exit_status == 3
    assert "came in more than one input" in _page(*rows)


def test_rows_hold_what_is_published_and_what_was_not(tmp_path: Path) -> None:
    job = job_without_study(tmp_path)
    run_job(job)
    lost = JobOutcome(job="lost", ran=True, statuses=("failed",), reason=(ReasonCode.INTERNAL_ERROR, "it was lost"))
    rows = study_rows(Place(job.common.out), [lost])
    assert {(row.job, row.status, row.reason_code) for row in rows} == {
        (job.name, "not_evaluable", "no_study"),
        ("lost", "failed", "internal_error"),
    }


def test_a_job_that_fails_now_is_not_shown_with_what_it_published_before(tmp_path: Path) -> None:
    job = job_without_study(tmp_path)
    run_job(job)
    lost = JobOutcome(job=job.name, ran=True, statuses=("failed",), reason=(ReasonCode.INTERNAL_ERROR, "it was lost"))
    (row,) = study_rows(Place(job.common.out), [lost])
    assert row.status == "failed"


def test_inputs_are_named_where_only_their_owner_looks_and_not_in_the_summary(tmp_path: Path) -> None:
    job = job_without_study(tmp_path)
    run_job(job)
    place = Place(job.common.out)
    write_inputs(place, [job])
    write_summary(place, study_rows(place, []), MADE_WITH)
    assert f"{job.name},{job.source.location}" in (place.own / "inputs.csv").read_text()
    assert place.own.stat().st_mode & 0o077 == 0
    for name in ("summary.csv", "summary.html"):
        text = (place.out / name).read_text()
        assert job.name in text and job.source.location not in text


def test_the_page_shows_a_study_with_a_link_to_its_results() -> None:
    page = _page(COMPLETED)
    assert '<a href="studies/a/1.2.3/">1.2.3</a>' in page
    assert "0.30 to 0.50" in page and "left, 2.0 ml" in page and "for research use only" in page


def test_the_page_escapes_what_comes_from_a_header_and_runs_nothing() -> None:
    page = _page(COMPLETED, REFUSED)
    assert "&lt;script&gt;" in page
    assert "<script" not in page and not re.search(r"(src|href)=\"?(https?:)?//", page)
    assert "default-src 'none'" in page


def test_the_page_of_a_batch_without_any_result_is_written_too() -> None:
    page = _page(REFUSED)
    assert "No study got a probability." in page and "no_study" in page


def test_every_probability_is_in_one_bar() -> None:
    bars = histogram([0.0, 0.049, 0.05, 0.999, 1.0])
    assert [bar.count for bar in bars if bar.count] == [2, 1, 2]
    assert max(bar.share for bar in bars) == 1
