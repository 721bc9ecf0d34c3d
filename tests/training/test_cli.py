"""The command line: help for every verb, and refusals in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from training import __main__ as cli
from training.config import Config
from training.runfolder import RunFolder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit status of a command."""
    monkeypatch.setattr("sys.argv", ["training", *arguments])
    try:
        cli.main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that is refused says."""
    assert call(monkeypatch, *arguments) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("verb", [(), ("fit",), ("crossval",), ("export",), ("evaluate",), ("inspect",)])
def test_every_verb_has_help(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *verb, "--help") == 0
    assert "usage: python -m training" in capsys.readouterr().out


def test_a_folder_that_is_no_cohort_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(monkeypatch, capsys, "crossval", "--cohort", str(tmp_path), "--run", str(tmp_path / "run"))
    assert "layout of MAMA-MIA" in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"guidance.wieght": 2}, "guidance.wieght, which is no setting"), ({"network.components": 0}, "components")],
)
def test_settings_that_can_not_be_are_one_sentence(
    changes: dict[str, float],
    sentence: str,
    config: Config,
    cohort_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = config.plain()
    plain["attempts"].append({"name": "misspelt", "why": "none", "changes": changes})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain), "utf-8")
    arguments = ["--cohort", str(cohort_folder), "--config", str(path), "--run", str(tmp_path / "run")]
    assert sentence in refused(monkeypatch, capsys, "crossval", *arguments)


def test_crops_of_another_size_than_the_settings_say_are_one_sentence(
    cohort_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(monkeypatch, capsys, "crossval", "--cohort", str(cohort_folder), "--run", str(tmp_path / "run"))
    assert "expected 128 pixels over 80 mm" in said


def test_fit_reads_back_what_is_finished_and_writes_the_same_model_folder(
    own_run: RunFolder,
    model_folder: Path,
    cohort_folder: Path,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own_run.metrics.unlink()
    model = tmp_path / "model"
    arguments = ["--cohort", str(cohort_folder), "--config", str(config_file), "--run", str(own_run.root)]
    assert call(monkeypatch, "fit", *arguments, "--model", str(model), "--workers", "1") == 0
    for path in sorted(path.relative_to(model_folder) for path in model_folder.rglob("*") if path.is_file()):
        assert (model / path).read_bytes() == (model_folder / path).read_bytes(), path


def test_export_before_crossval_is_one_sentence(
    cohort_folder: Path,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--cohort", str(cohort_folder), "--config", str(config_file), "--run", str(tmp_path / "run")]
    said = refused(monkeypatch, capsys, "export", *arguments, "--model", str(tmp_path / "model"))
    assert "run `python -m training crossval` first" in said


def test_inspect_draws_and_counts(
    cohort_folder: Path,
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["--cohort", str(cohort_folder), "--config", str(config_file), "--out", str(sheet)]
    assert call(monkeypatch, "inspect", *arguments) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert "ISPY2: 41 rows" in capsys.readouterr().out
