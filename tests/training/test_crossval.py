"""Cross-validation: reproducible, resumable, and blind to everything but I-SPY 2 and to held-out patients."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.progress import Progress

from training import fold as fold_module
from training.cohorts import Cohort
from training.config import Config
from training.crossval import crossval, prepare_folds
from training.data import Batch, CellDataset
from training.runfolder import RunFolder, RunFolderError
from training.steps import MultimodalStep


def test_every_patient_is_predicted_once_by_a_network_that_never_saw_her(finished: RunFolder, cohort: Cohort) -> None:
    table = pd.read_csv(finished.out_of_fold)
    assert table["patient_id"].tolist() == [patient.patient_id for patient in cohort.imaged]
    assert table["pcr"].tolist() == [int(bool(patient.pcr)) for patient in cohort.imaged]


def test_labels_of_held_out_patients_do_not_reach_their_fold(
    finished: RunFolder, cohort: Cohort, config: Config, tmp_path: Path
) -> None:
    data = prepare_folds(cohort, config, finished, Progress(disable=True))[0]
    label = data.dataset.rows.label.clone()
    label[data.held_out] = 1 - label[data.held_out]
    blind = replace(data, dataset=CellDataset(data.dataset.cached, replace(data.dataset.rows, label=label)))
    columns = ["joint_logit", "imaging_logit", "clinical_logit", "attention_inside"]
    got = fold_module.run_fold(blind, config, tmp_path, lambda _: None)[columns]
    expected = pd.read_csv(finished.fold(0) / "predictions.csv")[columns]
    assert got.to_numpy() == pytest.approx(expected.to_numpy())


def test_the_same_seed_gives_the_same_metrics(
    finished: RunFolder, cohort: Cohort, config: Config, tmp_path: Path
) -> None:
    again = RunFolder(tmp_path / "again")
    crossval(cohort, config, again, Progress(disable=True))
    assert again.metrics.read_text() == finished.metrics.read_text()
    assert again.out_of_fold.read_text() == finished.out_of_fold.read_text()


def test_a_run_that_was_stopped_within_a_step_ends_as_an_unbroken_one(
    finished: RunFolder, cohort: Cohort, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr(fold_module, "_CHECKPOINT_EPOCHS", 1)
    objective = MultimodalStep.objective
    batches = iter(range(100))

    def stopped(self: MultimodalStep, batch: Batch) -> dict[str, torch.Tensor]:
        # Two batches an epoch, two epochs a fold: the first fold and one epoch of the second pass.
        if next(batches) == 7:
            raise RuntimeError("power cut")
        return objective(self, batch)

    monkeypatch.setattr(MultimodalStep, "objective", stopped)
    with pytest.raises(RuntimeError, match="power cut"):
        crossval(cohort, config, run, Progress(disable=True))
    assert not run.metrics.exists()
    monkeypatch.setattr(MultimodalStep, "objective", objective)
    crossval(cohort, config, run, Progress(disable=True))
    assert run.metrics.read_text() == finished.metrics.read_text()


def test_finished_folds_are_read_back(finished: RunFolder, cohort: Cohort, config: Config, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(finished.root, copy.root)
    shutil.rmtree(copy.fold(0) / "1-global")
    copy.metrics.unlink()
    crossval(cohort, config, copy, Progress(disable=True))
    assert not (copy.fold(0) / "1-global").exists()
    assert copy.metrics.read_text() == finished.metrics.read_text()


def test_a_run_folder_of_other_settings_is_refused(finished: RunFolder, cohort: Cohort, config: Config) -> None:
    with pytest.raises(RunFolderError, match="another run"):
        crossval(cohort, config.model_copy(update={"seed": 1}), finished, Progress(disable=True))


def test_another_data_set_than_i_spy_2_is_refused(cohort: Cohort, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ISPY2 alone"):
        crossval(replace(cohort, dataset="ISPY1"), config, RunFolder(tmp_path / "run"), Progress(disable=True))
    assert not (tmp_path / "run").exists()
