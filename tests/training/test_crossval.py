"""Cross-validation: reproducible, resumable, nested, and blind to everything but I-SPY 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.progress import Progress

from tests.training.invented_cohorts import TARGETS
from training import step_runner
from training.cohorts import TABLE, Cohort, read_cohort
from training.config import Config
from training.crossval import Choice, CrossValidation, crossval
from training.recipes import FINAL_STAGE
from training.runfolder import RunFolder, RunFolderError
from training.steps import JointStep, SingleJointStep
from training.unit import HELD_OUT, PREDICTIONS, STOP, Unit


class PowerCut(BaseException):
    """Nothing that anything below would catch."""


def run_to_the_end(cohort: Cohort, config: Config, run: RunFolder, workers: int = 1) -> dict[str, bytes]:
    """All results of a run by their paths."""
    crossval(cohort, config, run, workers, Progress(disable=True))
    return results(run)


def results(run: RunFolder) -> dict[str, bytes]:
    paths = [run.out_of_fold, run.metrics, *(path for path in run.report.rglob("*") if path.is_file())]
    return {str(path.relative_to(run.root)): path.read_bytes() for path in paths}


def state(folder: Path) -> dict[str, int]:
    """When each file of a folder was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def turn_round(unit: Unit, part: str) -> None:
    """Turn the logits and labels of one part of what a unit predicted round."""
    table = unit.predictions()
    mine = (table["part"] == part) & (table["stage"] == FINAL_STAGE)
    table.loc[mine, "joint_logit"] *= -1
    table.loc[mine, "pcr"] = 1 - table.loc[mine, "pcr"]
    table.loc[mine & (table["patient"] % 4 == 0), "joint_logit"] += 1
    table.to_csv(unit.folder / PREDICTIONS, index=False)


# What it may learn from


def test_another_data_set_than_i_spy_2_is_refused_before_anything_is_written(
    cohort: Cohort, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="ISPY2 alone"):
        run_to_the_end(replace(cohort, dataset="ISPY1"), config, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_neither_other_data_sets_nor_the_number_of_workers_change_a_byte(
    own_run: RunFolder, own_cohort_folder: Path, config: Config
) -> None:
    expected, lost = results(own_run), own_run.root / "units" / "base" / "stepwise_guided" / "fold-0"
    predictions = {path: path.read_bytes() for path in lost.rglob(PREDICTIONS)}
    for folder in (lost, own_run.features):
        shutil.rmtree(folder)
    alter_other_data_sets(own_cohort_folder)
    altered = read_cohort(own_cohort_folder, "ISPY2", TARGETS)
    assert run_to_the_end(altered, config, own_run, workers=2) == expected
    assert {path: path.read_bytes() for path in lost.rglob(PREDICTIONS)} == predictions


def alter_other_data_sets(folder: Path) -> None:
    """I-SPY 1 with other labels and ages, one patient less and no files, and with NACT beside it."""
    table = pd.read_excel(folder / TABLE)
    foreign = table["dataset"] == "ISPY1"
    assert foreign.sum() == 4
    for patient_id in table.loc[foreign, "patient_id"]:
        shutil.rmtree(folder / "images" / patient_id)
    other = table[foreign].assign(pcr=1 - table.loc[foreign, "pcr"], age=30.0)
    nact = other.assign(dataset="NACT", patient_id=[f"NACT_{number:02d}" for number in range(4)])
    pd.concat([table[~foreign], other[1:], nact]).to_excel(folder / TABLE, index=False)


def test_a_run_reads_no_file_of_another_data_set(plan: CrossValidation, cohort_folder: Path) -> None:
    imaging = [patient.imaging for patient in plan.patients]
    read = {path for found in imaging if found for path in (*found.phases, found.region)}
    assert len(read) == 4 * len(plan.patients)
    assert all(path.name.startswith("ispy2_") for path in read)
    # Anything that opened those of I-SPY 1 would have failed.
    foreign = [path for path in cohort_folder.rglob("ispy1_*") if path.is_file()]
    assert {path.read_bytes() for path in foreign} == {b"not to be read"}


# Going on after a stop


def test_a_run_that_was_cut_off_within_steps_ends_as_an_unbroken_one(
    own_run: RunFolder, cohort: Cohort, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = results(own_run)
    for path in (
        own_run.report,
        *own_run.root.glob("units/base/stepwise_guided"),
        *own_run.root.glob("units/*/single_*"),
    ):
        shutil.rmtree(path)
    for path in (own_run.metrics, own_run.out_of_fold):
        path.unlink()
    monkeypatch.setattr(step_runner, "_CHECKPOINT_EPOCHS", 1)
    # Two batches an epoch and two epochs a step: within the second epoch of the second unit that comes there, at the
    # end of its last step among the attempts, and in the only one among the arms.
    for kind, name in ((JointStep, "priors"), (SingleJointStep, "anchor")):
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(kind, name, cut_off(getattr(kind, name), at=7))
            run_to_the_end(cohort, config, own_run)
        assert not own_run.metrics.exists()
    assert run_to_the_end(cohort, config, own_run) == expected


def cut_off(method: Callable[..., Any], at: int) -> Callable[..., Any]:
    """The method, with a power cut at one of its calls."""
    calls = iter(range(1, at + 1))

    def cut(*args: Any) -> Any:
        if next(calls) == at:
            raise PowerCut
        return method(*args)

    return cut


def test_finished_units_are_read_back_and_only_missing_ones_are_trained(
    own_run: RunFolder, cohort: Cohort, config: Config
) -> None:
    expected = results(own_run)
    lost = CrossValidation(cohort, config, own_run).attempt_units("base")[1].folder
    shutil.rmtree(lost)
    before = state(own_run.root / "units")
    own_run.metrics.unlink()
    assert run_to_the_end(cohort, config, own_run) == expected
    after = state(own_run.root / "units")
    assert {name: after[name] for name in before} == before
    assert {own_run.root / "units" / name for name in after.keys() - before.keys()} == set(files(lost))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_run_folder_of_other_settings_or_another_cohort_is_refused(
    finished: RunFolder, cohort: Cohort, config: Config
) -> None:
    for other_cohort, other_config in (
        (cohort, config.model_copy(update={"seed": 1})),
        (replace(cohort, patients=cohort.patients[1:]), config),
    ):
        with pytest.raises(RunFolderError, match="another run"):
            run_to_the_end(other_cohort, other_config, finished)


# The choice among attempts


def test_the_choice_knows_nothing_of_patients_as_they_are_judged(
    own_run: RunFolder, cohort: Cohort, config: Config
) -> None:
    plan = CrossValidation(cohort, config, own_run)
    before = plan.choice()
    for unit in (*plan.attempt_units("base"), *plan.attempt_units("fusion_plain")):
        turn_round(unit, HELD_OUT)
    assert plan.choice() == before


def test_the_choice_of_a_fold_follows_from_its_own_inner_validation_alone(
    own_run: RunFolder, cohort: Cohort, config: Config
) -> None:
    plan = CrossValidation(cohort, config, own_run)
    before = plan.choice()
    for unit in plan.attempt_units("base"):
        if unit.split.fold == "0":
            turn_round(unit, STOP)
    after = plan.choice()
    changed = {
        (attempt, fold)
        for attempt, losses in after.log_loss.items()
        for fold, loss in losses.items()
        if loss != before.log_loss[attempt][fold]
    }
    assert changed == {("base", "0")}
    assert after.of_fold("1") == before.of_fold("1")


def test_a_fold_takes_its_own_best_attempt_and_the_shipped_model_the_best_on_average() -> None:
    choice = Choice(log_loss={"base": {"0": 0.6, "1": 0.5}, "other": {"0": 0.5, "1": 0.7}})
    assert (choice.of_fold("0"), choice.of_fold("1"), choice.shipped) == ("other", "base", "base")


def test_every_arm_takes_the_attempt_that_its_fold_chose(plan: CrossValidation) -> None:
    choice = Choice(log_loss={"base": {"0": 0.6, "1": 0.5}, "fusion_plain": {"0": 0.5, "1": 0.7}})
    fusions = {(unit.split.fold, unit.config.network.fusion) for unit in plan.arm_units("single_guided", choice)}
    assert fusions == {("0", "plain"), ("1", "residual")}
