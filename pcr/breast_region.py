"""Where in a volume a breast lesion can be: breast tissue behind the skin and in front of the chest wall.

The volume comes on a grid along the patient's axes (z, y, x), each rising in LPS, so that anterior is a low y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label

SKIN_MM = 5.0
# Ours: the pectoral muscle begins about a centimetre behind the skin over the sternum, and the chest wall falls
# away from there like a cylinder of 16 cm radius; the heart lies deeper than that.
PRESTERNAL_MM = 10.0
CHEST_RADIUS_MM = 160.0
DEEPEST_MM = 45.0
# Both breasts and the cleft between them do not fit into a narrower field of view.
BILATERAL_WIDTH_MM = 250.0


@dataclass(frozen=True, slots=True)
class BreastRegion:
    """Breast tissue as bool [z, y, x], and the column of the cleft between two breasts (None when one is seen)."""

    mask: npt.NDArray[np.bool_]
    midline_column: int | None


def find_breast_region(signal: npt.NDArray[np.floating], spacing_mm: float) -> BreastRegion:
    """Find the breast region in a mean signal over the phases, [z, y, x] on an isotropic grid along LPS axes.

    The mask is empty where no body is seen.
    """
    skin = _skin_depth(signal, spacing_mm)
    depth = signal.shape[1]
    profile = np.median(skin, axis=0)
    seen = np.flatnonzero(profile < depth)
    if seen.size == 0:
        return BreastRegion(np.zeros(signal.shape, dtype=bool), None)
    width_mm = float(seen[-1] - seen[0]) * spacing_mm
    quarter = (seen[-1] - seen[0]) // 4
    central = np.arange(seen[0] + quarter, seen[-1] - quarter + 1)
    smooth = ndimage.gaussian_filter1d(np.minimum(profile, depth), 4.5 / spacing_mm)
    midline = int(central[smooth[central].argmax()])
    # With one breast in view there is no cleft: the chest wall is where the skin is deepest.
    sternum = profile[midline] if width_mm >= BILATERAL_WIDTH_MM else profile[seen].max()
    centre = midline if width_mm >= BILATERAL_WIDTH_MM else int(seen.mean())
    behind_skin = np.arange(depth)[None, :, None] >= skin[:, None, :]
    front_of_chest = np.arange(depth)[:, None] < (
        sternum + _chest_wall_mm(signal.shape[2], centre, spacing_mm) / spacing_mm
    )
    deep_enough = _distance_from_air_mm(behind_skin, spacing_mm) > SKIN_MM
    mask: npt.NDArray[np.bool_] = behind_skin & deep_enough & front_of_chest[None]
    return BreastRegion(mask, midline if width_mm >= BILATERAL_WIDTH_MM else None)


def _skin_depth(signal: npt.NDArray[np.floating], spacing_mm: float) -> npt.NDArray[np.int64]:
    """Index along y of the first body voxel for each (z, x); the size of y where there is none."""
    smooth = np.log1p(np.maximum(ndimage.gaussian_filter(signal, 1.5 / spacing_mm), 0))
    body = ndimage.binary_opening(smooth > threshold_otsu(smooth), iterations=2)
    parts = label(body)
    if parts.max() == 0:
        return np.full((signal.shape[0], signal.shape[2]), signal.shape[1])
    body = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    skin: npt.NDArray[np.int64] = np.where(body.any(axis=1), body.argmax(axis=1), signal.shape[1])
    return skin


def _chest_wall_mm(columns: int, centre: int, spacing_mm: float) -> npt.NDArray[np.float64]:
    """How far behind the skin over the sternum the breast may reach, for each column."""
    sideways = np.minimum(np.abs(np.arange(columns) - centre) * spacing_mm, CHEST_RADIUS_MM)
    fall = CHEST_RADIUS_MM - np.sqrt(CHEST_RADIUS_MM**2 - sideways**2)
    return PRESTERNAL_MM + np.minimum(fall, DEEPEST_MM)


def _distance_from_air_mm(behind_skin: npt.NDArray[np.bool_], spacing_mm: float) -> npt.NDArray[np.float64]:
    """Distance from the air in front of the body; the borders of the image are no air."""
    return np.asarray(ndimage.distance_transform_edt(behind_skin, sampling=spacing_mm))
