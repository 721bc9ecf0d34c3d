"""A refit: trained on everyone whom it does not judge, for as long as stopped networks took, and preferred fairly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.invented_cases import make_patients, make_rows
from training import refit
from training.config import Config
from training.crossval import CrossValidation
from training.recipes import FINAL_STAGE
from training.refit import (
    Preference,
    preference,
    refit_config,
    refit_of,
    refit_on_all,
    trial_ensemble,
    trial_refit,
)
from training.runfolder import RunFolder
from training.splits import Split, nested_splits
from training.unit import HELD_OUT, PREDICTIONS, STOP, Unit

PATIENTS = make_patients(90, 90)


@pytest.fixture(scope="module")
def members(config: Config) -> list[Split]:
    """The splits of one outer fold."""
    settings = config.model_copy(update={"folds": 3, "members": 4})
    return [split for split in nested_splits(PATIENTS, make_rows(5), settings) if split.fold == "1"]


def known(split: Split) -> set[int]:
    """Patients that are trained on, or stop the training."""
    return {*split.fit.tolist(), *split.stop.tolist()}


# Splits


def test_neither_trial_knows_the_inner_fold_that_it_is_judged_on_or_anybody_of_the_outer_fold(
    members: list[Split],
) -> None:
    judged, outer = set(members[0].stop.tolist()), set(members[0].held_out.tolist())
    for trial in (*trial_ensemble(members), *trial_refit(members)):
        assert set(trial.held_out.tolist()) == judged
        assert known(trial) == set(range(90)) - judged - outer


def test_every_other_inner_fold_stops_one_member_of_the_trial_ensemble(members: list[Split]) -> None:
    stops = [set(trial.stop.tolist()) for trial in trial_ensemble(members)]
    assert stops == [set(member.stop.tolist()) for member in members[1:]]


def test_a_refit_is_trained_on_everyone_whom_it_does_not_judge_and_stopped_by_nobody(members: list[Split]) -> None:
    for split, member in zip(refit_of(members), members, strict=True):
        assert np.array_equal(split.held_out, member.held_out)
        assert known(split) == set(range(90)) - set(member.held_out.tolist())
        assert not len(split.stop)


def test_the_shipped_refit_is_trained_on_everyone(members: list[Split]) -> None:
    for split in refit_on_all(members):
        assert (known(split), len(split.stop), len(split.held_out)) == (set(range(90)), 0, 0)


def test_members_of_a_refit_differ_in_their_seeds(members: list[Split]) -> None:
    for splits in (trial_refit(members), refit_of(members), refit_on_all(members)):
        assert [split.member for split in splits] == [0, 1, 2, 3]


def test_no_two_trainings_share_a_folder(config: Config, members: list[Split], tmp_path: Path) -> None:
    kinds = (members, trial_ensemble(members), trial_refit(members), refit_of(members), refit_on_all(members))
    splits = [split for kind in kinds for split in kind]
    assert len({RunFolder(tmp_path).unit("base", "stepwise_guided", split) for split in splits}) == len(splits)


# Length


def test_a_refit_takes_the_mean_length_of_each_step_of_those_that_were_stopped(
    plan: CrossValidation, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = plan.attempt_units("base")[:2]
    taken = {units[0].folder: (2, 10, 7), units[1].folder: (4, 20, 8)}
    steps = ("1-global", "2-attention", "4-multimodal")
    monkeypatch.setattr(refit, "epochs_taken", lambda folder: dict(zip(steps, taken[folder], strict=True)))
    found = refit_config(units[0].config, units)
    assert (found.steps.global_.epochs, found.steps.guided.epochs) == (3, 15)
    assert found.steps.multimodal.epochs in (7, 8)
    assert found.model_copy(update={"steps": units[0].config.steps}) == units[0].config


def test_a_refit_goes_through_all_its_epochs_and_predicts_whom_it_judges(plan: CrossValidation) -> None:
    unit = plan.trial_refits(plan.choice().shipped)[0][0]
    table = unit.predictions()
    assert set(table["part"]) == {HELD_OUT}
    log = pd.read_csv(unit.folder / "2-attention" / "csv-0" / "metrics.csv")
    assert log["epoch"].max() + 1 == unit.config.steps.guided.epochs


# Preference


def finished_unit(unit: Unit, folder: Path, strength: float) -> Unit:
    """A unit whose joint logit tells the label with this strength."""
    patients = np.arange(90)
    label = np.asarray([bool(patient.pcr) for patient in PATIENTS])
    joint = strength * label + np.random.default_rng(0).normal(size=90)
    table = pd.DataFrame({"patient": patients, "fold": "0", "member": unit.split.member, "pcr": label.astype(int)})
    table = table.assign(joint_logit=joint, imaging_logit=0.0, part=HELD_OUT, stage=FINAL_STAGE)
    folder.mkdir()
    pd.concat([table, table.assign(part=STOP, joint_logit=-joint)]).to_csv(folder / PREDICTIONS, index=False)
    return replace(unit, folder=folder)


@pytest.mark.parametrize(("ensemble", "single", "kind"), [(2.0, 0.5, "ensemble"), (0.5, 2.0, "refit")])
def test_the_way_that_judges_better_is_preferred(
    ensemble: float, single: float, kind: str, plan: CrossValidation, tmp_path: Path
) -> None:
    units: Sequence[Unit] = plan.attempt_units("base")
    found = preference(
        [[finished_unit(units[0], tmp_path / "ensemble", ensemble)]],
        [[finished_unit(units[0], tmp_path / "refit", single)]],
    )
    assert found.kind == kind


def test_an_ensemble_is_shipped_where_both_are_as_good() -> None:
    assert Preference(ensemble=0.5, refit=0.5).kind == "ensemble"


def test_what_is_shipped_is_of_the_kind_that_was_preferred(plan: CrossValidation) -> None:
    attempt = plan.choice().shipped
    assert len(plan.shipped_units(attempt, "ensemble")) == plan.config.folds * plan.config.members
    everyone = len(plan.patients)
    assert [len(known(unit.split)) for unit in plan.shipped_units(attempt, "refit")] == plan.config.members * [everyone]
    judged = np.concatenate([unit.split.held_out for unit in plan.judged_units(attempt, "refit")])
    assert sorted(judged) == sorted(plan.config.members * list(range(everyone)))
