"""Cross-validation on the development data set: out-of-fold predictions, calibration, threshold and figures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import Progress

from training.calibration import Calibration, fit_line
from training.cohorts import DEVELOPMENT, Cohort
from training.config import Config
from training.data import CellDataset, clinical_rows
from training.features import cached_cells
from training.figures import measure
from training.fold import FoldData, epochs_per_fold, run_fold
from training.folds import assign_folds
from training.runfolder import RunFolder
from training.statistics import Resampling, youden_threshold

# The columns of probabilities and the logits that they come from.
_LOGITS = {"probability": "joint", "imaging_probability": "imaging", "clinical_probability": "clinical"}


def crossval(cohort: Cohort, config: Config, run: RunFolder, progress: Progress) -> dict[str, Any]:
    """Train every fold that is not finished yet, and write `out_of_fold.csv` and `metrics.json`.

    Raises:
        ValueError: the cohort is not the development data set.
    """
    if cohort.dataset != DEVELOPMENT:
        raise ValueError(f"crossval learns from {DEVELOPMENT} alone, not from {cohort.dataset}")
    run.claim(config, cohort)
    folds = prepare_folds(cohort, config, run, progress)
    task = progress.add_task("Epochs of all folds", total=config.folds * epochs_per_fold(config))
    predictions = [
        run_fold(data, config, run.fold(data.fold), lambda epochs: progress.advance(task, epochs)) for data in folds
    ]
    return summarise(pd.concat(predictions, ignore_index=True), config, run)


def prepare_folds(cohort: Cohort, config: Config, run: RunFolder, progress: Progress) -> list[FoldData]:
    """What each fold may see, with the cells of the backbone, which are computed unless the run folder has them."""
    patients = cohort.imaged
    task = progress.add_task("Cells of the frozen backbone", total=len(patients))
    cached = cached_cells(run.features, patients, config, lambda: progress.advance(task))
    progress.update(task, completed=len(patients))
    dataset = CellDataset(cached, clinical_rows(patients, config.clinical.variables))
    rows_only = clinical_rows(cohort.rows_only, config.clinical.variables)
    held_out = assign_folds(patients, config.folds, config.seed)
    return [
        FoldData(
            fold=fold,
            dataset=dataset,
            train=np.flatnonzero(held_out != fold),
            held_out=np.flatnonzero(held_out == fold),
            rows_only=rows_only,
        )
        for fold in range(config.folds)
    ]


def summarise(predictions: pd.DataFrame, config: Config, run: RunFolder) -> dict[str, Any]:
    """Calibrate out-of-fold logits, choose the threshold, and measure; writes both files and returns the figures."""
    table = predictions.sort_values("patient_id", ignore_index=True)
    label = table["pcr"].to_numpy(dtype=bool)
    calibration = Calibration(
        **{name: fit_line(table[f"{name}_logit"].to_numpy(float), label) for name in _LOGITS.values()}
    )
    for column, name in _LOGITS.items():
        table[column] = getattr(calibration, name).probability(table[f"{name}_logit"].to_numpy(float))
    threshold = youden_threshold(label, table["probability"].to_numpy(float))
    resampling = Resampling.draw(len(table), config.bootstrap, config.seed)
    metrics = {
        "patients": len(table),
        "responders": int(label.sum()),
        "threshold": round(threshold, 4),
        "calibration": calibration.plain(),
        "figures": {name: estimate.plain() for name, estimate in measure(table, label, threshold, resampling).items()},
    }
    table.to_csv(run.out_of_fold, index=False, float_format="%.6f")
    run.metrics.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    return metrics
