"""The lesion that a probability is for: where it is, how large, how it enhances, and who said so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from pcr.kinetics import Kinetics, measure
from pcr.lesion_box import LesionBox, lesion_box
from pcr.volume import DceVolume

LesionSource = Literal["kinetic", "segmentation"]
Laterality = Literal["left", "right"]
PointMm = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place that could have been the lesion: centroid in LPS mm, volume, and the localiser's score from 0 to 1."""

    centroid_lps_mm: PointMm
    volume_ml: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A lesion on the grid of the dynamic series.

    Attributes:
        mask: bool [slices, rows, columns], not empty.
        source: who outlined it.
        score: the localiser's score from 0 to 1; None for a segmentation that came with the study.
        volume_ml: voxel volume x number of voxels.
        diameter_ends_lps_mm: the two points of the lesion that lie farthest apart, in three dimensions.
        section_ends_lps_mm: the two points of its largest section, that on `largest_slice`, that lie farthest apart.
        box: sides of the box around the mask.
        centroid_lps_mm: mean of the voxel centres in patient coordinates, LPS.
        runners_up: the other candidates, best first.
    """

    mask: npt.NDArray[np.bool_]
    source: LesionSource
    score: float | None
    volume_ml: float
    diameter_ends_lps_mm: tuple[PointMm, PointMm]
    section_ends_lps_mm: tuple[PointMm, PointMm]
    box: LesionBox
    centroid_lps_mm: PointMm
    laterality: Laterality
    kinetics: Kinetics
    runners_up: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or self.mask.dtype != np.bool_ or not self.mask.any():
            raise ValueError(f"mask must be a bool volume that is not empty, got {self.mask.dtype} {self.mask.shape}")

    @property
    def longest_diameter_mm(self) -> float:
        """Largest distance between two points of the lesion."""
        return math.dist(*self.diameter_ends_lps_mm)

    @property
    def section_diameter_mm(self) -> float:
        """Largest distance between two points of the largest section: what a caliper measures on that image."""
        return math.dist(*self.section_ends_lps_mm)

    @property
    def slice_range(self) -> tuple[int, int]:
        """First and last slice index that the lesion reaches."""
        slices = np.flatnonzero(self.mask.any(axis=(1, 2)))
        return int(slices[0]), int(slices[-1])

    @property
    def largest_slice(self) -> int:
        """Index of the slice with the largest section."""
        return _largest_slice(self.mask)


def outlined(
    mask: npt.NDArray[np.bool_],
    volume: DceVolume,
    *,
    source: LesionSource,
    laterality: Laterality,
    score: float | None = None,
    runners_up: tuple[Candidate, ...] = (),
) -> Lesion:
    """Measure a mask [slices, rows, columns] on a dynamic series and make it a Lesion.

    Raises ValueError on an empty mask or one without signal.
    """
    if not mask.any():
        raise ValueError("mask is empty")
    indices = np.argwhere(mask)
    series, geometry = volume.series, volume.geometry
    section = indices[indices[:, 0] == _largest_slice(mask)]
    mean_signal = volume.pixels[:, *indices.T].mean(axis=1, dtype=np.float64)
    return Lesion(
        mask=mask,
        source=source,
        score=score,
        volume_ml=len(indices) * geometry.voxel_volume / 1000,
        diameter_ends_lps_mm=farthest_ends_lps_mm(indices, geometry),
        section_ends_lps_mm=farthest_ends_lps_mm(section, geometry),
        box=lesion_box(mask, geometry.spacing),
        centroid_lps_mm=centroid_lps_mm(indices, geometry),
        laterality=laterality,
        kinetics=measure(mean_signal, series.index("pre"), series.index("early"), series.index("late")),
        runners_up=runners_up,
    )


def _largest_slice(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.argmax([np.count_nonzero(section) for section in mask]))


def centroid_lps_mm(indices: npt.NDArray[np.integer], geometry: VolumeGeometry) -> PointMm:
    """Mean of voxel centres [n, 3] in patient coordinates."""
    return _point(geometry.map_indices_to_reference(indices.mean(axis=0, keepdims=True))[0])


def farthest_ends_lps_mm(indices: npt.NDArray[np.integer], geometry: VolumeGeometry) -> tuple[PointMm, PointMm]:
    """Ends of the longest diameter of voxels [n, 3]: of the line through the two that lie farthest apart.

    The line ends where it leaves the voxels, whatever their shape; that of a single voxel runs along its row.
    """
    axes = np.asarray(geometry.affine)[:3, :3]
    points = geometry.map_indices_to_reference(indices.astype(float))
    first = last = points[0]
    direction = axes[:, 2]
    if len(points) > 1:
        hull = _hull(points)
        one, other = np.triu_indices(len(hull), 1)
        longest = int(np.argmax(pdist(hull)))
        first, last = hull[one[longest]], hull[other[longest]]
        direction = last - first
    # As indices, a voxel reaches half a step to each side of its centre.
    half = 0.5 / np.abs(np.linalg.solve(axes, direction)).max() * direction
    return _point(first - half), _point(last + half)


def _hull(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    try:
        corners = ConvexHull(points).vertices
    except QhullError:  # all in one plane or line: joggled (QJ), their hull still holds the two that are farthest apart
        corners = ConvexHull(points, qhull_options="QJ").vertices if len(points) > 4 else np.arange(len(points))
    hull: npt.NDArray[np.float64] = points[corners]
    return hull


def _point(point: npt.NDArray[np.float64]) -> PointMm:
    x, y, z = point
    return float(x), float(y), float(z)
