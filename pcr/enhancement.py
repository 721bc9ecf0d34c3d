"""Whether the images bear out when contrast was injected: it shows in the signal, whatever the headers say.

Limits are ours: in 24 simulated studies and a real one the first phase after injection rises by 0.67 to 1.5 of the
signal before it, and by 0.12 to 0.19 where the phase before contrast is taken away; phases are 0.96 to 1.6 times as
bright as the one before contrast, subtractions 0.04 to 0.4 times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume

# Every fourth voxel along each axis tells as much of vessels, heart and glands as all of them.
_STEP = 4
_STRONGEST_PERCENTILE = 99.5
_BRIGHT_PERCENTILE = 75
# Parts of the strongest signal before contrast that the first phase after it rises by at least.
_MIN_RISE = 0.35
# Parts of the strongest rise: phases after the injection have at least the first, phases before it at most the second.
_MIN_AFTER, _MAX_BEFORE = 0.2, 0.6
_BRIGHTNESS = (0.6, 2.5)


def check_enhancement(volume: DceVolume) -> None:
    """Refuse phases whose signal contradicts the order that their headers give: pre-contrast, then enhanced.

    Raises NotEvaluable("no_dce_series").
    """
    pre = volume.series.index("pre")
    # Small volumes have few slices, and are not thinned along them.
    along = _STEP if volume.pixels.shape[1] > 20 * _STEP else 1
    sparse = volume.pixels[:, ::along, ::_STEP, ::_STEP].astype(np.float32)
    before = sparse[pre]
    strongest_before = float(np.percentile(before, _STRONGEST_PERCENTILE))
    rises = [_rise(phase, before) for phase in sparse[pre + 1 :]]
    if rises[0] < _MIN_RISE * strongest_before:
        raise _contradicted("hardly anything enhances after the phase that is taken for the one before contrast")
    if min(rises) < _MIN_AFTER * max(rises):
        raise _contradicted("a phase after the injection does not enhance as the others do")
    if any(_rise(before, earlier) > _MAX_BEFORE * max(rises) for earlier in sparse[:pre]):
        raise _contradicted("the phase before the injection is already enhanced")
    bright = before > np.percentile(before, _BRIGHT_PERCENTILE)
    levels = [float(np.median(phase[bright])) / float(np.median(before[bright])) for phase in sparse]
    if not _BRIGHTNESS[0] <= min(levels) <= max(levels) <= _BRIGHTNESS[1]:
        raise _contradicted("one of the phases is not of the brightness of the others, as a subtraction is")


def _rise(phase: npt.NDArray[np.float32], before: npt.NDArray[np.float32]) -> float:
    return float(np.percentile(phase - before, _STRONGEST_PERCENTILE))


def _contradicted(what: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.NO_DCE_SERIES, f"headers and images disagree about the contrast: {what}; check the study"
    )
