"""What the shipped model takes from the out-of-fold predictions: calibration, threshold and figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.calibration import Calibration, fit_line
from training.cohorts import Patient
from training.config import Config
from training.figures import measure
from training.oof import cross_fitted, out_of_fold
from training.recipes import FINAL_STAGE
from training.runfolder import RunFolder
from training.statistics import Resampling, youden_threshold
from training.unit import Unit

# The columns of probabilities and the logits that they come from.
_LOGITS = {"probability": "joint", "imaging_probability": "imaging", "clinical_probability": "clinical"}


def summarise(units: Sequence[Unit], patients: Sequence[Patient], config: Config, run: RunFolder) -> dict[str, Any]:
    """Calibration and threshold of the shipped model, from all its out-of-fold logits; and its figures.

    The figures are of probabilities and a threshold that are cross-fitted, so none is of a line that saw the patient.
    """
    table = out_of_fold(units, FINAL_STAGE)
    table.insert(0, "patient_id", [patients[index].patient_id for index in table.index])
    table["age"] = [patients[index].age_years for index in table.index]
    label, fold = table["pcr"].to_numpy(bool), table["fold"].to_numpy(str)
    logits = {name: table[f"{name}_logit"].to_numpy(float) for name in _LOGITS.values()}
    calibration = Calibration(**{name: fit_line(logit, label) for name, logit in logits.items()})
    threshold = round(youden_threshold(label, calibration.joint.probability(logits["joint"])), 4)
    for column, name in _LOGITS.items():
        table[column], above = cross_fitted(logits[name], label, fold)
        table[column.replace("probability", "above")] = above
    resampling = Resampling.draw(len(table), config.bootstrap, config.seed)
    figures = measure(table, label, table["above"].to_numpy(bool), resampling)
    table.to_csv(run.out_of_fold, index=False, float_format="%.6f")
    return {
        "patients": len(table),
        "responders": int(label.sum()),
        "threshold": threshold,
        "calibration": calibration.plain(),
        "figures": {name: estimate.plain() for name, estimate in figures.items()},
    }
