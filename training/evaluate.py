"""Scores a finished model folder on a cohort, through its ONNX file and the application's own preparation alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from rich.progress import Progress

from pcr.clinical import encode
from pcr.crop import normalise
from pcr.model import PcrModel, load_model
from training.cohorts import DEVELOPMENT, Cohort, Crop, Patient, load_crop
from training.features import cell_coverage
from training.figures import measure
from training.statistics import Resampling

_BOOTSTRAP = 2000
_SEED = 0
COLUMNS = (
    "patient_id",
    "dataset",
    "pcr",
    "probability",
    "imaging_probability",
    "clinical_probability",
    "attention_inside",
)


def evaluate(model_folder: Path, cohort: Cohort, out: Path, ledger: Path, progress: Progress) -> dict[str, Any]:
    """Predict every labelled patient with images; write `predictions.csv` and `metrics.json`, and append to the ledger.

    The ledger is written before anything is scored: a look at a cohort counts, also when it is broken off.
    """
    model = load_model(model_folder, "cpu")
    patients = cohort.imaged
    _append(ledger, model, cohort)
    task = progress.add_task(f"Scoring {cohort.dataset}", total=len(patients))
    rows = []
    for patient in patients:
        rows.append(_score(model, patient))
        progress.advance(task)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    label = table["pcr"].to_numpy(dtype=bool)
    threshold = model.manifest.threshold.value
    estimates = measure(table, label, threshold, Resampling.draw(len(table), _BOOTSTRAP, _SEED))
    metrics = {
        "model": {"name": model.folder.name, "version": model.folder.version, "sha256": model.manifest.onnx.sha256},
        "dataset": cohort.dataset,
        "protocol": _protocol(cohort),
        "patients": len(table),
        "responders": int(label.sum()),
        "threshold": threshold,
        "figures": {name: estimate.plain() for name, estimate in estimates.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "predictions.csv", index=False, float_format="%.6f")
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    return metrics


def _score(model: PcrModel, patient: Patient) -> tuple[str, str, int, float, float, float, float]:
    if patient.imaging is None or patient.pcr is None:
        raise ValueError(f"{patient.patient_id} has no images or no label")
    crop = load_crop(patient.imaging, model.manifest.crop.slices)
    image = normalise(crop.pixels, model.manifest.normalisation)
    prediction = model.predict(image[None], encode(patient.clinical, model.manifest.clinical))
    return (
        patient.patient_id,
        patient.dataset,
        int(patient.pcr),
        prediction.probability,
        prediction.imaging_probability,
        prediction.clinical_probability,
        _inside(prediction.attention[0], crop),
    )


def _inside(attention: npt.NDArray[np.float32], crop: Crop) -> float:
    """Share of the attention [S, R, C] inside the region; a cell counts by the part of it that is covered."""
    coverage = cell_coverage(torch.from_numpy(crop.region), *attention.shape[1:])
    return float((attention * coverage.numpy()).sum())


def _protocol(cohort: Cohort) -> str:
    if cohort.dataset == DEVELOPMENT:
        return "resubstitution: the model was trained on these patients, so this checks the folder and is no evidence"
    return "external: given the expert's box"


def _append(ledger: Path, model: PcrModel, cohort: Cohort) -> None:
    entry = {
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model.folder.name,
        "version": model.folder.version,
        "sha256": model.manifest.onnx.sha256,
        "dataset": cohort.dataset,
        "patients": len(cohort.imaged),
    }
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
