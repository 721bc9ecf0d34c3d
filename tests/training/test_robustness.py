"""Robustness: each error that a localiser makes is put to the file, and nothing else is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.progress import Progress

from training import robustness
from training.checks import Checks
from training.cohorts import Cohort
from training.config import Config
from training.onnx_checks import Occlusion, Parity
from training.robustness import Moved, Robustness, check_robustness

Feeds = dict[str, npt.NDArray[np.float32]]


@pytest.fixture
def found(
    cohort: Cohort, config: Config, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Feeds], npt.NDArray[np.float64]]], Robustness]:
    """What is found on a file that answers as a function says."""

    def check(answer: Callable[[Feeds], npt.NDArray[np.float64]]) -> Robustness:
        monkeypatch.setattr(robustness, "run_onnx", lambda path, feeds: {"probability": answer(feeds)})
        return check_robustness(Path(), cohort.imaged[:4], config, Progress(disable=True))

    return check


def test_an_answer_that_follows_the_size_moves_with_the_extent_alone(
    found: Callable[[Callable[[Feeds], npt.NDArray[np.float64]]], Robustness], config: Config
) -> None:
    moved = found(lambda feeds: feeds["clinical"][:, -1] / 10)
    assert moved.displaced.most == 0
    octaves = np.log2(1 + config.augmentation.extent) / 10
    assert (moved.larger.median, moved.smaller.most) == pytest.approx((octaves, octaves), abs=1e-3)


def test_an_answer_that_follows_the_image_moves_with_its_place(
    found: Callable[[Callable[[Feeds], npt.NDArray[np.float64]]], Robustness],
) -> None:
    # The upper half shows more of the bright tumour when the window lies below it.
    moved = found(lambda feeds: feeds["image"][:, 1, :, : feeds["image"].shape[3] // 2].mean(axis=(1, 2, 3)))
    assert moved.displaced.median > 0.05


def test_an_answer_that_follows_the_record_does_not_move(
    found: Callable[[Callable[[Feeds], npt.NDArray[np.float64]]], Robustness],
) -> None:
    moved = found(lambda feeds: feeds["clinical"][:, 0] / 10)
    assert {value for cause in asdict(moved).values() for value in cause.values()} == {0}


def test_what_was_found_can_be_read_back(tmp_path: Path) -> None:
    moved = Moved.of(np.linspace(0, 1, 101))
    assert (moved.median, moved.p95, moved.most) == (0.5, 0.95, 1)
    checks = Checks(
        parity=Parity(cases=3, probability=1e-7, attention_l1=1e-6),
        occlusion=Occlusion(attended=0.1, random=0.01, cases_attended_more=1.0),
        robustness=Robustness(displaced=moved, larger=moved, smaller=moved),
    )
    checks.write(tmp_path / "checks.json")
    assert json.loads((tmp_path / "checks.json").read_text())["parity"]["cases"] == 3
    assert Checks.read(tmp_path / "checks.json") == checks
