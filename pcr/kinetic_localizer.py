"""The kinetic localiser: the most lesion-like enhancement in the breasts of a dynamic series.

Candidates are connected regions of early enhancement at several levels. Each gets a score from 0 to 1: how strongly
it enhances against its own signal, the noise and the rest of the breasts, whether it washes out, whether it is a mass
with an edge or a part of a texture, a ball or a vessel, and whether it is large enough to be seen at all. All
constants are ours; docs/localisation.md gives their reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import isotropic_closing, isotropic_opening

from pcr.breast_region import find_breast_region
from pcr.lesion import Candidate, Laterality, Lesion, PointMm, centroid_lps_mm, outlined
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume, axis_aligned_grid, resample

SEARCH_SPACING_MM = 1.5
LEVELS = (0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
SHELL_VOXELS = 3
MIN_VOLUME_ML = 0.1
MAX_VOLUME_ML = 400.0
HALF_PEAK = 0.5
MARGIN_MM = 8.0
OPENING_MM = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizerSettings:
    """What a candidate must reach, and how many runners-up are listed."""

    min_score: float = 0.75
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

    @classmethod
    def of(
        cls, pre: npt.NDArray[np.float32], early: npt.NDArray[np.float32], late: npt.NDArray[np.float32]
    ) -> _Enhancement:
        """Smoothed by 1 mm."""
        pre, early, late = (ndimage.gaussian_filter(phase, 1.0 / SEARCH_SPACING_MM) for phase in (pre, early, late))
        return cls(pre, early - pre, late - pre)


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
    ranked = _distinct(_regions(search.enhancement, search.breast), search.breast.shape)
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
    """What the localiser looks at: the part of the grid along the patient's axes that holds the breasts, and the signal.

    Attributes:
        breast: bool on the grid, where breast tissue is.
        midline_mm: x of the cleft between two breasts, LPS; None when one is seen.
    """

    grid: VolumeGeometry
    enhancement: _Enhancement
    breast: npt.NDArray[np.bool_]
    midline_mm: float | None

    @classmethod
    def of(cls, volume: DceVolume) -> _Search:
        """Raises NotEvaluable("no_lesion_found") where there is no breast."""
        grid = axis_aligned_grid(volume.geometry, SEARCH_SPACING_MM)
        pre, early, late = (
            resample(volume.phase(role).array, volume.geometry, grid, nearest=False)
            for role in ("pre", "early", "late")
        )
        region = find_breast_region((pre + early + late) / 3, SEARCH_SPACING_MM)
        if not region.mask.any():
            raise NotEvaluable(ReasonCode.NO_LESION_FOUND, "no breast tissue is seen in the dynamic series")
        # The chest is half of the volume; nothing below looks at it.
        box = ndimage.find_objects(region.mask.astype(np.uint8))[0]
        midline = region.midline_column
        return cls(
            grid=grid[box],
            enhancement=_Enhancement.of(pre[box], early[box], late[box]),
            breast=region.mask[box],
            midline_mm=None
            if midline is None
            else float(grid.map_indices_to_reference(np.array([[0, 0, midline]]))[0, 0]),
        )


def _regions(enhancement: _Enhancement, breast: npt.NDArray[np.bool_]) -> list[_Region]:
    """Connected regions above each level of enhancement, scored."""
    background = _Background.of(enhancement, breast)
    strongest = float(np.percentile(enhancement.early[breast], 99.99))
    found: list[_Region] = []
    for level in LEVELS:
        above = (enhancement.early > max(level * strongest, background.faintest)) & breast
        # Opening cuts vessels of up to three millimetres from what they feed.
        for part in regionprops(label(ndimage.binary_opening(above))):
            if MIN_VOLUME_ML <= part.area * SEARCH_SPACING_MM**3 / 1000 <= MAX_VOLUME_ML:
                found.append(_Region(part.coords, _score(part.coords, enhancement, breast, background)))
    return found


@dataclass(frozen=True, slots=True)
class _Background:
    """What the breasts do without a lesion: signal before contrast, and early enhancement of most of the tissue."""

    signal: float
    median: float
    noise: float
    parenchymal: float

    @classmethod
    def of(cls, enhancement: _Enhancement, breast: npt.NDArray[np.bool_]) -> _Background:
        early = enhancement.early[breast]
        median = float(np.median(early))
        return cls(
            signal=max(float(np.median(enhancement.pre[breast])), 1.0),
            median=median,
            noise=max(1.4826 * float(np.median(np.abs(early - median))), 1e-6),
            parenchymal=float(np.percentile(early, 97)),
        )

    @property
    def faintest(self) -> float:
        """The least enhancement that is looked at."""
        return self.median + 5 * self.noise


def _score(
    voxels: npt.NDArray[np.int64],
    enhancement: _Enhancement,
    breast: npt.NDArray[np.bool_],
    background: _Background,
) -> float:
    """Geometric mean of seven properties, each from 0 to 1."""
    at = tuple(voxels.T)
    pre, early, late = (float(image[at].mean()) for image in (enhancement.pre, enhancement.early, enhancement.late))
    volume_ml = len(voxels) * SEARCH_SPACING_MM**3 / 1000
    properties = (
        _ramp(early / max(pre, background.signal), 0.4, 1.4),
        _ramp(early / background.noise, 5.0, 20.0),
        _ramp(1.6 - late / early, 0.2, 0.7),
        _ramp(_compactness(voxels), 0.25, 0.75),
        _ramp(1 - _around(voxels, enhancement.early, breast) / early, 0.2, 0.8),
        _ramp(1 - background.parenchymal / early, 0.0, 0.6),
        _ramp(float(np.log(volume_ml)), float(np.log(0.05)), float(np.log(0.8))),
    )
    return float(np.prod(properties) ** (1 / len(properties)))


def _around(voxels: npt.NDArray[np.int64], early: npt.NDArray[np.float32], breast: npt.NDArray[np.bool_]) -> float:
    """Mean early enhancement of the breast in a shell around a region: low for a mass, high for a part of a texture."""
    low = np.maximum(voxels.min(axis=0) - SHELL_VOXELS - 1, 0)
    high = voxels.max(axis=0) + SHELL_VOXELS + 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inside = np.zeros(early[box].shape, dtype=bool)
    inside[tuple((voxels - low).T)] = True
    distance = ndimage.distance_transform_edt(~inside)
    shell = (distance > 1) & (distance <= SHELL_VOXELS) & breast[box]
    return float(early[box][shell].mean()) if shell.any() else 0.0


def _compactness(voxels: npt.NDArray[np.int64]) -> float:
    """Radius of the largest inscribed ball over that of the ball of equal volume: 1 for a ball, low for a vessel."""
    low = voxels.min(axis=0)
    box = np.zeros(voxels.max(axis=0) - low + 3, dtype=bool)
    box[tuple((voxels - low + 1).T)] = True
    inscribed = float(np.max(ndimage.distance_transform_edt(box)))
    return inscribed / float((3 * len(voxels) / (4 * np.pi)) ** (1 / 3))


def _ramp(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


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


def _laterality(place: PointMm, volume: DceVolume, search: _Search) -> Laterality:
    """The side of a place: against the cleft where both breasts are seen, else what the header says.

    Without either, the patient's axis decides: x rises to the left.
    """
    if search.midline_mm is not None:
        return "left" if place[0] > search.midline_mm else "right"
    header = volume.series.phases[0].instances[0].header
    stated = str(header.get("Laterality") or header.get("ImageLaterality") or "")
    if stated in ("L", "R"):
        return "left" if stated == "L" else "right"
    return "left" if place[0] > 0 else "right"
