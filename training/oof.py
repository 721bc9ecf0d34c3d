"""Out-of-fold predictions: each patient judged by the networks of the fold that held her out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.calibration import Line, fit_line
from training.statistics import youden_threshold
from training.unit import HELD_OUT, STOP, Unit

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def out_of_fold(units: Sequence[Unit], stage: str) -> pd.DataFrame:
    """One row a patient, index `patient` rising: the mean over the members of every column, and `logit_<member>` of
    each member's joint logit."""
    table = _part(units, HELD_OUT, stage)
    means = table.drop(columns="member").groupby("patient").mean(numeric_only=True)
    for name in ("joint_logit", "imaging_logit"):
        each = table.pivot(index="patient", columns="member", values=name)
        means = means.join(each.add_prefix(f"{name}_"))
    return means.assign(pcr=means["pcr"].astype(int), fold=table.groupby("patient")["fold"].first().astype(str))


def stopping_log_loss(units: Sequence[Unit], stage: str) -> float:
    """Log loss of the joint answer on the inner validation of one fold's members, after one Platt line over all."""
    return joint_log_loss(_part(units, STOP, stage))


def joint_log_loss(table: pd.DataFrame) -> float:
    """Log loss of the joint logits of a table of predictions, after one Platt line over all."""
    logit, label = table["joint_logit"].to_numpy(float), table["pcr"].to_numpy(bool)
    return log_loss(fit_line(logit, label).probability(logit), label)


def log_loss(probability: Floats, label: Flags) -> float:
    """Mean negative log likelihood."""
    return float(-np.log(np.where(label, probability, 1 - probability)).mean())


def cross_fitted(logit: Floats, label: Flags, fold: npt.NDArray[np.str_]) -> tuple[Floats, Flags]:
    """Calibrated probability and whether it reaches the threshold; line and threshold of a patient's fold are fitted
    on the out-of-fold logits of the other folds."""
    probability, above = np.empty(len(logit)), np.empty(len(logit), dtype=bool)
    for name in np.unique(fold):
        mine = fold == name
        line: Line = fit_line(logit[~mine], label[~mine])
        threshold = youden_threshold(label[~mine], line.probability(logit[~mine]))
        probability[mine] = line.probability(logit[mine])
        above[mine] = probability[mine] >= threshold
    return probability, above


def _part(units: Sequence[Unit], part: str, stage: str) -> pd.DataFrame:
    table = pd.concat([unit.predictions() for unit in units], ignore_index=True)
    return table[(table["part"] == part) & (table["stage"] == stage)].drop(columns=["part", "stage"])
