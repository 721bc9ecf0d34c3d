"""The range of phase times that a study may have, from the cohort's own acquisition times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcr.manifest import Range
from training.cohorts import CohortError, Patient
from training.config import TimingSettings
from training.phase_choice import injection_s

_RANGE_STEP_S = 10


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Seconds after injection of one phase: its target, and what a study may have instead."""

    target_s: float
    allowed_s: Range


def phase_times(patients: Sequence[Patient], settings: TimingSettings) -> tuple[PhaseTimes, PhaseTimes]:
    """Times of the early and late phase after injection, over the patients whose times are known.

    The targets are those of the settings, by which the phases of a full release were chosen. (The medians of the
    I-SPY 2 reduced pack, whose phases were chosen by their numbers, are 120 s and 440 s.)

    Raises:
        CohortError: no patient's times are known, or a target is not within the range of the cohort's.
    """
    known = [patient.timing for patient in patients if patient.timing is not None]
    if not known:
        raise CohortError("no acquisition times: the table's acquisition_times or geometry.csv is missing")
    injected = [injection_s(timing.first_post_s, settings.injection_before_first_post_s) for timing in known]
    early = [timing.early_s - start for timing, start in zip(known, injected, strict=True)]
    late = [timing.late_s - start for timing, start in zip(known, injected, strict=True)]
    return (
        _times("early", settings.early_s, early, settings.margin),
        _times("late", settings.late_s, late, settings.margin),
    )


def _times(name: str, target_s: float, times_s: Sequence[float], margin: float) -> PhaseTimes:
    """Allowed are the 1st to the 99th percentile, widened by the factor `margin` and rounded outwards to 10 s."""
    low, high = np.percentile(times_s, [1, 99])
    allowed_s = Range(
        low=float(_RANGE_STEP_S * math.floor(low / margin / _RANGE_STEP_S)),
        high=float(_RANGE_STEP_S * math.ceil(high * margin / _RANGE_STEP_S)),
    )
    if not allowed_s.holds(target_s):
        raise CohortError(
            f"the {name} phases of the cohort lie {low:.0f} to {high:.0f} s after injection, their target is "
            f"{target_s:g} s; correct timing.{name}_s of the settings"
        )
    return PhaseTimes(target_s=target_s, allowed_s=allowed_s)
