"""Settings: the file, the environment over it, and clear words for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import choose_folders, read_settings
from pcr.reasons import BadConfiguration


def _settings_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "app.yaml"
    path.write_text(text)
    return {"HOLOSCAN_CONFIG_PATH": str(path)}


def test_the_shipped_file_holds_the_defaults(tmp_path: Path) -> None:
    assert read_settings({}) == read_settings(_settings_file(tmp_path, ""))


def test_the_environment_goes_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = _settings_file(
        tmp_path, "breast_pcr:\n  device: cpu\n  localization: {min_score: 0.6, runners_up: 2}"
    )
    monkeypatch.setenv("BREAST_PCR_LOCALIZATION__MIN_SCORE", "0.9")
    settings = read_settings(environment)
    assert settings.device == "cpu"
    assert settings.localization.for_core().kinetic.min_score == 0.9
    assert settings.localization.runners_up == 2


@pytest.mark.parametrize("variable", ["BREAST_PCR_LOCALIZATION_MIN_SCORE", "BREAST_PCR_MINSCORE"])
def test_a_variable_that_names_no_setting_is_refused(variable: str) -> None:
    with pytest.raises(BadConfiguration, match="BREAST_PCR_LOCALIZATION__MIN_SCORE"):
        read_settings({variable: "0.9"})


def test_entries_of_the_packager_are_left_alone(tmp_path: Path) -> None:
    assert read_settings(_settings_file(tmp_path, "application: {name: x}\nresources: {cpu: 1}")) == read_settings({})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("device: cuda", "device"),
        ("breast-pcr: {device: cuda}", "breast-pcr"),
        ("breast_pcr: {devise: cpu}", "devise"),
        ("breast_pcr: {localization: {min_score: 2}}", "localization.min_score"),
        ("breast_pcr: [", "syntax"),
        ("breast_pcr: 7", "syntax"),
        ("- a list", "syntax"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=named):
        read_settings(_settings_file(tmp_path, text))


def test_a_settings_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="HOLOSCAN_CONFIG_PATH"):
        read_settings({"HOLOSCAN_CONFIG_PATH": str(tmp_path / "none.yaml")})


@pytest.mark.parametrize(
    "names",
    [("HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"), ("MERCURE_IN_DIR", "MERCURE_OUT_DIR")],
)
def test_folders_come_from_the_environment_where_the_command_line_is_silent(
    names: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "models").mkdir()
    environment = {name: str(tmp_path / part) for name, part in zip(names, ("in", "out"), strict=True)}
    environment["HOLOSCAN_MODEL_PATH"] = str(tmp_path / "models")
    folders = choose_folders(None, None, None, environment)
    assert (folders.input, folders.output) == (tmp_path / "in", tmp_path / "out")
    assert folders.models == tmp_path / "models"
    assert choose_folders(None, tmp_path / "other", None, environment).output == tmp_path / "other"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"given_input": None}, "no input folder"),
        ({"given_output": None}, "no output folder"),
        ({"given_input": Path("/none/such")}, "input folder /none/such"),
        ({"given_models": Path("/none/such")}, "model folder /none/such"),
    ],
)
def test_a_folder_that_is_missing_is_named(missing: dict[str, Path | None], named: str, tmp_path: Path) -> None:
    folders = {"given_input": tmp_path, "given_output": tmp_path.parent / "results", "given_models": tmp_path}
    with pytest.raises(BadConfiguration, match=named):
        choose_folders(**{**folders, **missing}, environment={})
