"""The kinetic localiser: the most lesion-like enhancement in the breasts of a dynamic series.

Candidates are connected regions of early enhancement at several levels. Each gets a score from 0 to 1: how strongly
and how early it enhances, whether it washes out, whether it is a mass or a vessel, whether it is large enough to be
seen at all. All constants are ours; docs/localisation.md gives their reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy import ndimage
from skimage.measure import label, regionprops

from pcr.breast_region import BreastRegion, find_breast_region
from pcr.lesion import Candidate, Laterality, Lesion, PointMm, centroid_lps_mm, outlined
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume, axis_aligned_grid, resample

SEARCH_SPACING_MM = 1.5
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.75)
MIN_VOLUME_ML = 0.1
MAX_VOLUME_ML = 400.0
HALF_PEAK = 0.5
MARGIN_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizerSettings:
    """What a candidate must reach, and how many runners-up are listed."""

    min_score: float = 0.3
    runners_up: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.min_score < 1:
            raise ValueError(f"min_score ({self.min_score}) must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class _Enhancement:
    """Signal on the search grid [z, y, x]: before contrast, early rise above it, and late rise above it."""

    pre: npt.NDArray[np.float32]
    early: npt.NDArray[np.float32]
    late: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Region:
    """A connected region of the search grid with its score; `voxels` are indices [n, 3]."""

    voxels: npt.NDArray[np.int64]
    score: float

    @property
    def volume_ml(self) -> float:
        return len(self.voxels) * SEARCH_SPACING_MM**3 / 1000


def find_lesion(volume: DceVolume, settings: LocalizerSettings) -> Lesion:
    """Find the lesion of a breast DCE-MRI by its kinetics.

    Raises:
        NotEvaluable: `no_lesion_found` when no candidate reaches the score.
    """
    search = _Search.of(volume)
    if not search.breast.mask.any():
        raise NotEvaluable(ReasonCode.NO_LESION_FOUND, "no breast tissue is seen in the dynamic series")
    ranked = _distinct(_regions(search.enhancement, search.breast.mask))
    if not ranked or ranked[0].score < settings.min_score:
        best = f"the best of {len(ranked)} scores {ranked[0].score:.2f}" if ranked else "nothing enhances"
        raise NotEvaluable(
            ReasonCode.NO_LESION_FOUND,
            f"no enhancing region looks enough like a lesion ({best}, {settings.min_score:.2f} is needed); "
            "send a segmentation of the lesion with the study",
        )
    core = ranked[0]
    mask = _refine(volume, core, search.grid)
    return outlined(
        mask,
        volume,
        source="kinetic",
        laterality=_laterality(centroid_lps_mm(core.voxels, search.grid), volume, search),
        score=core.score,
        runners_up=tuple(_candidate(region, search.grid) for region in ranked[1 : 1 + settings.runners_up]),
    )


def laterality_of_mask(mask: npt.NDArray[np.bool_], volume: DceVolume) -> Laterality:
    """The side of a lesion that somebody else outlined, bool [slices, rows, columns]."""
    return _laterality(centroid_lps_mm(np.argwhere(mask), volume.geometry), volume, _Search.of(volume))


@dataclass(frozen=True, slots=True)
class _Search:
    """What the localiser looks at: the grid along the patient's axes, the signal on it, and where breast is."""

    grid: VolumeGeometry
    enhancement: _Enhancement
    breast: BreastRegion

    @classmethod
    def of(cls, volume: DceVolume) -> _Search:
        grid = axis_aligned_grid(volume.geometry, SEARCH_SPACING_MM)
        enhancement = _enhancement(volume, grid)
        mean = enhancement.pre + (enhancement.early + enhancement.late) / 3
        return cls(grid, enhancement, find_breast_region(mean, SEARCH_SPACING_MM))


def _enhancement(volume: DceVolume, grid: VolumeGeometry) -> _Enhancement:
    pre, early, late = (
        ndimage.gaussian_filter(
            resample(volume.phase(role).array, volume.geometry, grid, nearest=False), 1.0 / SEARCH_SPACING_MM
        )
        for role in ("pre", "early", "late")
    )
    return _Enhancement(pre, early - pre, late - pre)


def _regions(enhancement: _Enhancement, breast: npt.NDArray[np.bool_]) -> list[_Region]:
    """Connected regions above each level of enhancement, scored."""
    values = enhancement.early[breast]
    median = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - median)))
    strongest = float(np.percentile(values, 99.9))
    background = max(float(np.median(enhancement.pre[breast])), 1.0)
    found: list[_Region] = []
    for level in LEVELS:
        above = (enhancement.early > max(level * strongest, median + 5 * noise)) & breast
        # Opening cuts vessels of up to three millimetres from what they feed.
        parts = label(ndimage.binary_opening(above))
        for part in regionprops(parts):
            if MIN_VOLUME_ML <= part.area * SEARCH_SPACING_MM**3 / 1000 <= MAX_VOLUME_ML:
                found.append(_Region(part.coords, _score(part.coords, enhancement, background, noise)))
    return found


def _score(voxels: npt.NDArray[np.int64], enhancement: _Enhancement, background: float, noise: float) -> float:
    """Geometric mean of five properties, each from 0 to 1."""
    at = tuple(voxels.T)
    pre, early, late = (float(image[at].mean()) for image in (enhancement.pre, enhancement.early, enhancement.late))
    volume_ml = len(voxels) * SEARCH_SPACING_MM**3 / 1000
    properties = (
        _ramp(early / max(pre, background), 0.3, 1.2),
        _ramp(early / max(noise, 1e-6), 5.0, 20.0),
        _ramp(1 - (late - early) / max(early, 1e-6), 0.4, 0.95),
        _ramp(_compactness(voxels), 0.25, 0.6),
        _ramp(np.log(volume_ml), np.log(0.05), np.log(0.8)),
    )
    return float(np.prod(properties) ** (1 / len(properties)))


def _compactness(voxels: npt.NDArray[np.int64]) -> float:
    """Radius of the largest inscribed ball over the radius of the ball of equal volume: 1 for a ball, low for a vessel."""
    low = voxels.min(axis=0)
    box = np.zeros(voxels.max(axis=0) - low + 3, dtype=bool)
    box[tuple((voxels - low + 1).T)] = True
    inscribed = float(np.max(ndimage.distance_transform_edt(box)))
    return inscribed / float((3 * len(voxels) / (4 * np.pi)) ** (1 / 3))


def _ramp(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


def _distinct(regions: Sequence[_Region]) -> list[_Region]:
    """The regions by falling score, without those that overlap a better one: a level's region lies inside a lower one's."""
    ranked = sorted(regions, key=lambda region: (-region.score, tuple(region.voxels[0])))
    taken: set[tuple[int, ...]] = set()
    distinct = []
    for region in ranked:
        voxels = set(map(tuple, region.voxels.tolist()))
        if taken.isdisjoint(voxels):
            distinct.append(region)
            taken |= voxels
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
    opened = ndimage.binary_opening(above, _ball(1.5, volume.geometry))
    parts = label(opened)
    reached = np.bincount(parts[seeds], minlength=parts.max() + 1)[1:]
    if reached.size == 0 or reached.max() == 0:
        chosen = seeds
    else:
        chosen = ndimage.binary_fill_holes(parts == reached.argmax() + 1)
    mask = np.zeros(shape, dtype=bool)
    mask[box] = chosen
    return mask


def _ball(radius_mm: float, geometry: VolumeGeometry) -> npt.NDArray[np.bool_]:
    """Structuring element of a radius in mm on the grid of the series, at least the voxel itself."""
    reach = np.floor(radius_mm / np.asarray(geometry.spacing)).astype(int)
    offsets = np.meshgrid(*(np.arange(-r, r + 1) * s for r, s in zip(reach, geometry.spacing, strict=True)), indexing="ij")
    return np.asarray(sum(o**2 for o in offsets) <= radius_mm**2)


def _candidate(region: _Region, grid: VolumeGeometry) -> Candidate:
    return Candidate(
        centroid_lps_mm=centroid_lps_mm(region.voxels, grid), volume_ml=region.volume_ml, score=region.score
    )


def _laterality(place: PointMm, volume: DceVolume, search: _Search) -> Laterality:
    """The side of a place: against the cleft where both breasts are seen, else what the header says.

    Without either, the patient's axis decides: x rises to the left.
    """
    if search.breast.midline_column is not None:
        column = search.grid.map_reference_to_indices(np.array([place]))[0][2]
        return "left" if column > search.breast.midline_column else "right"
    header = volume.series.phases[0].instances[0].header
    stated = str(header.get("Laterality") or header.get("ImageLaterality") or "")
    if stated in ("L", "R"):
        return "left" if stated == "L" else "right"
    return "left" if place[0] > 0 else "right"
