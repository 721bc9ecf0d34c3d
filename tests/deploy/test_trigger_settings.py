"""Settings of the trigger: what is wrong is said in one sentence before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.trigger.__main__ import main
from deploy.trigger.settings import read_trigger_settings
from pcr.reasons import BadConfiguration

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "trigger" / "trigger.yaml"


def _changed(tmp_path: Path, **entries: object) -> Path:
    path = tmp_path / "trigger.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text()) | entries))
    return path


def test_the_example_is_valid_and_listens_on_loopback_only() -> None:
    settings = read_trigger_settings(EXAMPLE)
    assert settings.listener.host == "127.0.0.1" and settings.metrics and settings.metrics.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"listener": {"allowed_ae_titles": []}}, "nobody who may send"),
        ({"listener": {"ae_title": "MORE THAN 16 CHARACTERS"}}, "listener.ae_title"),
        ({"listener": {"host": "everywhere"}}, "listener.host"),
        ({"runner": {"kind": "podman"}}, "needs runner.image"),
        ({"runner": {"workers": 0}}, "runner.workers"),
        ({"pacs": {"ae_title": "PACS", "host": "pacs"}}, "pacs.port"),
        ({"wrokers": 2}, "wrokers"),
    ],
)
def test_a_wrong_entry_is_named(entries: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=sentence):
        read_trigger_settings(_changed(tmp_path, **entries))


def test_a_variable_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_TRIGGER_RUNNER__WORKERS", "3")
    assert read_trigger_settings(EXAMPLE).runner.workers == 3


def test_the_command_line_ends_with_status_2_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "is not there" in capsys.readouterr().err
    assert main(["status", "--config", str(_changed(tmp_path, state=str(tmp_path / "none")))]) == 2
    assert "has the trigger been started" in capsys.readouterr().err


def test_check_finds_the_model_and_says_when_it_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = str(tmp_path / "state")
    assert main(["check", "--config", str(_changed(tmp_path, state=state))]) == 0
    assert "pcr" in capsys.readouterr().out
    lost = {"kind": "process", "models": str(tmp_path)}
    assert main(["check", "--config", str(_changed(tmp_path, state=state, runner=lost))]) == 2
