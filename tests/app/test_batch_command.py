"""`python -m app.batch` as a user meets it: what it refuses, and a whole batch that needs no image."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from app.batch import cluster
from app.batch.command import run_command

from .conftest import MODELS

ROOT = MODELS.parent


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "readme.txt").write_text("no image")
    return [str(tmp_path / "one"), str(tmp_path / "two")]


@pytest.mark.parametrize(
    ("options", "exit_status", "sentence"),
    [
        ([], 3, "no_study: no input is named"),
        (["--below", "absent"], 2, "can not be read"),
        (["--list", "absent"], 2, "can not be read"),
        (["one", "--workers", "0"], 2, "at least 1"),
        (["one", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, "a running one has its own"),
        (["one", "--scheduler", "here"], 2, "tcp://HOST:PORT"),
        (["one", "--query", "StudyDate=2020"], 2, "need --orthanc"),
        (["--orthanc", "http://127.0.0.1:1", "--query", "StudyDate"], 2, "KEYWORD=VALUE"),
        (["--orthanc", "http://127.0.0.1:1"], 2, "Orthanc can not be asked"),
        (["one", "-m", "absent"], 2, "model folder"),
        (["one", "--timeout", "0"], 2, "more than 0 s"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    options: list[str], exit_status: int, sentence: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["-m", str(MODELS), *options, "-o", str(tmp_path / "out")]) == exit_status
    complained = capfd.readouterr().err
    assert sentence in complained and complained.count("\n") == 1


def test_a_scheduler_that_nobody_runs_is_one_sentence(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT_S", 1)
    options = [*folders, "-o", str(tmp_path / "out"), "-m", str(MODELS), "--scheduler", "tcp://127.0.0.1:1"]
    assert run_command(options) == 2
    complained = capfd.readouterr().err
    assert "no Dask scheduler can be reached" in complained and complained.count("\n") == 1


def test_without_the_extra_a_sentence_says_what_to_install() -> None:
    # A mock: in the environment of the tests everything is installed.
    hidden = "import sys; from importlib import util; find = util.find_spec; "
    hidden += "util.find_spec = lambda name: None if name == 'distributed' else find(name); "
    hidden += "from app.batch.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "distributed is not installed; install the extra 'batch'" in done.stderr


def test_a_record_that_every_study_would_take_for_its_own_is_refused(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "records.json").write_text('{"age": 50}')
    monkeypatch.setenv("BREAST_PCR_CLINICAL_FILE", str(tmp_path / "records.json"))
    assert run_command([*folders, "-o", str(tmp_path / "out"), "-m", str(MODELS)]) == 2
    assert "a record without a key" in capfd.readouterr().err


def test_a_batch_is_summed_up_and_found_done_the_next_time_but_not_with_other_settings(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = [*folders, "-o", str(tmp_path / "out"), "-m", str(MODELS), "--workers", "1"]
    assert run_command(options) == 3
    assert "not evaluable 2, failed 0; done before 0" in capfd.readouterr().out
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        assert [row["reason_code"] for row in csv.DictReader(file)] == ["no_study"] * 2
    assert "no_study" in (tmp_path / "out" / "summary.html").read_text()
    assert run_command(options) == 3
    assert "done before 2" in capfd.readouterr().out
    monkeypatch.setenv("BREAST_PCR_LOCALIZATION__MIN_SCORE", "0.5")
    assert run_command(options) == 2
    assert "made with something else (settings differ)" in capfd.readouterr().err
