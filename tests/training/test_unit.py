"""One training: what it knows, what it leaves, and that it is done once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.invented_cases import make_cases, make_network, make_split
from training.backbones import make_backbone
from training.config import Config
from training.crossval import CrossValidation
from training.features import Cache
from training.networks import Inputs
from training.recipes import FINAL_STAGE
from training.unit import HELD_OUT, NETWORK, STOP, Unit, copies, predict, read_network, run_unit

LOGITS = ["joint_logit", "imaging_logit", "clinical_logit"]


@pytest.fixture
def unit(plan: CrossValidation, tmp_path: Path) -> Unit:
    """A unit that is not trained yet."""
    return replace(plan.attempt_units("base")[0], folder=tmp_path / "unit")


def of_part(table: pd.DataFrame, part: str, stage: str = FINAL_STAGE) -> pd.DataFrame:
    return table[(table["part"] == part) & (table["stage"] == stage)].reset_index(drop=True)


def trained(unit: Unit) -> pd.DataFrame:
    run_unit(unit)
    return unit.predictions()


def other_coverage(unit: Unit, folder: Path) -> Unit:
    """The unit with every tumour region in the opposite part of its window."""
    cache = Cache.read(unit.cache)
    folder.mkdir()
    np.save(folder / "inputs.npy", cache.inputs)
    np.save(folder / "boxes_mm.npy", cache.boxes_mm)
    np.save(folder / "coverage.npy", 1 - cache.coverage)
    return replace(unit, cache=folder)


# What it knows


def test_labels_of_held_out_patients_do_not_reach_the_network_of_their_fold(plan: CrossValidation, unit: Unit) -> None:
    label = unit.rows.label.clone()
    label[unit.split.held_out] = 1 - label[unit.split.held_out]
    blind = trained(replace(unit, rows=replace(unit.rows, label=label)))
    known = plan.attempt_units("base")[0].predictions()
    assert not blind["pcr"].equals(known["pcr"])
    pd.testing.assert_frame_equal(blind.drop(columns="pcr"), known.drop(columns="pcr"), check_exact=True)


def test_labels_of_the_patients_that_are_trained_on_do_reach_it(plan: CrossValidation, unit: Unit) -> None:
    label = unit.rows.label.clone()
    label[unit.split.fit] = 1 - label[unit.split.fit]
    known = plan.attempt_units("base")[0].predictions()
    assert not np.allclose(trained(replace(unit, rows=replace(unit.rows, label=label)))[LOGITS], known[LOGITS])


def test_an_arm_of_images_alone_knows_no_clinical_value(plan: CrossValidation, unit: Unit) -> None:
    choice = plan.choice()
    known = plan.arm_units("single_imaging", choice)[0]
    blind = replace(known, folder=unit.folder, rows=replace(known.rows, values=1 - known.rows.values))
    assert trained(blind)["imaging_logit"].equals(known.predictions()["imaging_logit"])


@pytest.mark.parametrize(("recipe", "same"), [("single_unguided", True), ("single_guided", False)])
def test_only_a_guided_arm_is_told_where_the_tumour_is(
    recipe: str, same: bool, plan: CrossValidation, unit: Unit, tmp_path: Path
) -> None:
    known = plan.arm_units(recipe, plan.choice())[0]
    blind = other_coverage(replace(known, folder=unit.folder), tmp_path / "cache")
    assert trained(blind)[LOGITS].equals(known.predictions()[LOGITS]) is same


# What it leaves


def test_both_parts_are_predicted_once_a_stage(plan: CrossValidation) -> None:
    for unit in plan.attempt_units("base"):
        table = unit.predictions()
        for stage in table["stage"].unique():
            assert of_part(table, HELD_OUT, stage)["patient"].tolist() == unit.split.held_out.tolist()
            assert of_part(table, STOP, stage)["patient"].tolist() == unit.split.stop.tolist()


def test_the_network_that_is_kept_is_the_one_that_predicted(plan: CrossValidation) -> None:
    unit = plan.attempt_units("fusion_plain")[1]
    network, cache, judged = read_network(unit), Cache.read(unit.cache), unit.split.held_out
    rows = unit.rows[judged]
    components = network.encoder(torch.from_numpy(cache.inputs[judged, 0].astype(np.float32)))
    lesion = cache.lesion(unit.config.lesion)[judged, 0]
    output = network.head(Inputs(components, rows.values, rows.missing, lesion))
    expected = of_part(unit.predictions(), HELD_OUT)
    assert output.joint.numpy() == pytest.approx(expected["joint_logit"].to_numpy(), abs=1e-5)
    assert output.imaging.numpy() == pytest.approx(expected["imaging_logit"].to_numpy(), abs=1e-5)


def test_a_finished_unit_keeps_its_logs_and_no_checkpoint(plan: CrossValidation) -> None:
    for unit in plan.attempt_units("base"):
        assert not list(unit.folder.rglob("*.ckpt"))
        assert len(list(unit.folder.rglob("metrics.csv"))) == 4


def test_a_finished_unit_is_not_trained_again(plan: CrossValidation, unit: Unit) -> None:
    trained(unit)
    (unit.folder / NETWORK).unlink()
    run_unit(unit)
    assert not (unit.folder / NETWORK).exists()


# Scoring


def test_shifted_copies_are_scored_and_never_trained_on(config: Config) -> None:
    settings = config.model_copy(
        update={"augmentation": config.augmentation.model_copy(update={"shifted": 2, "altered": 3})}
    )
    shifted, trained_on = copies(settings)
    assert shifted.tolist() == [1, 2]
    assert trained_on.tolist() == [0, 3, 4, 5]


def test_attention_and_prior_are_judged_on_the_same_displaced_copies(plan: CrossValidation, config: Config) -> None:
    cases, split = make_cases(config), make_split()
    unit = replace(plan.attempt_units("base")[0], split=split)
    table = predict(make_network(config).eval(), cases, split.held_out, unit)
    coverage = cases.cache.coverage
    often = coverage[split.fit, 1].mean(axis=0)
    expected = coverage[split.held_out, 1][:, often == often.max()].mean(axis=1)
    assert table["prior_inside_shifted"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert table["box_share"].to_numpy() == pytest.approx(1 / 4)
    assert not np.allclose(table["attention_inside_shifted"], table["attention_inside"])


# A backbone that learns


def test_a_fine_tuned_backbone_is_no_longer_what_it_was(fine_tuned: Unit) -> None:
    before = make_backbone(fine_tuned.config.network.backbone).state_dict()
    after = read_network(fine_tuned).encoder[0].state_dict()
    weights = [name for name in before if name.endswith("weight")]
    assert weights
    assert not any(torch.equal(before[name], after[name]) for name in weights)


def test_a_fine_tuned_network_is_kept_as_it_predicted(fine_tuned: Unit) -> None:
    network, cache, judged = read_network(fine_tuned), Cache.read(fine_tuned.cache), fine_tuned.split.held_out
    rows = fine_tuned.rows[judged]
    components = network.encoder(torch.from_numpy(cache.inputs[judged, 0].astype(np.float32)))
    output = network.head(
        Inputs(components, rows.values, rows.missing, cache.lesion(fine_tuned.config.lesion)[judged, 0])
    )
    expected = of_part(fine_tuned.predictions(), HELD_OUT)
    assert output.joint.numpy() == pytest.approx(expected["joint_logit"].to_numpy(), abs=1e-4)
