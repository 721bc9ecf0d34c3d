"""Whether the images bear out when contrast was injected: it shows in the signal, whatever the headers say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume

# Every fourth voxel along each axis tells as much of vessels and heart as all of them.
_STEP = 4
_STRONGEST_PERCENTILE = 99.5
# Parts of the strongest rise over the pre-contrast phase: the first phase after the injection has at least the first,
# a phase before it at most the second. Vessels reach most of theirs within half a minute.
_MIN_AFTER = 0.2
_MAX_BEFORE = 0.6


def check_enhancement(volume: DceVolume) -> None:
    """Refuse phases whose signal contradicts the order that their headers give: pre-contrast, then enhanced.

    Raises NotEvaluable("no_dce_series").
    """
    series, pre = volume.series, volume.series.index("pre")
    sparse = volume.pixels[:, :: max(1, _STEP // 2), ::_STEP, ::_STEP].astype(np.float32)
    rises = [_rise(phase, sparse[pre]) for phase in sparse]
    strongest = max(rises[pre + 1 :])
    if strongest <= 0:
        return
    if rises[pre + 1] < _MIN_AFTER * strongest:
        raise _contradicted("the first phase after the injection does not enhance as later ones do")
    if any(_rise(sparse[pre], sparse[index]) > _MAX_BEFORE * strongest for index in range(pre)):
        raise _contradicted("the phase before the injection is already enhanced")
    if series.index("early") == pre + 1 and rises[pre + 1] <= 0:
        raise _contradicted("the early phase does not enhance")


def _rise(phase: npt.NDArray[np.float32], before: npt.NDArray[np.float32]) -> float:
    return float(np.percentile(phase - before, _STRONGEST_PERCENTILE))


def _contradicted(what: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.NO_DCE_SERIES, f"headers and images disagree about the injection: {what}; check the study"
    )
