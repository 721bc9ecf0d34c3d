"""Where in a volume a breast lesion can be: breast tissue behind the skin and in front of the chest wall.

The volume comes on a grid along the patient's axes (z, y, x), each rising in LPS, so that anterior is a low y.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label

SKIN_MM = 5.0
_BLURRED_VOXELS = 2
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


def find_breast_region(
    signal: npt.NDArray[np.floating], inside: npt.NDArray[np.bool_], spacing_mm: float
) -> BreastRegion:
    """Find the breast region in a mean signal over the phases, [z, y, x] on an isotropic grid along LPS axes.

    `inside` is where the images reach: those that are tilted leave corners of such a grid empty, which are no air.
    The mask is empty where no body is seen.
    """
    skin, cut = _skin_depth(signal, inside, spacing_mm)
    depth = signal.shape[1]
    profile = _profile(np.where(cut, np.nan, skin), depth)
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
    breast_from = _behind_the_skin(skin, cut, depth, spacing_mm)
    breast_to = sternum + _chest_wall_mm(signal.shape[2], centre, spacing_mm) / spacing_mm
    rows = np.arange(depth)[:, None]
    mask: npt.NDArray[np.bool_] = (rows >= breast_from[:, None, :]) & (rows < breast_to) & inside
    return BreastRegion(mask, midline if width_mm >= BILATERAL_WIDTH_MM else None)


def _skin_depth(
    signal: npt.NDArray[np.floating], inside: npt.NDArray[np.bool_], spacing_mm: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Index along y of the first body voxel for each (z, x), and where that is a tilted border and no skin.

    The index is the size of y where there is no body.
    """
    none = np.full((signal.shape[0], signal.shape[2]), signal.shape[1])
    body = ndimage.binary_opening(_bright(signal, inside, spacing_mm), iterations=2)
    parts = label(body)
    if parts.max() == 0:
        return none, np.zeros(none.shape, dtype=bool)
    body = parts == np.bincount(parts[body]).argmax()
    skin: npt.NDArray[np.int64] = np.where(body.any(axis=1), body.argmax(axis=1), none)
    border = inside.argmax(axis=1)
    # Smoothing and opening move the first body voxel by up to this much from a border.
    return skin, (border > 0) & (skin <= border + _BLURRED_VOXELS)


def _profile(skin: npt.NDArray[np.float64], depth: int) -> npt.NDArray[np.float64]:
    """The median depth of the skin for each x; the size of y where no skin is seen."""
    known = ~np.isnan(skin).all(axis=0)
    profile = np.full(skin.shape[1], float(depth))
    profile[known] = np.nanmedian(skin[:, known], axis=0)
    return profile


def _bright(
    signal: npt.NDArray[np.floating], inside: npt.NDArray[np.bool_], spacing_mm: float
) -> npt.NDArray[np.bool_]:
    """What is brighter than air, bool [z, y, x]; works in place, since each of its copies is as large as a phase."""
    smooth = ndimage.gaussian_filter(signal, 1.5 / spacing_mm)
    np.log1p(np.maximum(smooth, 0, out=smooth), out=smooth)
    bright: npt.NDArray[np.bool_] = smooth > threshold_otsu(smooth[inside])
    return bright


def _chest_wall_mm(columns: int, centre: int, spacing_mm: float) -> npt.NDArray[np.float64]:
    """How far behind the skin over the sternum the breast may reach, for each column."""
    sideways = np.minimum(np.abs(np.arange(columns) - centre) * spacing_mm, CHEST_RADIUS_MM)
    fall = CHEST_RADIUS_MM - np.sqrt(CHEST_RADIUS_MM**2 - sideways**2)
    return PRESTERNAL_MM + np.minimum(fall, DEEPEST_MM)


def _behind_the_skin(
    skin: npt.NDArray[np.int64], cut: npt.NDArray[np.bool_], depth: int, spacing_mm: float
) -> npt.NDArray[np.int64]:
    """Index along y of the first voxel more than `SKIN_MM` from the air in front of the body, for each (z, x).

    That air is a height field, so its distance is had from balls of that radius around its hindmost voxels. The borders
    of the image are no air.
    """
    reach = int(SKIN_MM / spacing_mm)
    air_to = np.pad(np.where((skin > 0) & ~cut, skin - 1, -depth - reach), reach, constant_values=-depth - reach)
    first = np.zeros_like(skin)
    for down, across in product(range(2 * reach + 1), repeat=2):
        rest = (SKIN_MM / spacing_mm) ** 2 - (down - reach) ** 2 - (across - reach) ** 2
        if rest >= 0:
            near = air_to[down : down + skin.shape[0], across : across + skin.shape[1]]
            first = np.maximum(first, near + int(np.sqrt(rest)) + 1)
    return first
