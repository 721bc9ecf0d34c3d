"""The ranking score of the MAMA-MIA challenge: balanced accuracy, and how alike the error rates of age bands are."""

from __future__ import annotations

import numpy as np

from training.statistics import Flags, Floats, Resampling

AGE_BANDS = ("to 40", "41 to 50", "51 to 60", "61 to 70", "71 and above")
# Upper ends of the bands in years, the end included; the last band has none.
_ENDS = (40, 50, 60, 70)


def age_bands(age_years: Floats) -> list[Flags]:
    """Which patients belong to each of AGE_BANDS; a patient of unknown age to none."""
    band = np.digitize(age_years, _ENDS, right=True)
    return [(band == number) & ~np.isnan(age_years) for number in range(len(AGE_BANDS))]


def ranking_scores(
    label: Flags, above: Flags, age_years: Floats, balanced_accuracy: Floats, resampling: Resampling
) -> Floats:
    """Replicates [1 + resamples] of the score, NaN where no age is known.

    The organisers' scoring script (github.com/LidiaGarrucho/MAMA-MIA, src/challenge/scoring_task2.py; Garrucho et
    al., arXiv:2603.01250) defines

        score = (balanced accuracy + fairness) / 2,    fairness = 1 - disparity, held to 0 to 1
        disparity = (highest - lowest sensitivity) + (highest - lowest false positive rate) of the groups

    and takes the mean disparity over three ways to form groups: age bands as here, menopausal status, breast density.
    A predictor that says the same of everybody has balanced accuracy 0.5 and fairness 1, so it gets 0.75.

    Ours: age bands are the only groups, since the other two are not known of all our cohorts; and a rate that a
    band has not (nobody in it responded) is left out, where the script takes it for 0 and calls that a disparity.
    Patients of unknown age count in the balanced accuracy alone, as in the script.
    """
    bands = age_bands(age_years)
    sensitivity = np.stack([resampling.means(above.astype(float), label & band) for band in bands])
    false_positive_rate = np.stack([resampling.means(above.astype(float), ~label & band) for band in bands])
    disparity = _spread(sensitivity) + _spread(false_positive_rate)
    return np.asarray((balanced_accuracy + 1 - np.clip(disparity, 0, 1)) / 2, dtype=np.float64)


def _spread(rates: Floats) -> Floats:
    """Highest minus lowest of the rates [bands, ...] that are defined."""
    known = ~np.isnan(rates)
    spread = np.where(known, rates, -np.inf).max(axis=0) - np.where(known, rates, np.inf).min(axis=0)
    return np.where(known.any(axis=0), spread, np.nan)
