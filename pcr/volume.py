"""Phases as arrays: the pixels of a dynamic series with their place in the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from highdicom import CoordinateSystemNames
from highdicom.volume import Volume, VolumeGeometry
from pydicom.dataset import Dataset

from pcr.image_plane import number, position_lps_mm, slice_normal
from pcr.phases import DceSeries, Phase, Role
from pcr.reasons import NotEvaluable, ReasonCode

_SPACING_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class DceVolume:
    """All phases of a dynamic series on their common grid.

    Attributes:
        series: the phases behind the first axis, in order of time.
        pixels: signal [phases, slices, rows, columns]; slices follow `image_plane.slice_normal`.
        geometry: affine from (slice, row, column) indices to patient coordinates in mm, LPS.
    """

    series: DceSeries
    pixels: npt.NDArray[Any]
    geometry: VolumeGeometry

    def phase(self, role: Role) -> Volume:
        """The phase with this role as a volume [slices, rows, columns]."""
        return self.geometry.with_array(self.pixels[self.series.index(role)])


def load(series: DceSeries, max_voxels: int) -> DceVolume:
    """Read the pixels of all phases, each file once, if they are `max_voxels` at most.

    Raises:
        NotEvaluable: `too_large` before anything is read, `missing_slices`, `mixed_geometry` (slices unequally
            spaced), `corrupt_pixels`, `unsupported_transfer_syntax`.
    """
    first = series.phases[0]
    geometry = _geometry(first)
    voxels = len(series.phases) * math.prod(geometry.spatial_shape)
    if voxels > max_voxels:
        raise NotEvaluable(
            ReasonCode.TOO_LARGE,
            f"the dynamic series has {voxels:,} voxels, {max_voxels:,} are accepted; raise limits.max_voxels",
        )
    dtype = np.result_type(*(_signal_dtype(phase) for phase in series.phases))
    pixels = np.empty((len(series.phases), *geometry.spatial_shape), dtype=dtype)
    for index, phase in enumerate(series.phases):
        for place, instance in enumerate(phase.instances):
            stored = instance.pixels()
            slope, intercept = _rescale(instance.header)
            pixels[index, place] = stored if (slope, intercept) == (1.0, 0.0) else stored * slope + intercept
    return DceVolume(series, pixels, geometry)


def _geometry(phase: Phase) -> VolumeGeometry:
    header = phase.instances[0].header
    positions = np.stack([position_lps_mm(i.header) for i in phase.instances])
    along = positions @ slice_normal(header)
    gaps = np.diff(along)
    spacing = float(np.median(gaps))
    if gaps.max() > 1.5 * spacing:
        missing = int(np.sum(np.round(gaps / spacing) - 1))
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES,
            f"at least {missing} slices are missing from the dynamic series; send the complete series",
        )
    # A stack that shifts in plane from slice to slice (a tilted gantry) is no grid either.
    sideways = positions - positions[0] - np.outer(along - along[0], slice_normal(header))
    if np.ptp(gaps) > _SPACING_TOLERANCE * spacing or np.abs(sideways).max() > _SPACING_TOLERANCE * spacing:
        raise NotEvaluable(ReasonCode.MIXED_GEOMETRY, "slices of the dynamic series are unequally spaced")
    return VolumeGeometry.from_attributes(
        image_position=positions[0].tolist(),
        image_orientation=[float(v) for v in header.ImageOrientationPatient],
        rows=int(header.Rows),
        columns=int(header.Columns),
        pixel_spacing=[float(v) for v in header.PixelSpacing],
        spacing_between_slices=float((along[-1] - along[0]) / (len(along) - 1)),
        number_of_frames=len(phase.instances),
        coordinate_system=CoordinateSystemNames.PATIENT,
        frame_of_reference_uid=str(header.FrameOfReferenceUID),
    )


def _rescale(header: Dataset) -> tuple[float, float]:
    """Slope and intercept of the modality transform (PS3.3 C.11.1); 1 and 0 where there is none."""
    return _coefficient(header, "RescaleSlope", 1.0), _coefficient(header, "RescaleIntercept", 0.0)


def _coefficient(header: Dataset, name: str, absent: float) -> float:
    if header.get(name) is None:
        return absent
    value = number(header, name)
    if value is None or (name == "RescaleSlope" and value == 0):
        raise NotEvaluable(ReasonCode.CORRUPT_PIXELS, f"images of the dynamic series have an invalid {name}")
    return value


def _signal_dtype(phase: Phase) -> np.dtype[np.generic]:
    """The smallest type that holds the signal of a phase: stored integers, or float32 once a rescale is applied."""
    if any(_rescale(i.header) != (1.0, 0.0) for i in phase.instances):
        return np.dtype(np.float32)
    signed = any(number(i.header, "PixelRepresentation") for i in phase.instances)
    bits = {number(i.header, "BitsAllocated") for i in phase.instances}
    if not bits <= {8, 16, 32}:
        raise NotEvaluable(ReasonCode.UNSUPPORTED_OBJECT, "images of the dynamic series are not of 8, 16 or 32 bits")
    return np.dtype(f"{'int' if signed else 'uint'}{max(int(b) for b in bits if b is not None)}")


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
    image = sitk.Cast(to_simpleitk(array, source), sitk.sitkFloat32)
    reference = to_simpleitk(np.zeros(target.spatial_shape, dtype=np.uint8), target)
    method = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    resampled = sitk.Resample(image, reference, sitk.Transform(), method, 0.0, sitk.sitkFloat32)
    return np.ascontiguousarray(Volume.from_simpleitk(resampled).array)
