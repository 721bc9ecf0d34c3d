"""Figures of merit of predictions, the same for out-of-fold predictions and for a finished model's.

Point values are scikit-learn's where it has the metric; intervals are bootstrapped over patients. Figures that are
not defined (the calibration slope of a constant probability, a ranking score without ages) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, matthews_corrcoef, recall_score

from training.ranking import ranking_scores
from training.recalibration import recalibrate
from training.statistics import Estimate, Flags, Floats, Resampling, ratio

PROBABILITIES = ("probability", "imaging_probability", "clinical_probability")
ATTENTION = ("attention_inside", "attention_inside_shifted", "prior_inside_shifted", "box_share")
# Probabilities of response from which on a patient would be treated as a responder, for the net benefit.
NET_BENEFIT_AT = (0.2, 0.3, 0.4)


def measure(table: pd.DataFrame, label: Flags, above: Flags, resampling: Resampling) -> dict[str, Estimate]:
    """AUC and Brier score of each probability, everything else of the joint one, means of the attention columns.

    `table` has the column `probability`, and any of the other PROBABILITIES, ATTENTION and `age` (years);
    `label` is true for responders, `above` where response is predicted.
    """
    probability = table["probability"].to_numpy(float)
    names = [name for name in PROBABILITIES if name in table]
    age_years = table["age"].to_numpy(float) if "age" in table else None
    result = {f"auc_{name}": resampling.auc(label, table[name].to_numpy(float)) for name in names}
    if "clinical_probability" in table:
        clinical = table["clinical_probability"].to_numpy(float)
        result["auc_gain_over_clinical"] = Estimate.of(
            resampling.aucs(label, probability) - resampling.aucs(label, clinical)
        )
    result |= operating_point(label, above, age_years, resampling)
    result |= {f"brier_{name}": brier_score(label, table[name].to_numpy(float), resampling) for name in names}
    result |= calibration(label, probability, resampling)
    result |= net_benefits(label, probability, resampling)
    everyone = np.ones(len(table), dtype=bool)
    for name in ATTENTION:
        if name in table and table[name].notna().all():
            result[name] = resampling.mean(table[name].to_numpy(float), everyone)
    return defined(result)


def operating_point(
    label: Flags, above: Flags, age_years: Floats | None, resampling: Resampling
) -> dict[str, Estimate]:
    """Sensitivity, specificity, balanced accuracy, MCC and ranking score of predicting response where `above`."""
    sensitivity = resampling.means(above.astype(float), label)
    specificity = resampling.means((~above).astype(float), ~label)
    balanced = (sensitivity + specificity) / 2
    figures = {
        "sensitivity": Estimate.around(float(recall_score(label, above)), sensitivity),
        "specificity": Estimate.around(float(recall_score(label, above, pos_label=False)), specificity),
        "balanced_accuracy": Estimate.around(float(balanced_accuracy_score(label, above)), balanced),
        "mcc": Estimate.around(float(matthews_corrcoef(label, above)), _matthews(label, above, resampling)),
    }
    if age_years is not None:
        figures["ranking_score"] = Estimate.of(ranking_scores(label, above, age_years, balanced, resampling))
    return defined(figures)


def brier_score(label: Flags, probability: Floats, resampling: Resampling) -> Estimate:
    """Mean squared difference of probability and label."""
    return Estimate.around(float(brier_score_loss(label, probability)), brier_scores(label, probability, resampling))


def brier_scores(label: Flags, probability: Floats, resampling: Resampling) -> Floats:
    """Replicates of the Brier score."""
    return resampling.means((probability - label) ** 2, np.ones_like(label))


def calibration(label: Flags, probability: Floats, resampling: Resampling) -> dict[str, Estimate]:
    """Calibration slope (1 is right) and calibration-in-the-large (0 is right, above 0: probabilities too low)."""
    fitted = recalibrate(label, probability, resampling)
    return defined(
        {
            "calibration_slope": Estimate.of(fitted.slope),
            "calibration_in_the_large": Estimate.of(fitted.in_the_large),
        }
    )


def net_benefit(label: Flags, probability: Floats, at: float, resampling: Resampling) -> Estimate:
    """Share of true positives less the share of false ones, weighed with the odds of the threshold probability `at`.

    A patient counts as positive at or above `at` (Vickers and Elkin 2006, doi 10.1177/0272989X06295361). That of
    treating everyone is the net benefit of a probability of 1, that of treating no one is 0.
    """
    gain = np.where(label, 1.0, -at / (1 - at)) * (probability >= at)
    return resampling.mean(gain, np.ones_like(label))


def net_benefits(label: Flags, probability: Floats, resampling: Resampling) -> dict[str, Estimate]:
    """Net benefit at each of NET_BENEFIT_AT."""
    return {f"net_benefit_{at:g}": net_benefit(label, probability, at, resampling) for at in NET_BENEFIT_AT}


def defined(figures: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """The figures that have a value and an interval."""
    return {name: estimate for name, estimate in figures.items() if estimate.defined}


def _matthews(label: Flags, above: Flags, resampling: Resampling) -> Floats:
    """Replicates of Matthews' correlation coefficient; 0 where all predictions agree, as in scikit-learn."""
    tp, fn = resampling.totals(label & above), resampling.totals(label & ~above)
    fp, tn = resampling.totals(~label & above), resampling.totals(~label & ~above)
    same_label = (tp + fn == 0) | (fp + tn == 0)
    coefficient = ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    return np.where(np.isnan(coefficient) & ~same_label, 0.0, coefficient)
