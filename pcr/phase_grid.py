"""The grid that the images of one phase make up, and how the grids of two phases lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from highdicom import CoordinateSystemNames
from highdicom.volume import VolumeGeometry

from pcr.image_plane import ImagePlane
from pcr.reasons import NotEvaluable, ReasonCode

GridRelation = Literal["same", "incomplete", "other", "elsewhere"]

_SPACING_TOLERANCE = 0.02
# Some senders round positions to a tenth of a millimetre.
_ROUNDED_MM = 0.11
# Positions are written rounded, and a scanner's own rounding differs from phase to phase.
SAME_POSITION_MM = 0.1
# Phases that share less than this part of the smaller one show different places, such as the other breast.
_SAME_PLACE = 0.5
# What one phase may lack of another at each border; it is filled from the border.
MAX_UNCOVERED_MM = 5.0


def grid_of(planes: Sequence[ImagePlane]) -> VolumeGeometry:
    """The grid of parallel planes in order along their normal: affine from (slice, row, column) to LPS mm.

    Raises:
        NotEvaluable: `missing_slices` where a gap is a multiple of the others, `mixed_geometry` where slices are
            unequally spaced or shift in their plane.
    """
    first = planes[0]
    positions = np.array([plane.position_lps_mm for plane in planes])
    along = positions @ first.normal
    gaps = np.diff(along)
    spacing = float(np.median(gaps))
    if gaps.max() > 1.5 * spacing:
        missing = int(np.sum(np.round(gaps / spacing) - 1))
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES,
            f"at least {missing} slices are missing from the dynamic series; send the complete series",
        )
    # A stack that shifts in plane from slice to slice (a tilted gantry) is no grid either.
    sideways = positions - positions[0] - np.outer(along - along[0], first.normal)
    allowed = max(_SPACING_TOLERANCE * spacing, _ROUNDED_MM)
    if np.ptp(gaps) > allowed or np.abs(sideways).max() > allowed:
        raise NotEvaluable(ReasonCode.MIXED_GEOMETRY, "slices of the dynamic series are unequally spaced")
    return VolumeGeometry.from_attributes(
        image_position=first.position_lps_mm,
        image_orientation=first.orientation,
        rows=first.rows,
        columns=first.columns,
        pixel_spacing=first.pixel_spacing_mm,
        spacing_between_slices=float((along[-1] - along[0]) / (len(along) - 1)),
        number_of_frames=len(planes),
        coordinate_system=CoordinateSystemNames.PATIENT,
        frame_of_reference_uid=first.frame_of_reference_uid,
    )


def relation(grid: VolumeGeometry, reference: VolumeGeometry) -> GridRelation:
    """How a grid of the same orientation and frame of reference lies to another one.

    `incomplete` is the same grid with another number of slices, `other` another grid at the same place, `elsewhere`
    one that shows another place.
    """
    first, last = _corners_in(grid, reference)
    spacing = np.asarray(reference.spacing)
    shape = np.asarray(reference.spatial_shape)
    at_start = (np.abs(first) * spacing).max() <= SAME_POSITION_MM
    at_end = (np.abs(last - (shape - 1)) * spacing).max() <= SAME_POSITION_MM
    if at_start and at_end and grid.spatial_shape == reference.spatial_shape:
        return "same"
    shared = np.minimum(last + 0.5, shape - 0.5) - np.maximum(first - 0.5, -0.5)
    smaller = np.minimum(last - first + 1, shape)
    if float(np.prod(np.clip(shared, 0, None) / smaller)) < _SAME_PLACE:
        return "elsewhere"
    return "incomplete" if _lacks_slices(grid, reference, first) else "other"


def uncovered_mm(grid: VolumeGeometry, reference: VolumeGeometry) -> float:
    """How far the reference reaches beyond a grid at the border where it does so most, in mm."""
    first, last = _corners_in(grid, reference)
    beyond = np.concatenate([first, np.asarray(reference.spatial_shape) - 1 - last])
    return float((beyond * np.tile(reference.spacing, 2)).max())


def _corners_in(grid: VolumeGeometry, reference: VolumeGeometry) -> tuple[npt.NDArray[np.float64], ...]:
    """Index of the first and the last voxel of a grid in another one."""
    ends = np.array([[0, 0, 0], np.asarray(grid.spatial_shape) - 1])
    first, last = reference.map_reference_to_indices(grid.map_indices_to_reference(ends))
    return first, last


def _lacks_slices(grid: VolumeGeometry, reference: VolumeGeometry, first: npt.NDArray[np.float64]) -> bool:
    in_plane = grid.spatial_shape[1:] == reference.spatial_shape[1:] and np.allclose(
        grid.pixel_spacing, reference.pixel_spacing, rtol=1e-3
    )
    spaced = np.isclose(grid.spacing_between_slices, reference.spacing_between_slices, rtol=_SPACING_TOLERANCE)
    off_mm = np.abs(first - np.round(first)) * reference.spacing
    on_lattice = off_mm.max() <= SAME_POSITION_MM and np.abs(np.round(first[1:])).max() == 0
    return bool(in_plane and spaced and on_lattice and grid.spatial_shape[0] != reference.spatial_shape[0])
