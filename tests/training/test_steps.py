"""Steps: what learns in which, what stops them, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.training.invented_cases import FIT, STOP, make_cases, make_network, make_split
from training import step_runner
from training.config import Config, GuidanceSettings, StepSettings
from training.data import Batch, CaseDataset
from training.losses import CLASSIFICATION, mass_outside, positive_weight
from training.networks import Network
from training.step_runner import StepRunner, epochs_taken
from training.steps import STOP_LOSS, GlobalStep, ImagingStep, JointStep, SingleJointStep, Step

ALTERED = np.array([0, 2])
SHORT = StepSettings(epochs=2, learning_rate=0.05)


class PowerCut(BaseException):
    """Nothing that anything below would catch."""


class BrokenOff(ImagingStep):
    """Does not get beyond its third epoch."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 3:
            raise PowerCut


class BestSecond(ImagingStep):
    """Best after its second epoch, then worse, and at last better than ever."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        del batch, batch_idx
        self.log(STOP_LOSS, [2.0, 1.0, 1.5, 1.6, 0.1][self.current_epoch], batch_size=1)


class BestSecondBrokenOff(BestSecond, BrokenOff):
    """The same, and does not get beyond its third epoch."""


@pytest.fixture(scope="module")
def cases(config: Config) -> CaseDataset:
    return make_cases(config)


@pytest.fixture
def start(config: Config, cases: CaseDataset, tmp_path: Path) -> Callable[[], StepRunner]:
    """Starts a run of an untrained network, in the same folder each time."""

    def again() -> StepRunner:
        return StepRunner(make_network(config), config, cases, make_split(), tmp_path, ALTERED, lambda _: None)

    return again


def make_step(kind: type[Step], config: Config) -> Step:
    return kind(make_network(config), SHORT, config, config.guidance, torch.tensor(2.0), 1)


def with_patience(config: Config, epochs: int) -> Config:
    return config.model_copy(update={"optimisation": config.optimisation.model_copy(update={"patience": epochs})})


def learned(run: StepRunner, config: Config) -> set[str]:
    """First names of the parts of the head that are no longer what they were."""
    before = make_network(config).head.state_dict()
    after = run.network.head.state_dict()
    return {".".join(name.split(".")[:2]) for name, weight in after.items() if not torch.equal(weight, before[name])}


def log(run: StepRunner, name: str, column: str) -> list[float]:
    """What a step logged, by epoch."""
    values: list[float] = pd.read_csv(run.folder / name / "csv-0" / "metrics.csv")[column].dropna().tolist()
    return values


def stop_loss(network: Network, cases: CaseDataset, config: Config, guidance: GuidanceSettings | None) -> float:
    """Weighted cross-entropy of the image on the inner validation, and guidance at its full weight."""
    batch, weight = cases.cases(STOP, 0), positive_weight(cases.rows.label[FIT])
    with torch.inference_mode():
        output = network.head(make_step(ImagingStep, config).inputs(batch, batch.missing))
        loss = CLASSIFICATION[config.imbalance.loss](output.imaging, batch.label, weight)
        if guidance:
            loss = loss + guidance.weight * mass_outside(output.attention, batch.coverage)
    return float(loss)


# What learns


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (GlobalStep, {"imaging.pattern", "imaging.extent"}),
        (ImagingStep, {"imaging.pattern", "imaging.extent", "imaging.attention"}),
        (JointStep, {"imaging.pattern", "imaging.extent", "imaging.attention", "clinical.weights", "fusion.scale"}),
    ],
)
def test_every_step_trains_its_own_parts(
    kind: type[Step], expected: set[str], start: Callable[[], StepRunner], config: Config
) -> None:
    run = start()
    run.step("step", kind, SHORT, config.guidance)
    assert learned(run, config) == expected


def test_guidance_brings_the_attention_into_the_region(
    start: Callable[[], StepRunner], cases: CaseDataset, config: Config
) -> None:
    guidance = GuidanceSettings(loss="mass_outside", weight=5.0, ramp_epochs=0)
    run, batch = start(), cases.cases(STOP, 0)
    inputs = make_step(ImagingStep, config).inputs(batch, batch.missing)
    before = mass_outside(run.network.head(inputs).attention, batch.coverage)
    run.step("step", ImagingStep, StepSettings(epochs=8, learning_rate=0.1), guidance)
    assert mass_outside(run.network.head(inputs).attention, batch.coverage) < before - 0.2


def test_the_clinical_part_learns_from_complete_rows_what_logistic_regression_does(
    start: Callable[[], StepRunner], config: Config
) -> None:
    plain = config.model_copy(update={"clinical": config.clinical.model_copy(update={"ridge": 0.0})})
    run = start()
    run.config = plain.model_copy(update={"imbalance": plain.imbalance.model_copy(update={"loss": "bce"})})
    run.clinical("clinical")
    rows = run.dataset.rows[FIT].joined(run.split.rows_only)
    features = run.network.head.clinical.features(rows.values, rows.missing)[:, 1:].numpy()
    expected = LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-8).fit(features, rows.label.numpy())
    got = run.network.head.clinical.weights[0].detach().numpy()
    assert got == pytest.approx(np.concatenate([expected.intercept_, expected.coef_[0]]), abs=2e-2)


def test_the_clinical_part_learns_from_rows_without_images_and_from_nobody_who_stops_or_is_judged(
    start: Callable[[], StepRunner],
) -> None:
    def weights(change: Callable[[StepRunner], None]) -> torch.Tensor:
        run = start()
        change(run)
        run.clinical(change.__name__)
        return run.network.head.clinical.weights.detach()

    def as_it_is(run: StepRunner) -> None:
        del run

    def others_flipped(run: StepRunner) -> None:
        label = run.dataset.rows.label.clone()
        label[len(FIT) :] = 1 - label[len(FIT) :]
        rows = replace(run.dataset.rows, label=label)
        run.dataset = CaseDataset(run.dataset.inputs, run.dataset.cache, rows, run.dataset.lesion)

    def rows_flipped(run: StepRunner) -> None:
        rows = replace(run.split.rows_only, label=1 - run.split.rows_only.label)
        run.split = replace(run.split, rows_only=rows)

    expected = weights(as_it_is)
    assert torch.equal(expected, weights(others_flipped))
    assert not torch.equal(expected, weights(rows_flipped))


@pytest.mark.parametrize(("kind", "strength"), [(JointStep, "clinical_anchor"), (SingleJointStep, "ridge")])
def test_clinical_weights_are_held_to_where_the_step_began(
    kind: type[JointStep], strength: str, config: Config
) -> None:
    step = make_step(kind, config)
    assert isinstance(step, JointStep)
    held = {"clinical_anchor": config.joint.clinical_anchor, "ridge": config.clinical.ridge}[strength]
    with torch.no_grad():
        step.network.head.clinical.weights[0, 1] += 3
    batch = make_cases(config).cases(FIT, 0)
    output = step.output(step.inputs(batch, batch.missing))
    assert step.priors(output, batch)["clinical_anchor"].item() == pytest.approx(9 * held)


# Modality dropout


def test_modality_dropout_hides_the_same_variables_each_time(config: Config) -> None:
    first, second = (make_step(JointStep, config) for _ in range(2))
    missing = torch.zeros(50, 3)
    assert torch.equal(first.hide(missing, 4), second.hide(missing, 4))
    assert not torch.equal(first.hide(missing, 4), first.hide(missing, 5))


def test_modality_dropout_hides_as_often_as_it_says_and_brings_nothing_back(config: Config) -> None:
    missing = torch.zeros(2000, 3)
    missing[:, 2] = 1
    hidden = make_step(JointStep, config).hide(missing, 0)
    often = config.joint.modality_dropout
    # Four standard errors of the share in 4000 draws.
    assert hidden[:, :2].mean().item() == pytest.approx(often, abs=4 * np.sqrt(often * (1 - often) / 4000))
    assert hidden[:, 2].all()


# What stops a step


def test_a_step_is_stopped_by_guidance_at_its_full_weight_from_the_first_epoch_on(
    start: Callable[[], StepRunner], cases: CaseDataset, config: Config
) -> None:
    guidance = GuidanceSettings(loss="mass_outside", weight=2.0, ramp_epochs=1000)
    run = start()
    run.step("step", ImagingStep, StepSettings(epochs=1, learning_rate=0.05), guidance)
    assert log(run, "step", "guidance") == [0]
    expected = stop_loss(run.network, cases, config, guidance)
    assert log(run, "step", STOP_LOSS) == pytest.approx([expected], rel=1e-5)


def test_a_step_ends_with_the_weights_of_its_best_epoch_and_not_of_its_last(
    start: Callable[[], StepRunner], cases: CaseDataset, config: Config
) -> None:
    run = start()
    run.config = with_patience(config, 2)
    run.step("step", ImagingStep, StepSettings(epochs=40, learning_rate=0.5), config.guidance)
    losses = log(run, "step", STOP_LOSS)
    assert len(losses) < 40
    assert min(losses) == losses[-3] < losses[-1]
    assert stop_loss(run.network, cases, config, config.guidance) == pytest.approx(min(losses), rel=1e-5)


def test_a_step_took_as_many_epochs_as_its_best_weights_needed(start: Callable[[], StepRunner], config: Config) -> None:
    run = start()
    run.config = with_patience(config, 2)
    run.step("step", BestSecond, StepSettings(epochs=5, learning_rate=0.1), config.guidance)
    assert epochs_taken(run.folder) == {"step": 2}


# Going on after a stop


def test_a_step_that_was_stopped_early_is_not_trained_on_when_a_later_one_is_resumed(
    start: Callable[[], StepRunner], config: Config
) -> None:
    weights = []
    for _ in range(2):
        run = start()
        run.config = with_patience(config, 2)
        run.step("step", BestSecond, StepSettings(epochs=5, learning_rate=0.1), config.guidance)
        weights.append(run.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_step_that_is_broken_off_ends_as_an_unbroken_one(
    start: Callable[[], StepRunner], config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_runner, "_CHECKPOINT_EPOCHS", 2)
    settings = StepSettings(epochs=6, learning_rate=0.1)
    with pytest.raises(PowerCut):
        start().step("broken", BrokenOff, settings, config.guidance)
    unbroken, resumed = start(), start()
    unbroken.step("unbroken", ImagingStep, settings, config.guidance)
    resumed.step("broken", ImagingStep, settings, config.guidance)
    assert resumed.network.state_dict().keys() == unbroken.network.state_dict().keys()
    for name, weight in unbroken.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_a_step_that_is_broken_off_took_as_many_epochs_as_an_unbroken_one(
    start: Callable[[], StepRunner], config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_runner, "_CHECKPOINT_EPOCHS", 3)
    settings = StepSettings(epochs=4, learning_rate=0.1)
    with pytest.raises(PowerCut):
        start().step("step", BestSecondBrokenOff, settings, config.guidance)
    # Resumed within the step, and once more when it was finished and a later one was broken off.
    for _ in range(2):
        run = start()
        run.step("step", BestSecond, settings, config.guidance)
        assert epochs_taken(run.folder) == {"step": 2}


def test_checkpoints_go_and_logs_stay(start: Callable[[], StepRunner], config: Config) -> None:
    run = start()
    run.step("step", GlobalStep, SHORT, None)
    assert list(run.folder.rglob("*.ckpt"))
    run.discard()
    assert not list(run.folder.rglob("*.ckpt"))
    assert len(log(run, "step", STOP_LOSS)) == SHORT.epochs
