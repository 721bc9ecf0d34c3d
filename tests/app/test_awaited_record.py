"""A study whose clinical record was waited for in vain says so in its result and in its report."""

from __future__ import annotations

import json
from pathlib import Path

from pcr.report.reader import read_report

from .conftest import Run

SENTENCE = "no clinical record arrived within 30 minutes of the study"


def test_the_result_and_the_report_say_that_no_record_came_in_time(study: Path, run: Run) -> None:
    (study / "clinical.json").write_text(json.dumps({"records": [], "waited_minutes": 30}))
    outcome = run(study)
    (report,) = outcome.out.glob("*/SR/*.dcm")
    assert outcome.exit == 0
    assert SENTENCE in outcome.result["warnings"]
    assert SENTENCE in read_report(report).warnings
