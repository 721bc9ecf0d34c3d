"""The arms of the comparison: all of them are there, and each is what its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.arms import AGAINST, IMAGING_ARMS, OURS, imaging_result
from training.crossval import CrossValidation
from training.oof import out_of_fold
from training.recipes import RECIPES
from training.report import ArmResult
from training.runfolder import RunFolder


@pytest.fixture(scope="module")
def results(plan: CrossValidation) -> dict[str, ArmResult]:
    """Arms with images by key."""
    choice = plan.choice()
    arms = [imaging_result(arm, plan.arm_units(arm.recipe, choice), plan.patients) for arm in IMAGING_ARMS]
    return {arm.key: arm for arm in arms}


def keys(path: Path) -> list[str]:
    return pd.read_csv(path, dtype={"arm": str})["arm"].tolist()


def test_all_arms_are_in_the_report_and_both_kinds_are_judged_by_sites(finished: RunFolder) -> None:
    assert keys(finished.report / "arms.csv") == ["1", "1+size", "2", "3", "4", "5", "6", "7", "treat_all"]
    assert keys(finished.report / "sites" / "arms.csv") == ["3", "7", "treat_all"]
    assert {OURS, *AGAINST} <= set(keys(finished.report / "arms.csv"))


def test_every_recipe_is_that_of_an_arm() -> None:
    assert {arm.recipe for arm in IMAGING_ARMS} == set(RECIPES)


def test_an_arm_is_judged_by_its_own_stage_and_logit(results: dict[str, ArmResult], plan: CrossValidation) -> None:
    choice = plan.choice()
    for arm in IMAGING_ARMS:
        table = out_of_fold(plan.arm_units(arm.recipe, choice), arm.stage)
        members = [table[f"{arm.logit}_{member}"].to_numpy() for member in range(plan.config.members)]
        assert np.array_equal(results[arm.key].seed_logits, members)
        assert np.mean(members, axis=0) == pytest.approx(table[arm.logit].to_numpy())


def test_images_alone_are_another_answer_than_images_and_clinical_variables(results: dict[str, ArmResult]) -> None:
    assert not np.allclose(results["6"].column("logit_0"), results["7"].column("logit_0"))


def test_every_arm_is_of_all_patients_in_one_order(results: dict[str, ArmResult], plan: CrossValidation) -> None:
    ids = [patient.patient_id for patient in plan.patients]
    for result in (*results.values(), *plan.baselines()):
        assert result.table["patient_id"].tolist() == ids
        assert result.table["fold"].nunique() == plan.config.folds
