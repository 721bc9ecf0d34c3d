"""`python -m pcr.report` prints what it can read, and says in one sentence what it can not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from pcr.case import PredictedCase
from pcr.report.__main__ import main
from pcr.report.reader import read_report


@pytest.fixture
def file(case: PredictedCase, make_all: Callable[..., dict[str, list[Dataset]]], tmp_path: Path) -> Path:
    """The report of the case."""
    (report,) = make_all(case)["SR"]
    report.save_as(tmp_path / "sr.dcm")
    return tmp_path / "sr.dcm"


def printed(capsys: pytest.CaptureFixture[str], arguments: Sequence[Path]) -> tuple[int, Any, str]:
    """Exit status, what was printed as JSON (None for nothing), and the complaints."""
    status = main([str(path) for path in arguments])
    output = capsys.readouterr()
    return status, json.loads(output.out) if output.out else None, output.err


def test_one_report_is_one_object(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert printed(capsys, [file]) == (0, read_report(file).model_dump(mode="json"), "")


def test_a_file_that_is_no_report_leaves_the_others_printed(
    capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path
) -> None:
    status, content, complaints = printed(capsys, [file, tmp_path / "absent", file])
    facts = read_report(file).model_dump(mode="json")
    assert (status, content) == (2, [facts, None, facts])
    assert complaints.startswith("report 2 of 3: there is no such file") and complaints.count("\n") == 1


@pytest.mark.parametrize("name", ["/", "/dev/zero"])
def test_what_is_no_regular_file_is_said_to_be_none(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, content, complaints = printed(capsys, [Path(name)])
    assert (status, content, complaints.count("\n")) == (2, None, 1)
    assert complaints.startswith("report 1 of 1: that is no regular file")


def test_the_command_ends_in_a_sentence_and_not_in_a_traceback(file: Path, tmp_path: Path) -> None:
    (tmp_path / "Doe^Jane.dcm").write_bytes(file.read_bytes()[:20_000])
    done = subprocess.run(
        [sys.executable, "-m", "pcr.report", str(tmp_path / "Doe^Jane.dcm")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "Traceback" not in done.stderr and "Doe" not in done.stderr
