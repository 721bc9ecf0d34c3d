"""Figures of merit with bootstrap intervals over patients, all resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def plain(self) -> list[float]:
        """[value, low, high], rounded to what the interval can bear."""
        return [round(number, 4) for number in (self.value, self.low, self.high)]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often each patient is drawn: int [resamples, patients]; the first row is the sample itself."""

    counts: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, patients: int, resamples: int, seed: int) -> Resampling:
        """Draw `resamples` bootstrap samples of patients."""
        drawn = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), size=resamples)
        return cls(np.concatenate([np.ones((1, patients), dtype=np.int64), drawn]))

    def auc(self, label: npt.NDArray[np.bool_], score: Floats) -> Estimate:
        """Area under the ROC curve: how often a responder scores above a non-responder, ties half."""
        higher = np.sign(score[label][:, None] - score[~label][None, :]) / 2 + 0.5
        positive, negative = self.counts[:, label], self.counts[:, ~label]
        wins = ((positive @ higher) * negative).sum(axis=1)
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return _estimate(wins / np.maximum(pairs, 1), pairs > 0)

    def mean(self, values: Floats, among: npt.NDArray[np.bool_]) -> Estimate:
        """Mean of `values` over the patients that `among` marks."""
        counts = self.counts[:, among]
        total = counts.sum(axis=1)
        return _estimate((counts @ values[among]) / np.maximum(total, 1), total > 0)


def youden_threshold(label: npt.NDArray[np.bool_], score: Floats) -> float:
    """The score at or above which sensitivity + specificity is largest; of several, the lowest.

    It is set halfway to the next lower score, so that no patient lies on it.
    """
    levels = np.unique(score)
    sensitivity = (score[label][None, :] >= levels[:, None]).mean(axis=1)
    specificity = (score[~label][None, :] < levels[:, None]).mean(axis=1)
    best = int((sensitivity + specificity).argmax())
    return float(levels[best] if best == 0 else (levels[best] + levels[best - 1]) / 2)


def _estimate(values: Floats, usable: npt.NDArray[np.bool_]) -> Estimate:
    low, high = np.percentile(values[1:][usable[1:]], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
