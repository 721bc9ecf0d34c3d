"""Settings: what does not fit together is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from training.__main__ import _DEFAULT_CONFIG
from training.config import Config, ConfigError, CropSettings, GuidanceSettings, read_config


@pytest.fixture(scope="module")
def shipped() -> Config:
    return read_config(_DEFAULT_CONFIG)


def changed(config: Config, section: str, **values: Any) -> dict[str, Any]:
    plain = config.plain()
    plain[section] |= values
    return plain


def test_every_attempt_of_the_shipped_settings_is_valid_and_unlike_the_others(shipped: Config) -> None:
    assert len(shipped.attempts) > 1
    assert len({shipped.attempt(attempt.name).model_dump_json() for attempt in shipped.attempts}) == len(
        shipped.attempts
    )


def test_the_first_attempt_is_the_settings_as_they_are_written(shipped: Config) -> None:
    assert shipped.attempt(shipped.attempts[0].name) == shipped


def test_an_attempt_changes_what_it_says_and_nothing_else(shipped: Config) -> None:
    plain = shipped.plain()
    plain["guidance"]["loss"] = "kl"
    assert shipped.attempt("guidance_kl").plain() == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.depth": 3}, "network.depth, which is no setting"),
        ({"networks.depth": 3}, "networks.depth, which is no setting"),
        ({"guidance.loss": "hinge"}, "mass_outside"),
        ({"network.components": 0}, "greater than or equal to 1"),
    ],
)
def test_an_attempt_that_can_not_be_made_is_refused_when_it_is_read(
    shipped: Config, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    plain = shipped.plain()
    plain["attempts"].append({"name": "misspelt", "why": "none", "changes": changes})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain), "utf-8")
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_a_file_that_is_no_yaml_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("steps: [", "utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml is no YAML: [^\n]*$"):
        read_config(path)


@pytest.mark.parametrize("name", ["shift_mm", "displacement_mm"])
def test_a_displacement_that_would_leave_the_stored_crop_is_refused(shipped: Config, name: str) -> None:
    Config.model_validate(changed(shipped, "augmentation", **{name: shipped.crop.margin_mm}))
    with pytest.raises(ValidationError, match="must be <= margin_mm"):
        Config.model_validate(changed(shipped, "augmentation", **{name: shipped.crop.margin_mm + 0.1}))


def test_a_margin_that_is_no_whole_number_of_pixels_is_refused(shipped: Config) -> None:
    with pytest.raises(ValidationError, match=r"whole number of pixels of 0\.625 mm"):
        Config.model_validate(changed(shipped, "crop", margin_mm=10.3))


def test_the_stored_crop_is_the_window_and_its_margins() -> None:
    crop = CropSettings(window_mm=60, grid=96, margin_mm=10, slices=8, extent_fraction=0.7)
    assert (crop.pixel_mm, crop.margin, crop.stored_mm, crop.stored_grid) == (0.625, 16, 80, 128)


@pytest.mark.parametrize("name", ["gamma", "blur_mm"])
def test_a_range_from_high_to_low_is_refused(shipped: Config, name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name} low \(1.2\) must be <= high \(0.8\)"):
        Config.model_validate(changed(shipped, "augmentation", **{name: [1.2, 0.8]}))


def test_an_interaction_of_a_variable_that_is_not_read_is_refused(shipped: Config) -> None:
    with pytest.raises(ValidationError, match=r"does not read: \['menopausal_status'\]"):
        Config.model_validate(changed(shipped, "clinical", interactions=[["hr", "menopausal_status"]]))


def test_two_attempts_of_one_name_are_refused(shipped: Config) -> None:
    plain = shipped.plain()
    with pytest.raises(ValidationError, match="each of its own"):
        Config.model_validate(plain | {"attempts": [plain["attempts"][0], plain["attempts"][0]]})


def test_a_misspelt_setting_is_refused(shipped: Config) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Config.model_validate(changed(shipped, "network", dropuot=0.1))


def test_guidance_rises_to_its_weight_and_stays_there() -> None:
    guidance = GuidanceSettings(loss="kl", weight=2.0, ramp_epochs=4)
    assert [guidance.at(epoch) for epoch in range(6)] == [0, 0.5, 1, 1.5, 2, 2]
    assert GuidanceSettings(loss="kl", weight=2.0, ramp_epochs=0).at(0) == 2
