"""Bootstrap over patients, all resamples at once; every figure comes as its replicates or as an estimate of them.

Replicates are float64 [1 + resamples]: the figure of the sample itself, then that of each resample, NaN where it is
not defined (a resample without responders has no sensitivity). Two replicates of one `Resampling` are paired: what
is subtracted is measured on the same patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % percentile bootstrap interval; NaN where the figure is not defined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, replicates: Floats) -> Estimate:
        """The figure of the sample itself with the interval of its replicates."""
        return cls.around(float(replicates[0]), replicates)

    @classmethod
    def around(cls, value: float, replicates: Floats) -> Estimate:
        """`value`, as a library gives it for the sample, with the interval of the replicates that are defined."""
        drawn = replicates[1:][np.isfinite(replicates[1:])]
        if not drawn.size:
            return cls(value, math.nan, math.nan)
        low, high = np.percentile(drawn, [2.5, 97.5])
        return cls(value, float(low), float(high))

    @property
    def defined(self) -> bool:
        """Whether there are a value and an interval."""
        return math.isfinite(self.value) and math.isfinite(self.low)

    def plain(self) -> list[float]:
        """[value, low, high], rounded to what the interval can bear."""
        # Adding 0 turns a -0.0 that rounding leaves into 0.0.
        return [round(number, 6) + 0.0 for number in (self.value, self.low, self.high)]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often each patient is drawn: int [1 + resamples, patients]; the first row is the sample itself."""

    counts: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, patients: int, resamples: int, seed: int) -> Resampling:
        """Draw `resamples` bootstrap samples of patients."""
        drawn = np.random.default_rng(seed).multinomial(patients, np.full(patients, 1 / patients), size=resamples)
        return cls(np.concatenate([np.ones((1, patients), dtype=np.int64), drawn]))

    def within(self, among: Flags) -> Resampling:
        """The same draws, of the patients that `among` marks alone."""
        return Resampling(self.counts[:, among])

    def totals(self, among: Flags) -> Floats:
        """How many of the patients that `among` marks are in each resample, drawn twice counted twice."""
        return self.counts[:, among].sum(axis=1).astype(np.float64)

    def aucs(self, label: Flags, score: Floats) -> Floats:
        """Replicates of the area under the ROC curve: how often a responder scores above another, ties half."""
        higher = np.sign(score[label][:, None] - score[~label][None, :]) / 2 + 0.5
        positive, negative = self.counts[:, label], self.counts[:, ~label]
        wins = ((positive @ higher) * negative).sum(axis=1)
        return ratio(wins, (positive.sum(axis=1) * negative.sum(axis=1)).astype(np.float64))

    def means(self, values: Floats, among: Flags) -> Floats:
        """Replicates of the mean of `values` over the patients that `among` marks."""
        counts = self.counts[:, among]
        return ratio(counts @ values[among], counts.sum(axis=1).astype(np.float64))

    def sensitivities(self, label: Flags, score: Floats, false_positives: Floats) -> Floats:
        """Replicates of the sensitivity at the lowest threshold with at most `false_positives` [1 + resamples].

        Each resample has its own threshold. Patients with the same score are on the same side of it.
        """
        order = np.argsort(-score, kind="stable")
        last_of_ties = np.append(np.diff(score[order]) != 0, True)
        drawn = self.counts[:, order]
        found = np.cumsum(drawn * label[order], axis=1)[:, last_of_ties]
        wrong = np.cumsum(drawn * ~label[order], axis=1)[:, last_of_ties]
        admitted = (wrong <= false_positives[:, None]).sum(axis=1)
        # With no score admitted nobody is above the threshold.
        found = np.concatenate([np.zeros((len(found), 1)), found], axis=1)
        return ratio(np.take_along_axis(found, admitted[:, None], axis=1)[:, 0], self.totals(label))

    def auc(self, label: Flags, score: Floats) -> Estimate:
        """Area under the ROC curve."""
        return Estimate.around(float(roc_auc_score(label, score)), self.aucs(label, score))

    def mean(self, values: Floats, among: Flags) -> Estimate:
        """Mean of `values` over the patients that `among` marks."""
        return Estimate.of(self.means(values, among))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Their ratio, NaN where the denominator is 0."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def youden_threshold(label: Flags, score: Floats) -> float:
    """The score at or above which sensitivity + specificity is largest; of several, the lowest.

    It is set halfway to the next lower score, so that no patient lies on it.
    """
    levels = np.unique(score)
    sensitivity = (score[label][None, :] >= levels[:, None]).mean(axis=1)
    specificity = (score[~label][None, :] < levels[:, None]).mean(axis=1)
    best = int((sensitivity + specificity).argmax())
    return float(levels[best] if best == 0 else (levels[best] + levels[best - 1]) / 2)
