"""Target times of the phases and the range of times that a study may have, from the cohort's own acquisition times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcr.manifest import Range
from training.cohorts import CohortError, Patient
from training.config import TimingSettings

_TARGET_STEP_S = 5
_RANGE_STEP_S = 10


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Seconds after injection of one phase: its target, and what a study may have instead."""

    target_s: float
    allowed_s: Range


def phase_times(patients: Sequence[Patient], settings: TimingSettings) -> tuple[PhaseTimes, PhaseTimes]:
    """Times of the early and late phase after injection, over the patients whose times are known.

    The cohort does not say when contrast was injected. The application, where the header does not say, takes the
    injection to lie a fixed time before the first post-contrast phase; so is it done here.

    Raises:
        CohortError: no patient's times are known.
    """
    known = [patient.timing for patient in patients if patient.timing is not None]
    if not known:
        raise CohortError("no acquisition times: the table's acquisition_times or geometry.csv is missing")
    offset = settings.injection_before_first_post_s
    early = [timing.early_s - timing.first_post_s + offset for timing in known]
    late = [timing.late_s - timing.first_post_s + offset for timing in known]
    return _summary(early, settings.margin), _summary(late, settings.margin)


def _summary(times_s: Sequence[float], margin: float) -> PhaseTimes:
    """Median to 5 s; 1st and 99th percentile, widened by the factor `margin` and rounded outwards to 10 s."""
    low, middle, high = np.percentile(times_s, [1, 50, 99])
    return PhaseTimes(
        target_s=float(_TARGET_STEP_S * round(middle / _TARGET_STEP_S)),
        allowed_s=Range(
            low=float(_RANGE_STEP_S * math.floor(low / margin / _RANGE_STEP_S)),
            high=float(_RANGE_STEP_S * math.ceil(high * margin / _RANGE_STEP_S)),
        ),
    )
