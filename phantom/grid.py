"""The voxel grid: a highdicom geometry along the patient's axes, and the coordinates of its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import ArrayLike, NDArray

from phantom.spec import GridSpec

# Directions of increasing column and row index in LPS: the values of ImageOrientationPatient (PS3.3 C.7.6.2.1.1).
ORIENTATIONS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxels in rows along the patient's axes.

    Attributes:
        geometry: Shape (slices, rows, columns) and LPS affine, mm.
    """

    geometry: VolumeGeometry

    @classmethod
    def from_spec(cls, spec: GridSpec) -> Self:
        """The grid that a spec describes."""
        columns, rows = ORIENTATIONS[spec.orientation]
        directions = np.stack([np.cross(rows, columns), rows, columns], axis=1)
        shape = (spec.slices, spec.rows, spec.columns)
        affine = np.eye(4)
        affine[:3, :3] = directions * [spec.slice_spacing_mm, *spec.pixel_spacing_mm]
        affine[:3, 3] = spec.centre_lps_mm - affine[:3, :3] @ (np.array(shape) - 1) / 2
        return cls(VolumeGeometry(affine, shape, "PATIENT"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return self.geometry.spatial_shape

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Between slices, rows and columns."""
        return np.asarray(self.geometry.spacing)

    @property
    def lps_axis(self) -> tuple[int, ...]:
        """For each array axis the patient's axis (0 x, 1 y, 2 z) that it runs along."""
        return tuple(int(axis) for axis in np.abs(self.geometry.affine[:3, :3]).argmax(axis=0))

    def coordinates(self, axis: int) -> NDArray[np.float64]:
        """Coordinates of the voxels along one array axis, mm on the patient's axis that it runs along."""
        lps = self.lps_axis[axis]
        return self.geometry.affine[lps, 3] + self.geometry.affine[lps, axis] * np.arange(self.shape[axis])

    @property
    def xyz(self) -> tuple[NDArray[np.float32], ...]:
        """LPS coordinates x, y, z of the voxels, mm, each an array that broadcasts to `shape`."""
        broadcastable = {}
        for axis, lps in enumerate(self.lps_axis):
            lengths = [-1 if other == axis else 1 for other in range(3)]
            broadcastable[lps] = self.coordinates(axis).astype(np.float32).reshape(lengths)
        return tuple(broadcastable[lps] for lps in range(3))

    def indices_of(self, points_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractional array indices (slice, row, column) of LPS points [N, 3]."""
        inverse = self.geometry.inverse_affine
        return points_mm @ inverse[:3, :3].T + inverse[:3, 3]

    def box_around(self, centre_mm: ArrayLike, reach_mm: ArrayLike) -> tuple[slice, slice, slice]:
        """Array slices of the voxels within `reach_mm` of a point along x, y and z; empty where none is."""
        middle = self.indices_of(np.atleast_2d(np.asarray(centre_mm, dtype=float)))[0]
        reach = np.broadcast_to(reach_mm, 3)[list(self.lps_axis)] / self.spacing_mm + 1
        low = np.clip(np.floor(middle - reach), 0, self.shape).astype(int)
        high = np.clip(np.ceil(middle + reach) + 1, 0, self.shape).astype(int)
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def part(self, box: tuple[slice, slice, slice], oversampling: int = 1) -> Grid:
        """The voxels of a box, each split into `oversampling` along every axis."""
        affine = self.geometry.affine.copy()
        first = np.array([s.start for s in box]) - 0.5 + 0.5 / oversampling
        affine[:3, 3] += affine[:3, :3] @ first
        affine[:3, :3] /= oversampling
        shape = [(s.stop - s.start) * oversampling for s in box]
        return Grid(VolumeGeometry(affine, shape, "PATIENT"))
