"""The voxel grid: a highdicom geometry, along the patient's axes or oblique to them, and where its voxels lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from phantom.spec import GridSpec

# Directions of increasing column and row index in LPS: the values of ImageOrientationPatient (PS3.3 C.7.6.2.1.1).
ORIENTATIONS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxels in rows along three axes at right angles.

    Attributes:
        geometry: Shape (slices, rows, columns) and LPS affine, mm.
    """

    geometry: VolumeGeometry

    @classmethod
    def from_spec(cls, spec: GridSpec) -> Self:
        """The grid that a spec describes."""
        columns, rows = ORIENTATIONS[spec.orientation]
        directions = np.stack([np.cross(rows, columns), rows, columns], axis=1).astype(float)
        if spec.tilt_deg != 0:
            directions = Rotation.from_euler("x", spec.tilt_deg, degrees=True).as_matrix() @ directions
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
    def xyz(self) -> tuple[NDArray[np.float32], ...]:
        """LPS coordinates x, y, z of the voxels, mm, each an array that broadcasts to `shape`."""
        return tuple(self._coordinate(lps) for lps in range(3))

    def _coordinate(self, lps: int) -> NDArray[np.float32]:
        """One LPS coordinate of the voxels; of length 1 along array axes on which it does not depend."""
        values = np.full((1, 1, 1), self.geometry.affine[lps, 3])
        for axis, step in enumerate(self.geometry.affine[lps, :3]):
            if step != 0:
                lengths = [-1 if other == axis else 1 for other in range(3)]
                values = values + step * np.arange(self.shape[axis]).reshape(lengths)
        return values.astype(np.float32)

    def indices_of(self, points_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractional array indices (slice, row, column) of LPS points [N, 3]."""
        inverse = self.geometry.inverse_affine
        return points_mm @ inverse[:3, :3].T + inverse[:3, 3]

    def box_around(self, centre_mm: ArrayLike, reach_mm: ArrayLike) -> tuple[slice, slice, slice]:
        """Array slices of the voxels within `reach_mm` of a point along x, y and z; empty where none is."""
        middle = self.indices_of(np.atleast_2d(np.asarray(centre_mm, dtype=float)))[0]
        directions = self.geometry.affine[:3, :3] / self.spacing_mm
        reach = np.abs(directions).T @ np.broadcast_to(reach_mm, 3) / self.spacing_mm + 1
        low = np.clip(np.floor(middle - reach), 0, self.shape).astype(int)
        high = np.clip(np.ceil(middle + reach) + 1, 0, self.shape).astype(int)
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def seen_by(self, motion: NDArray[np.float64]) -> Grid:
        """The places of the resting patient that are at these voxels once she has moved by `motion` (4 x 4, LPS mm)."""
        return Grid(VolumeGeometry(np.linalg.inv(motion) @ self.geometry.affine, self.shape, "PATIENT"))

    def part(self, box: tuple[slice, slice, slice], oversampling: int = 1) -> Grid:
        """The voxels of a box, each split into `oversampling` along every axis."""
        affine = self.geometry.affine.copy()
        first = np.array([s.start for s in box]) - 0.5 + 0.5 / oversampling
        affine[:3, 3] += affine[:3, :3] @ first
        affine[:3, :3] /= oversampling
        shape = [(s.stop - s.start) * oversampling for s in box]
        return Grid(VolumeGeometry(affine, shape, "PATIENT"))
