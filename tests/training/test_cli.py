"""The command line: help for every verb, and refusals in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import __main__ as cli


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["training", *arguments])
    try:
        cli.main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


@pytest.mark.parametrize("verb", [(), ("fit",), ("crossval",), ("export",), ("evaluate",), ("inspect",)])
def test_every_verb_has_help(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, *verb, "--help") == 0
    assert "usage: python -m training" in capsys.readouterr().out


def test_a_folder_that_is_no_cohort_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = _run(monkeypatch, "crossval", "--cohort", str(tmp_path), "--run", str(tmp_path / "run"))
    assert status == 2
    assert "layout of MAMA-MIA" in " ".join(capsys.readouterr().err.split())


def test_fit_writes_a_model_folder(
    cohort_folder: Path, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--cohort", str(cohort_folder), "--config", str(config_file), "--run", str(tmp_path / "run")]
    assert _run(monkeypatch, "fit", *arguments, "--model", str(tmp_path / "model")) == 0
    assert (tmp_path / "model" / "models" / "model.onnx").is_file()


def test_inspect_draws_and_counts(
    cohort_folder: Path,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["--cohort", str(cohort_folder), "--config", str(config_file), "--out", str(sheet)]
    assert _run(monkeypatch, "inspect", *arguments) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert "ISPY2: 41 rows" in capsys.readouterr().out
