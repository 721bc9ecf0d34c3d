"""Phases as arrays: the pixels of a dynamic series with their place in the patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from highdicom import CoordinateSystemNames
from highdicom.volume import Volume, VolumeGeometry

from pcr.motion import Motion
from pcr.phase_grid import grid_of, relation
from pcr.phases import DceSeries, Role
from pcr.pixels import read_signal, signal_dtype
from pcr.reasons import NotEvaluable, ReasonCode

MAX_VOXELS = 1_000_000_000
MAX_MEMORY_MIB = 8192
_WORKING_COPIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeLimits:
    """What is accepted of a dynamic series before its pixels are read: voxels of all phases, and MiB to hold them."""

    max_voxels: int = MAX_VOXELS
    max_memory_mib: int = MAX_MEMORY_MIB

    def __post_init__(self) -> None:
        if self.max_voxels < 1 or self.max_memory_mib < 1:
            raise ValueError(f"limits must be 1 or more, got {self.max_voxels} voxels and {self.max_memory_mib} MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSeries:
    """A dynamic series on the grid of its early phase, without its pixels: what a report needs to refer to it.

    Attributes:
        series: the phases, in order of time.
        geometry: affine from (slice, row, column) indices to patient coordinates in mm, LPS.
        resampled: the phases that were taken on another grid, by their place among the phases.
        motion: how the patient moved between the phases; None until it is measured.
    """

    series: DceSeries
    geometry: VolumeGeometry
    resampled: tuple[int, ...] = ()
    motion: Motion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DceVolume(PlacedSeries):
    """All phases of a dynamic series on the grid of its early phase.

    Attributes:
        pixels: signal [phases, slices, rows, columns]; slices follow `ImagePlane.normal`.
    """

    pixels: npt.NDArray[Any]

    def phase(self, role: Role) -> Volume:
        """The phase with this role as a volume [slices, rows, columns]."""
        return self.geometry.with_array(self.pixels[self.series.index(role)])

    def without_pixels(self) -> PlacedSeries:
        """The same for a report."""
        return PlacedSeries(series=self.series, geometry=self.geometry, resampled=self.resampled, motion=self.motion)


def load(series: DceSeries, limits: VolumeLimits) -> DceVolume:
    """Read the pixels of all phases, each file once, onto the grid of the early phase.

    Raises:
        NotEvaluable: `too_large` before anything is read, `missing_slices`, `mixed_geometry` (slices unequally
            spaced), `corrupt_pixels`, `unsupported_transfer_syntax`, `unsupported_object`.
    """
    grids = [grid_of([frame.plane for frame in phase.frames]) for phase in series.phases]
    geometry = grids[series.index("early")]
    dtype = signal_dtype([frame for phase in series.phases for frame in phase.frames])
    _check_size(grids, dtype, limits)
    pixels = np.empty((len(grids), *geometry.spatial_shape), dtype=dtype)
    resampled = tuple(index for index, grid in enumerate(grids) if relation(grid, geometry) != "same")
    for index, (phase, grid) in enumerate(zip(series.phases, grids, strict=True)):
        if index not in resampled:
            read_signal(phase.frames, pixels[index])
            continue
        own = np.empty(grid.spatial_shape, dtype=dtype)
        read_signal(phase.frames, own)
        placed = bring_onto(own, grid, geometry)
        pixels[index] = np.rint(placed) if dtype.kind in "iu" else placed
    return DceVolume(series=series, pixels=pixels, geometry=geometry, resampled=resampled)


def _check_size(grids: Sequence[VolumeGeometry], dtype: np.dtype[Any], limits: VolumeLimits) -> None:
    voxels = sum(math.prod(grid.spatial_shape) for grid in grids)
    if voxels > limits.max_voxels:
        raise NotEvaluable(
            ReasonCode.TOO_LARGE,
            f"the dynamic series has {voxels:,} voxels, {limits.max_voxels:,} are accepted; raise limits.max_voxels",
        )
    # Beside the phases stand a few copies of one of them in floating point: resampling, registration, drawing.
    largest = max(math.prod(grid.spatial_shape) for grid in grids)
    needed_mib = (voxels * dtype.itemsize + _WORKING_COPIES * 4 * largest) / 2**20
    if needed_mib > limits.max_memory_mib:
        raise NotEvaluable(
            ReasonCode.TOO_LARGE,
            f"the dynamic series needs about {needed_mib:,.0f} MiB of memory, {limits.max_memory_mib:,} are accepted; "
            "raise limits.max_memory_mib",
        )


def to_simpleitk(array: npt.NDArray[Any], geometry: VolumeGeometry) -> sitk.Image:
    """A SimpleITK image of an array [slices, rows, columns] at its place in the patient (LPS, as ITK has it)."""
    image: sitk.Image = geometry.with_array(array).to_simpleitk()
    return image


def axis_aligned_grid(geometry: VolumeGeometry, spacing_mm: float) -> VolumeGeometry:
    """The grid along the patient's axes that covers a volume: index order (z, y, x), each rising in LPS."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    ends = corners * (np.asarray(geometry.spatial_shape) - 1)
    points = geometry.map_indices_to_reference(ends)
    low, high = points.min(axis=0), points.max(axis=0)
    shape = np.floor((high - low) / spacing_mm + 1e-6).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1] * spacing_mm
    affine[:3, 3] = low
    return VolumeGeometry(
        affine=affine,
        spatial_shape=tuple(int(n) for n in shape[::-1]),
        coordinate_system=CoordinateSystemNames.PATIENT,
        frame_of_reference_uid=geometry.frame_of_reference_uid,
    )


def resample(
    array: npt.NDArray[Any], source: VolumeGeometry, target: VolumeGeometry, *, nearest: bool
) -> npt.NDArray[np.float32]:
    """Resample [slices, rows, columns] from one grid to another, linearly or to the nearest voxel; 0 outside."""
    method = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    return _resample(array, source, target, method, extrapolate=False)


def bring_onto(array: npt.NDArray[Any], source: VolumeGeometry, target: VolumeGeometry) -> npt.NDArray[np.float32]:
    """Resample a phase linearly onto the grid of another one; beyond its border it goes on as at the border."""
    return _resample(array, source, target, sitk.sitkLinear, extrapolate=True)


def _resample(
    array: npt.NDArray[Any], source: VolumeGeometry, target: VolumeGeometry, method: int, *, extrapolate: bool
) -> npt.NDArray[np.float32]:
    image = sitk.Cast(to_simpleitk(array, source), sitk.sitkFloat32)
    reference = to_simpleitk(np.zeros(target.spatial_shape, dtype=np.uint8), target)
    resampled = sitk.Resample(image, reference, sitk.Transform(), method, 0.0, sitk.sitkFloat32, extrapolate)
    return np.ascontiguousarray(Volume.from_simpleitk(resampled).array)
