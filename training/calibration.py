"""Platt scaling: logits become probabilities by a line that is fitted on out-of-fold logits."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """Calibrated logit = slope * logit + intercept."""

    slope: float
    intercept: float

    def probability(self, logit: Floats) -> Floats:
        """Calibrated probability of raw logits."""
        return np.asarray(expit(self.slope * logit + self.intercept), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One line for each of the network's outputs."""

    joint: Line
    imaging: Line
    clinical: Line

    def plain(self) -> dict[str, dict[str, float]]:
        """As plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, dict[str, float]]) -> Calibration:
        """The inverse of `plain`."""
        return cls(**{name: Line(**line) for name, line in plain.items()})


def fit_line(logit: Floats, label: npt.NDArray[np.bool_]) -> Line:
    """Maximum likelihood with Platt's smoothed targets (Platt 1999), the slope held at or above 0.

    A slope below 0 would say that the output misleads out of fold; then it carries no information and gives the
    prevalence for everybody.
    """
    positives, negatives = int(label.sum()), int((~label).sum())
    target = np.where(label, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(line: Floats) -> float:
        raw = line[0] * logit + line[1]
        return float(np.mean(np.logaddexp(0, raw) - target * raw))

    fitted = minimize(loss, x0=np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Line(slope=float(fitted.x[0]), intercept=float(fitted.x[1]))
