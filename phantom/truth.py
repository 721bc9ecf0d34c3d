"""What is true of the simulated lesion, measured on the mask that was simulated."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionTruth:
    """Measurements of a lesion mask.

    Attributes:
        centroid_lps_mm: Mean position of its voxels' centres.
        volume_ml: Number of voxels times their volume.
        longest_diameter_mm: Largest distance between two of its voxels' centres, in three dimensions.
    """

    centroid_lps_mm: tuple[float, float, float]
    volume_ml: float
    longest_diameter_mm: float


def measure(mask: NDArray[np.bool_], geometry: VolumeGeometry) -> LesionTruth:
    """Measure a mask [S, R, C] that is not empty."""
    points = geometry.map_indices_to_reference(np.argwhere(mask))
    x, y, z = points.mean(axis=0).tolist()
    return LesionTruth(
        centroid_lps_mm=(x, y, z),
        volume_ml=float(len(points) * geometry.voxel_volume / 1000),
        longest_diameter_mm=_largest_distance(points),
    )


def _largest_distance(points: NDArray[np.floating]) -> float:
    """The largest distance between any two of the points [N, 3]."""
    # There is no hull of points that are few or lie in one plane, but then all of them can be compared.
    with suppress(QhullError):
        points = points[ConvexHull(points).vertices]
    return float(pdist(points).max()) if len(points) > 1 else 0.0
