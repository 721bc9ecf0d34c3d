"""Out of fold: a patient's probability and threshold owe nothing to the labels of her own fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from tests.training.invented_cases import make_split
from training.config import Config
from training.oof import cross_fitted, log_loss, out_of_fold, stopping_log_loss
from training.recipes import FINAL_STAGE, IMAGING_STAGE
from training.unit import HELD_OUT, PREDICTIONS, STOP, Unit

PATIENTS, FOLDS, MEMBERS = 60, 5, 2
LABEL = np.arange(PATIENTS) % 3 == 0
LOGIT = np.random.default_rng(0).normal(size=PATIENTS) + LABEL
FOLD = (np.arange(PATIENTS) % FOLDS).astype(str)


# Calibration and threshold


@pytest.mark.parametrize("name", np.unique(FOLD))
def test_probability_and_threshold_of_a_fold_do_not_depend_on_its_labels(name: str) -> None:
    mine = name == FOLD
    probability, above = cross_fitted(LOGIT, LABEL, FOLD)
    flipped_probability, flipped_above = cross_fitted(LOGIT, LABEL ^ mine, FOLD)
    assert np.array_equal(probability[mine], flipped_probability[mine])
    assert np.array_equal(above[mine], flipped_above[mine])
    assert not np.array_equal(probability[~mine], flipped_probability[~mine])


def test_within_a_fold_the_probability_follows_the_logit_and_the_threshold() -> None:
    probability, above = cross_fitted(LOGIT, LABEL, FOLD)
    for name in np.unique(FOLD):
        mine = name == FOLD
        assert np.array_equal(np.argsort(probability[mine]), np.argsort(LOGIT[mine]))
        assert probability[mine & above].min() > probability[mine & ~above].max()


def test_log_loss_is_scikit_learns() -> None:
    probability = np.linspace(0.05, 0.95, PATIENTS)
    assert log_loss(probability, LABEL) == pytest.approx(sklearn_log_loss(LABEL, probability))


# Units


@pytest.fixture
def units(config: Config, tmp_path: Path) -> list[Unit]:
    """Finished units of all folds and members, each with invented predictions of both stages."""
    split = make_split()
    return [
        finished_unit(
            Unit(
                recipe="stepwise_guided",
                config=config,
                split=replace(split, fold=str(fold), member=member),
                folder=tmp_path / str(fold) / str(member),
                cache=tmp_path,
                rows=split.rows_only,
            )
        )
        for fold in range(FOLDS)
        for member in range(MEMBERS)
    ]


def finished_unit(unit: Unit) -> Unit:
    fold, member = unit.split.fold, unit.split.member
    judged = np.flatnonzero(fold == FOLD)
    stop = np.setdiff1d(np.arange(PATIENTS), judged)[member::MEMBERS]
    tables = [
        pd.DataFrame(
            {
                "patient": patients,
                "fold": fold,
                "member": member,
                "pcr": LABEL[patients].astype(int),
                "joint_logit": LOGIT[patients] + member - (stage == IMAGING_STAGE),
                "imaging_logit": LOGIT[patients] - member,
                "part": part,
                "stage": stage,
            }
        )
        for part, patients in ((HELD_OUT, judged), (STOP, stop))
        for stage in (IMAGING_STAGE, FINAL_STAGE)
    ]
    unit.folder.mkdir(parents=True)
    pd.concat(tables).to_csv(unit.folder / PREDICTIONS, index=False)
    return unit


def test_every_patient_is_judged_once_by_the_mean_of_the_members_of_her_fold(units: list[Unit]) -> None:
    table = out_of_fold(units, FINAL_STAGE)
    assert table.index.tolist() == list(range(PATIENTS))
    assert table["joint_logit"].to_numpy() == pytest.approx(LOGIT + 0.5)
    assert table["imaging_logit_1"].to_numpy() == pytest.approx(LOGIT - 1)
    assert table["fold"].tolist() == FOLD.tolist()
    assert table["pcr"].tolist() == LABEL.astype(int).tolist()


def test_stages_are_not_mixed(units: list[Unit]) -> None:
    final, imaging = (out_of_fold(units, stage)["joint_logit"] for stage in (FINAL_STAGE, IMAGING_STAGE))
    assert (final - imaging).to_numpy() == pytest.approx(np.ones(PATIENTS))


def test_the_stopping_log_loss_of_a_fold_is_that_of_its_stop_part_and_of_nobody_who_is_judged(
    units: list[Unit],
) -> None:
    mine = [unit for unit in units if unit.split.fold == "0"]
    before = stopping_log_loss(mine, FINAL_STAGE)
    change(mine[0], HELD_OUT)
    assert stopping_log_loss(mine, FINAL_STAGE) == before
    change(mine[0], STOP)
    assert stopping_log_loss(mine, FINAL_STAGE) > before


def change(unit: Unit, part: str) -> None:
    """Turn the joint logits of one part round."""
    table = unit.predictions()
    table.loc[table["part"] == part, "joint_logit"] *= -1
    table.to_csv(unit.folder / PREDICTIONS, index=False)
