"""Copies of a crop: displaced ones to score with, and altered ones to train on, as sites and localisers differ."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandBiasFieldd,
    RandGaussianNoised,
    RandGaussianSmoothd,
)

from pcr.lesion_box import LesionBox
from training.config import AugmentationSettings, CropSettings
from training.crops import Crop

_PIXELS, _SEEN = "pixels", "seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One copy of a crop, of the size that the network reads.

    Attributes:
        pixels: signal float32 [phases, slices, rows, columns], not normalised.
        region: the tumour region, bool [slices, rows, columns], turned and displaced as the pixels are.
        box: sides of the whole lesion as a localiser might have measured them, rows and columns those of the pixels.
    """

    pixels: npt.NDArray[np.float32]
    region: npt.NDArray[np.bool_]
    box: LesionBox


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placement:
    """Where a copy's window lies, and how it is turned.

    Attributes:
        rows, columns: pixels from the middle of the stored crop to the middle of the window.
        extent: how long the lesion is taken to be, as a share of what it is.
        turns, mirrored: quarter turns, and then whether columns run the other way: the symmetries of the plane.
    """

    rows: int = 0
    columns: int = 0
    extent: float = 1.0
    turns: int = 0
    mirrored: bool = False


def make_variants(
    crop: Crop, crop_settings: CropSettings, augmentation: AugmentationSettings, seed: tuple[int, ...]
) -> list[Variant]:
    """Cut the copies of one crop; they follow from the arguments alone.

    Args:
        crop: of `stored_grid` pixels a side, so that a displaced window is cut and never padded.
        crop_settings: the network's window.
        augmentation: how many copies, and how far they may differ.
        seed: numbers of 0 or more.

    Returns:
        The centred window, `augmentation.shifted` windows that are displaced by `shift_mm` and nothing else, and
        `augmentation.altered` copies: displaced, turned, of another extent and of another scanner. More shifted
        copies leave the altered ones as they are.
    """
    for_shifts, for_changes = np.random.SeedSequence(seed).spawn(2)
    shifts = np.random.default_rng(for_shifts)
    shifted = [_random_shift(crop_settings, augmentation, shifts) for _ in range(augmentation.shifted)]
    changes = _intensity_changes(float(crop.pixels.max()), crop_settings, augmentation)
    altered = []
    for child in for_changes.spawn(augmentation.altered):
        generator = np.random.default_rng(child)
        copy = _cut(crop, crop_settings, _random_placement(crop_settings, augmentation, generator))
        altered.append(_change_intensity(copy, changes, int(generator.integers(2**32))))
    return [*(_cut(crop, crop_settings, placement) for placement in (_Placement(), *shifted)), *altered]


def misplaced(crop: Crop, settings: CropSettings, rows_mm: float, columns_mm: float, extent: float) -> Variant:
    """The crop as it would be cut around a lesion that is found beside its place, or `extent` times as long as it is.

    `rows_mm` and `columns_mm` are at most the margin of the stored crop.
    """
    placement = _Placement(
        rows=round(rows_mm / settings.pixel_mm), columns=round(columns_mm / settings.pixel_mm), extent=extent
    )
    return _cut(crop, settings, placement)


def _random_shift(
    settings: CropSettings, augmentation: AugmentationSettings, generator: np.random.Generator
) -> _Placement:
    angle, distance = generator.uniform(0, 2 * math.pi), augmentation.shift_mm / settings.pixel_mm
    return _Placement(rows=round(distance * math.sin(angle)), columns=round(distance * math.cos(angle)))


def _random_placement(
    settings: CropSettings, augmentation: AugmentationSettings, generator: np.random.Generator
) -> _Placement:
    most = augmentation.displacement_mm / settings.pixel_mm
    rows, columns = (round(float(generator.uniform(-most, most))) for _ in range(2))
    longest = math.log1p(augmentation.extent)
    return _Placement(
        rows=rows,
        columns=columns,
        extent=math.exp(generator.uniform(-longest, longest)),
        # The reduced pack does not say how its images are oriented, and a study may be axial or sagittal, prone or
        # supine: so no direction of the image may mean anything to the network.
        turns=int(generator.integers(4)),
        mirrored=bool(generator.integers(2)),
    )


def _cut(crop: Crop, settings: CropSettings, placement: _Placement) -> Variant:
    region = _window(crop.region, settings, placement)
    if not region.any():
        placement = replace(placement, rows=0, columns=0)
        region = _window(crop.region, settings, placement)
    box = crop.box.scaled(placement.extent)
    if placement.turns % 2:
        box = replace(box, rows_mm=box.columns_mm, columns_mm=box.rows_mm)
    pixels = _window(crop.pixels, settings, placement).astype(np.float32, copy=False)
    return Variant(pixels=pixels, region=region, box=box)


def _window(array: npt.NDArray[Any], settings: CropSettings, placement: _Placement) -> npt.NDArray[Any]:
    """The window [..., slices, rows, columns] of a stored array; one geometry for pixels and region."""
    rows, columns = (
        slice(settings.margin + offset, settings.margin + offset + settings.grid)
        for offset in (placement.rows, placement.columns)
    )
    chosen = _slices(array.shape[-3], settings.slices, placement.extent)
    window = np.rot90(array[..., rows, columns].take(chosen, axis=-3), placement.turns, axes=(-2, -1))
    return np.ascontiguousarray(window[..., ::-1] if placement.mirrored else window)


def _slices(stored: int, slices: int, extent: float) -> npt.NDArray[np.int64]:
    """Indices of `slices` slices, spread over the middle `extent` of the stored ones.

    Of a lesion that is taken to be longer there is nothing stored: all that there is has to do.
    """
    middle = (stored - 1) / 2
    reach = middle * min(extent, 1.0)
    return np.round(np.linspace(middle - reach, middle + reach, slices)).astype(np.int64)


def _intensity_changes(brightest: float, settings: CropSettings, augmentation: AugmentationSettings) -> Compose:
    """What differs between scanners, in the order in which it arises: contrast, coil, resolution, noise.

    The phases are the channels of one image, so that one exponent (over their common range), one field and one blur
    hold for all of them and enhancement survives. There is no change of scale or offset: `pcr.crop.normalise`, which
    follows, would undo it.
    """
    often, field = augmentation.probability, augmentation.bias_field
    sigma = (augmentation.blur_mm[0] / settings.pixel_mm, augmentation.blur_mm[1] / settings.pixel_mm)
    return Compose(
        [
            RandAdjustContrastd(_PIXELS, prob=often, gamma=augmentation.gamma),
            RandBiasFieldd(_PIXELS, prob=often, coeff_range=(-field, field)),
            # x, y, z are MONAI's for slices, rows, columns; slices lie too far apart to be mixed.
            RandGaussianSmoothd([_PIXELS, _SEEN], prob=often, sigma_x=(0.0, 0.0), sigma_y=sigma, sigma_z=sigma),
            _without_dark_rims,
            RandGaussianNoised(_PIXELS, prob=often, std=augmentation.noise_sd * brightest, sample_std=False),
        ]
    )


def _without_dark_rims(data: dict[str, Any]) -> dict[str, Any]:
    """Undo what zeros beyond the window and in the padding took from the blurred pixels beside them."""
    return {**data, _PIXELS: data[_PIXELS] / data[_SEEN].clamp(min=1e-6)}


def _change_intensity(variant: Variant, changes: Compose, seed: int) -> Variant:
    # Anew for every copy: MONAI seeds a dictionary transform and the one within it alike, so that in a longer sequence
    # whether a copy is changed and by how much would hang together.
    changes.set_random_state(seed=seed)
    # Zero in all phases is the padding beyond the border of the image, where no scanner has signal or noise.
    seen = variant.pixels.any(axis=0, keepdims=True).astype(np.float32)
    changed = np.asarray(changes({_PIXELS: variant.pixels, _SEEN: seen})[_PIXELS])
    return replace(variant, pixels=np.maximum(changed, 0.0) * seen)
