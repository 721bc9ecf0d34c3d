"""How much a region of enhancement is like a lesion, from 0 to 1.

How strongly it enhances against its own signal, the noise and the rest of the breasts, whether it washes out, whether
it is a mass with an edge or a part of a texture, a ball or a vessel, and whether it is large enough to be seen at all.
All constants are ours; docs/localisation.md gives their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SHELL_VOXELS = 3
SMOOTHING_MM = 1.0


@dataclass(frozen=True, slots=True)
class Enhancement:
    """Smoothed signal on an isotropic grid [z, y, x]: before contrast, early rise above it, and late rise above it."""

    pre: npt.NDArray[np.float32]
    early: npt.NDArray[np.float32]
    late: npt.NDArray[np.float32]
    spacing_mm: float


def smoothed(phase: npt.NDArray[np.float32], spacing_mm: float) -> npt.NDArray[np.float32]:
    """A phase [z, y, x] as `Enhancement` takes it."""
    smooth: npt.NDArray[np.float32] = ndimage.gaussian_filter(phase, SMOOTHING_MM / spacing_mm)
    return smooth


@dataclass(frozen=True, slots=True)
class Background:
    """What the breasts do without a lesion: signal before contrast, and early enhancement of most of the tissue."""

    signal: float
    median: float
    noise: float
    parenchymal: float

    @classmethod
    def of(cls, enhancement: Enhancement, breast: npt.NDArray[np.bool_]) -> Background:
        early = enhancement.early[breast]
        median = float(np.median(early))
        return cls(
            signal=max(float(np.median(enhancement.pre[breast])), 1.0),
            median=median,
            noise=max(1.4826 * float(np.median(np.abs(early - median))), 1e-6),
            parenchymal=float(np.percentile(early, 97)),
        )

    @property
    def faintest(self) -> float:
        """The least enhancement that is looked at."""
        return self.median + 5 * self.noise


def lesion_score(
    voxels: npt.NDArray[np.int64],
    enhancement: Enhancement,
    breast: npt.NDArray[np.bool_],
    background: Background,
) -> float:
    """Score a region, voxel indices [n, 3]: the geometric mean of six properties from 0 to 1, times that of shape.

    Shape stands outside of the mean: a vessel, or a piece of one, has every other property of a lesion.
    """
    at = tuple(voxels.T)
    pre, early, late = (float(image[at].mean()) for image in (enhancement.pre, enhancement.early, enhancement.late))
    volume_ml = len(voxels) * enhancement.spacing_mm**3 / 1000
    properties = (
        _ramp(early / max(pre, background.signal), 0.4, 1.4),
        _ramp(early / background.noise, 5.0, 20.0),
        _ramp(1.6 - late / early, 0.2, 0.7),
        _ramp(1 - _around(voxels, enhancement.early, breast) / early, 0.2, 0.8),
        _ramp(1 - background.parenchymal / early, 0.0, 0.6),
        _ramp(float(np.log(volume_ml)), float(np.log(0.05)), float(np.log(0.8))),
    )
    inscribed_mm = _inscribed_radius(voxels) * enhancement.spacing_mm
    equal_volume_mm = (3 * volume_ml * 1000 / (4 * np.pi)) ** (1 / 3)
    shape = (
        _ramp(inscribed_mm, 2.0, 5.0),
        _ramp(inscribed_mm / equal_volume_mm, 0.4, 0.7),
    )
    return _geometric_mean(properties) * _geometric_mean(shape)


def _around(voxels: npt.NDArray[np.int64], early: npt.NDArray[np.float32], breast: npt.NDArray[np.bool_]) -> float:
    """Mean early enhancement of the breast in a shell around a region: low for a mass, high for a part of a texture."""
    low = np.maximum(voxels.min(axis=0) - SHELL_VOXELS - 1, 0)
    high = voxels.max(axis=0) + SHELL_VOXELS + 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inside = np.zeros(early[box].shape, dtype=bool)
    inside[tuple((voxels - low).T)] = True
    distance = ndimage.distance_transform_edt(~inside)
    shell = (distance > 1) & (distance <= SHELL_VOXELS) & breast[box]
    return float(early[box][shell].mean()) if shell.any() else 0.0


def _inscribed_radius(voxels: npt.NDArray[np.int64]) -> float:
    """Radius, in voxels, of the largest ball inside a region."""
    low = voxels.min(axis=0)
    box = np.zeros(voxels.max(axis=0) - low + 3, dtype=bool)
    box[tuple((voxels - low + 1).T)] = True
    return float(np.max(ndimage.distance_transform_edt(box)))


def _geometric_mean(values: tuple[float, ...]) -> float:
    return float(np.prod(values) ** (1 / len(values)))


def _ramp(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
