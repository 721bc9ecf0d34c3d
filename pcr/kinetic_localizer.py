"""The kinetic localiser: the most lesion-like enhancement in the breasts of a dynamic series.

Candidates are connected regions of early enhancement at several levels; the best by `pcr.lesion_score` is outlined on
the grid of the series. All constants are ours; docs/localisation.md gives their reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import isotropic_closing, isotropic_opening

from pcr.aligned_resampling import reached, resample_linearly
from pcr.breast_region import BreastRegion, find_breast_region
from pcr.lesion import Candidate, Laterality, Lesion, PointMm, centroid_lps_mm, outlined
from pcr.lesion_score import Background, Enhancement, lesion_score, smoothed
from pcr.phases import Role
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume, axis_aligned_grid

SEARCH_SPACING_MM = 1.5
REGION_SPACING_MM = 3.0
VOXEL_ML = SEARCH_SPACING_MM**3 / 1000
LEVELS = (0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
MIN_VOLUME_ML = 0.1
MAX_VOLUME_ML = 400.0
HALF_PEAK = 0.5
MARGIN_MM = 8.0
OPENING_MM = 1.5
# NumPy and SciPy let go of the interpreter while they resample and smooth.
_THREADS = 2
ROLES: tuple[Role, ...] = ("pre", "early", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizerSettings:
    """What a candidate must reach, and how many runners-up are listed."""

    min_score: float = 0.7
    runners_up: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.min_score < 1:
            raise ValueError(f"min_score ({self.min_score}) must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class _Region:
    """A connected region of the search grid with its score; `voxels` are indices [n, 3]."""

    voxels: npt.NDArray[np.int64]
    score: float

    @property
    def volume_ml(self) -> float:
        return len(self.voxels) * VOXEL_ML


def find_lesion(volume: DceVolume, settings: LocalizerSettings) -> Lesion:
    """Find the lesion of a breast DCE-MRI by its kinetics.

    Raises:
        NotEvaluable: `no_lesion_found` when no candidate reaches the score.
    """
    search = _Search.of(volume)
    ranked = _distinct(_regions(search.enhancement, search.breast), search.breast.shape)
    if not ranked or ranked[0].score < settings.min_score:
        best = f"the best of {len(ranked)} scores {ranked[0].score:.3f}" if ranked else "nothing enhances"
        raise NotEvaluable(
            ReasonCode.NO_LESION_FOUND,
            f"no enhancing region looks enough like a lesion ({best}, {settings.min_score:.3f} is needed); "
            "send a segmentation of the lesion with the study",
        )
    core = ranked[0]
    mask = _refine(volume, core, search.grid)
    return outlined(
        mask,
        volume,
        source="kinetic",
        laterality=_laterality(centroid_lps_mm(core.voxels, search.grid), volume, search.midline_mm),
        score=core.score,
        runners_up=tuple(_candidate(region, search.grid) for region in ranked[1 : 1 + settings.runners_up]),
    )


def laterality_of_mask(mask: npt.NDArray[np.bool_], volume: DceVolume) -> Laterality:
    """The side of a lesion that somebody else outlined, bool [slices, rows, columns]."""
    _, midline_mm = _breasts(volume)
    place = centroid_lps_mm(np.argwhere(mask), volume.geometry)
    return _laterality(place, volume, midline_mm)


@dataclass(frozen=True, slots=True)
class _Search:
    """What the localiser looks at: the part of the grid along the patient's axes that holds the breasts.

    Attributes:
        breast: bool on the grid, where breast tissue is.
        midline_mm: x of the cleft between two breasts, LPS; None when one is seen.
    """

    grid: VolumeGeometry
    enhancement: Enhancement
    breast: npt.NDArray[np.bool_]
    midline_mm: float | None

    @classmethod
    def of(cls, volume: DceVolume) -> _Search:
        """Raises NotEvaluable("no_lesion_found") where there is no breast."""
        region, midline_mm = _breasts(volume)
        if not region.any():
            raise NotEvaluable(ReasonCode.NO_LESION_FOUND, "no breast tissue is seen in the dynamic series")
        grid = axis_aligned_grid(volume.geometry, SEARCH_SPACING_MM)
        # The chest is half of the volume; nothing below looks at it, so the single phases are not resampled there.
        box = ndimage.find_objects(region.view(np.uint8))[0]
        with ThreadPoolExecutor(_THREADS) as pool:
            pre, early, late = pool.map(lambda role: smoothed(_on(grid[box], volume, role), SEARCH_SPACING_MM), ROLES)
        return cls(
            grid=grid[box],
            enhancement=Enhancement(pre, early - pre, late - pre, SEARCH_SPACING_MM),
            breast=region[box],
            midline_mm=midline_mm,
        )


def _breasts(volume: DceVolume) -> tuple[npt.NDArray[np.bool_], float | None]:
    """The breast region on the search grid, and x of the cleft between the breasts, LPS.

    It is found on a grid of half the resolution, in an eighth of the time; its margins are wider than that.
    """
    coarse = axis_aligned_grid(volume.geometry, REGION_SPACING_MM)
    region = find_breast_region(_mean_signal(volume, coarse), reached(volume.geometry, coarse), REGION_SPACING_MM)
    shape = axis_aligned_grid(volume.geometry, SEARCH_SPACING_MM).spatial_shape
    part = SEARCH_SPACING_MM / REGION_SPACING_MM
    nearest = (
        np.minimum(np.round(np.arange(fine) * part).astype(int), size - 1)
        for fine, size in zip(shape, region.mask.shape, strict=True)
    )
    return region.mask[np.ix_(*nearest)], _midline_mm(region, coarse)


def _mean_signal(volume: DceVolume, grid: VolumeGeometry) -> npt.NDArray[np.float32]:
    """Mean of the pre, early and late phase on a grid."""
    with ThreadPoolExecutor(_THREADS) as pool:
        mean, *others = pool.map(lambda role: _on(grid, volume, role), ROLES)
    for phase in others:
        mean += phase
    mean /= len(ROLES)
    return mean


def _on(grid: VolumeGeometry, volume: DceVolume, role: Role) -> npt.NDArray[np.float32]:
    return resample_linearly(volume.phase(role).array, volume.geometry, grid)


def _midline_mm(region: BreastRegion, grid: VolumeGeometry) -> float | None:
    """x of the cleft between the breasts, LPS."""
    if region.midline_column is None:
        return None
    return float(grid.map_indices_to_reference(np.array([[0, 0, region.midline_column]]))[0, 0])


def _regions(enhancement: Enhancement, breast: npt.NDArray[np.bool_]) -> list[_Region]:
    """Connected regions above each level of enhancement, scored."""
    background = Background.of(enhancement, breast)
    strongest = float(np.percentile(enhancement.early[breast], 99.99))
    found: list[_Region] = []
    for level in LEVELS:
        above = (enhancement.early > max(level * strongest, background.faintest)) & breast
        if not above.any():
            continue
        box = ndimage.find_objects(above.view(np.uint8))[0]
        # Opening cuts vessels of up to three millimetres from what they feed.
        parts = label(ndimage.binary_opening(above[box]))
        for part in regionprops(parts, offset=tuple(side.start for side in box)):
            if MIN_VOLUME_ML <= part.area * VOXEL_ML <= MAX_VOLUME_ML:
                found.append(_Region(part.coords, lesion_score(part.coords, enhancement, breast, background)))
    return found


def _distinct(regions: Sequence[_Region], shape: tuple[int, ...]) -> list[_Region]:
    """The regions by falling score without those that overlap a better one: those of high levels lie in low ones."""
    ranked = sorted(regions, key=lambda region: (-region.score, tuple(region.voxels[0])))
    taken = np.zeros(shape, dtype=bool)
    distinct = []
    for region in ranked:
        at = tuple(region.voxels.T)
        if not taken[at].any():
            distinct.append(region)
            taken[at] = True
    return distinct


def _refine(volume: DceVolume, core: _Region, grid: VolumeGeometry) -> npt.NDArray[np.bool_]:
    """Outline the lesion on the grid of the series: what rises above half of its peak, connected to the core."""
    shape = volume.geometry.spatial_shape
    inside = volume.geometry.map_reference_to_indices(grid.map_indices_to_reference(core.voxels.astype(float)))
    margin = MARGIN_MM / np.asarray(volume.geometry.spacing)
    low = np.maximum(np.floor(inside.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(inside.max(axis=0) + margin) + 1, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    pre, early = (volume.phase(role).array[box].astype(np.float32) for role in ("pre", "early"))
    rise = ndimage.gaussian_filter(early - pre, 0.5 / np.asarray(volume.geometry.spacing))
    seeds = np.zeros(rise.shape, dtype=bool)
    nearest = np.clip(np.round(inside).astype(int) - low, 0, np.asarray(rise.shape) - 1)
    seeds[tuple(nearest.T)] = True
    surrounding = float(np.median(rise))
    peak = float(np.percentile(rise[seeds], 90))
    above = rise > surrounding + HALF_PEAK * (peak - surrounding)
    spacing = volume.geometry.spacing
    opened = isotropic_opening(above, OPENING_MM, spacing=spacing)
    parts = label(opened)
    reached = np.bincount(parts[seeds], minlength=parts.max() + 1)[1:]
    if reached.size == 0 or reached.max() == 0:
        chosen = seeds
    else:
        closed = isotropic_closing(parts == reached.argmax() + 1, OPENING_MM, spacing=spacing)
        chosen = ndimage.binary_fill_holes(closed)
    mask = np.zeros(shape, dtype=bool)
    mask[box] = chosen
    return mask


def _candidate(region: _Region, grid: VolumeGeometry) -> Candidate:
    return Candidate(
        centroid_lps_mm=centroid_lps_mm(region.voxels, grid), volume_ml=region.volume_ml, score=region.score
    )


def _laterality(place: PointMm, volume: DceVolume, midline_mm: float | None) -> Laterality:
    """The side of a place: against the cleft where both breasts are seen, else what the header says.

    Without either, the patient's axis decides: x rises to the left.
    """
    if midline_mm is not None:
        return "left" if place[0] > midline_mm else "right"
    header = volume.series.phases[0].frames[0].header
    stated = str(header.get("Laterality") or header.get("ImageLaterality") or "")
    if stated in ("L", "R"):
        return "left" if stated == "L" else "right"
    return "left" if place[0] > 0 else "right"
