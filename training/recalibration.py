"""Calibration slope and calibration-in-the-large: how a line would have to correct the logits of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from training.statistics import Flags, Floats, Resampling

# Probabilities are held this far from 0 and 1, where the logit ends.
_EDGE = 1e-6
_NEWTON_STEPS = 30
_TOLERANCE = 1e-8
# Logits that spread less than this are those of a constant, which no slope can be fitted to.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """Replicates [1 + resamples] of the logistic regression of the label on logit(probability).

    Attributes:
        slope: calibration slope, 1 where the logits spread as they should, below 1 where they spread too far.
        intercept: the intercept fitted together with the slope.
        in_the_large: calibration-in-the-large, the intercept with the slope held at 1: 0 where the mean probability
            fits, above 0 where the probabilities are too low (Van Calster et al. 2019, doi 10.1186/s12916-019-1466-7).
    """

    slope: Floats
    intercept: Floats
    in_the_large: Floats


def recalibrate(label: Flags, probability: Floats, resampling: Resampling) -> Recalibration:
    """Fit both by maximum likelihood to every resample, with Newton's method on all of them at once.

    A fit is NaN where it has no maximum: a constant probability, separated labels, or one label alone.
    """
    raw = bounded_logit(probability)
    intercept, slope = _fit_line(label, raw, resampling.counts)
    return Recalibration(slope=slope, intercept=intercept, in_the_large=_fit_offset(label, raw, resampling.counts))


def bounded_logit(probability: Floats) -> Floats:
    """logit(probability), with probabilities of 0 and 1 moved off the edge."""
    return np.asarray(logit(np.clip(probability, _EDGE, 1 - _EDGE)), dtype=np.float64)


def _fit_line(label: Flags, raw: Floats, counts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Intercept and slope of each resample; fitted on standardised logits, where Newton's method starts well at 0."""
    spread = float(raw.std())
    if spread < _LEAST_SPREAD:
        return np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    z = (raw - raw.mean()) / spread
    intercept, slope, moved = (np.zeros(len(counts)) for _ in range(3))
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            p = expit(intercept[:, None] + slope[:, None] * z)
            error, weight = counts * (label - p), counts * p * (1 - p)
            error_0, error_1 = error.sum(axis=1), error @ z
            weight_0, weight_1, weight_2 = weight.sum(axis=1), weight @ z, weight @ z**2
            determinant = weight_0 * weight_2 - weight_1**2
            step_0 = (weight_2 * error_0 - weight_1 * error_1) / determinant
            step_1 = (weight_0 * error_1 - weight_1 * error_0) / determinant
            intercept, slope = intercept + step_0, slope + step_1
            moved = np.maximum(np.abs(step_0), np.abs(step_1))
            if (moved < _TOLERANCE).all():
                break
    found = moved < _TOLERANCE
    slope = np.where(found, slope, np.nan) / spread
    return np.where(found, intercept, np.nan) - slope * raw.mean(), slope


def _fit_offset(label: Flags, raw: Floats, counts: npt.NDArray[np.int64]) -> Floats:
    """The offset of each resample that makes the mean probability the share of responders."""
    offset, moved = np.zeros(len(counts)), np.zeros(len(counts))
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            p = expit(offset[:, None] + raw)
            # Held to 1, since far from the maximum Newton's step for a logistic curve overshoots.
            step = np.clip((counts * (label - p)).sum(axis=1) / (counts * p * (1 - p)).sum(axis=1), -1, 1)
            offset = offset + step
            moved = np.abs(step)
            if (moved < _TOLERANCE).all():
                break
    return np.where(moved < _TOLERANCE, offset, np.nan)
