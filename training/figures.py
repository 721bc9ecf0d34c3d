"""Figures of merit of a table of predictions, the same for out-of-fold predictions and for a finished model's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.statistics import Estimate, Resampling

PROBABILITIES = ("probability", "imaging_probability", "clinical_probability")
_ATTENTION = ("attention_inside", "attention_inside_displaced", "region_share")


def measure(
    table: pd.DataFrame, label: npt.NDArray[np.bool_], threshold: float, resampling: Resampling
) -> dict[str, Estimate]:
    """AUC and Brier score of each probability, operating point of the joint one, and means of the attention columns.

    `table` has the columns of PROBABILITIES and any of the attention columns; `label` is true for responders.
    """
    everyone = np.ones(len(table), dtype=bool)
    above = (table["probability"].to_numpy(float) >= threshold).astype(float)
    result = {f"auc_{name}": resampling.auc(label, table[name].to_numpy(float)) for name in PROBABILITIES}
    result["sensitivity"] = resampling.mean(above, label)
    result["specificity"] = resampling.mean(1 - above, ~label)
    for name in PROBABILITIES:
        result[f"brier_{name}"] = resampling.mean((table[name].to_numpy(float) - label) ** 2, everyone)
    for name in _ATTENTION:
        if name in table and table[name].notna().all():
            result[name] = resampling.mean(table[name].to_numpy(float), everyone)
    return result
