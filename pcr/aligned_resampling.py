"""Linear resampling between grids whose axes run along each other: plane by plane, without a copy of the volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry

from pcr.volume import resample

# Part of the step along an axis that a grid may drift along another one: less than a voxel over any image.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the voxels of a target axis lie between those of a source axis.

    Attributes:
        below, above: indices of the neighbours [n], the same one twice on the last voxel.
        part: how far from `below` to `above` [n], 0 to 1.
        outside: voxels beyond the source, bool [n]; their places mean nothing.
    """

    below: npt.NDArray[np.int64]
    above: npt.NDArray[np.int64]
    part: npt.NDArray[np.float64]
    outside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, first: float, step: float, count: int, size: int) -> _Places:
        at = first + step * np.arange(count)
        # Half a voxel beyond the outermost centres still belongs to them, as ITK has it.
        outside = (at < -0.5) | (at > size - 0.5)
        at = np.clip(at, 0, size - 1)
        below = at.astype(int)
        return cls(below, np.minimum(below + 1, size - 1), at - below, outside)


def resample_linearly(
    array: npt.NDArray[Any], source: VolumeGeometry, target: VolumeGeometry
) -> npt.NDArray[np.float32]:
    """Resample [slices, rows, columns] from one grid to another, linearly; 0 outside.

    The same values as `volume.resample`, which takes over where the grids are tilted against each other.
    """
    between = np.linalg.inv(source.affine) @ target.affine
    steps = between[:3, :3]
    along = np.abs(steps).argmax(axis=0)
    aligned = np.zeros_like(steps)
    aligned[along, range(3)] = steps[along, range(3)]
    if sorted(along) != [0, 1, 2] or np.abs(steps - aligned).max() > _TOLERANCE * np.abs(aligned).max():
        return resample(array, source, target, nearest=False)
    z, y, x = (
        _Places.of(between[axis, 3], steps[axis, place], target.spatial_shape[place], array.shape[axis])
        for place, axis in enumerate(along)
    )
    turned = array.transpose(along)
    planes: dict[int, npt.NDArray[np.float64]] = {}
    resampled = np.zeros(target.spatial_shape, dtype=np.float32)
    for place in np.flatnonzero(~z.outside):
        neighbours = (int(z.below[place]), int(z.above[place]))
        planes = {index: planes[index] if index in planes else _plane(turned[index], y, x) for index in neighbours}
        below, above = (planes[index] for index in neighbours)
        resampled[place] = below + z.part[place] * (above - below)
    resampled[:, y.outside] = 0
    resampled[:, :, x.outside] = 0
    return resampled


def _plane(image: npt.NDArray[Any], y: _Places, x: _Places) -> npt.NDArray[np.float64]:
    """One plane of the source at the rows and columns of the target."""
    below = image[y.below].astype(np.float64)
    rows = below + y.part[:, None] * (image[y.above] - below)
    below = rows[:, x.below]
    columns: npt.NDArray[np.float64] = below + x.part * (rows[:, x.above] - below)
    return columns


def reached(source: VolumeGeometry, target: VolumeGeometry) -> npt.NDArray[np.bool_]:
    """Which voxels of a grid [slices, rows, columns] lie inside another one."""
    indices = np.indices(target.spatial_shape, dtype=np.float32).reshape(3, -1)
    between = np.linalg.inv(source.affine) @ target.affine
    places = between[:3, :3].astype(np.float32) @ indices + between[:3, 3:].astype(np.float32)
    shape = np.asarray(source.spatial_shape, dtype=np.float32)[:, None]
    inside: npt.NDArray[np.bool_] = ((places > -0.5) & (places < shape - 0.5)).all(axis=0)
    return inside.reshape(target.spatial_shape)
