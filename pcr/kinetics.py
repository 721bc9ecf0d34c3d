"""Contrast kinetics of tissue: early enhancement, washout, signal enhancement ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

CurveType = Literal["persistent", "plateau", "washout"]

# ACR BI-RADS MRI: a delayed signal within 10 % of the initial one is a plateau.
PLATEAU_PERCENT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinetics:
    """Mean kinetics of a region.

    Attributes:
        mean_signal: mean signal in each phase, in the order of time, arbitrary units.
        early_enhancement_percent: 100 (early - pre) / pre.
        late_change_percent: 100 (late - initial) / initial, where initial is the peak up to the early phase; negative
            is washout.
        signal_enhancement_ratio: SER, (early - pre) / (late - pre); None where late does not enhance.
        curve_type: late change against +-10 %; BI-RADS takes the initial phase as the first two minutes or the peak.
    """

    mean_signal: tuple[float, ...]
    early_enhancement_percent: float
    late_change_percent: float
    signal_enhancement_ratio: float | None
    curve_type: CurveType


def measure(mean_signal: npt.NDArray[np.floating], pre: int, early: int, late: int) -> Kinetics:
    """Kinetics from the mean signal of a region in each phase [phases] and the indices of three of them.

    Raises ValueError where there is no signal to relate enhancement to.
    """
    s_pre, s_early, s_late = (float(mean_signal[index]) for index in (pre, early, late))
    if s_pre <= 0 or s_early <= 0:
        raise ValueError(f"region has no signal before (pre {s_pre:g}) or after (early {s_early:g}) contrast")
    initial = float(max(mean_signal[pre + 1 : early + 1]))
    change = 100 * (s_late - initial) / initial
    late_enhancement = s_late - s_pre
    return Kinetics(
        mean_signal=tuple(float(value) for value in mean_signal),
        early_enhancement_percent=100 * (s_early - s_pre) / s_pre,
        late_change_percent=change,
        signal_enhancement_ratio=(s_early - s_pre) / late_enhancement if late_enhancement > 0 else None,
        curve_type=_curve_type(change),
    )


def _curve_type(late_change_percent: float) -> CurveType:
    if late_change_percent > PLATEAU_PERCENT:
        return "persistent"
    return "washout" if late_change_percent < -PLATEAU_PERCENT else "plateau"
