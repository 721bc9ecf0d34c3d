"""Altered copies of a crop: what differs between sites and between localisers, the same for all phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.cohorts import Crop
from training.config import AugmentationSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One copy of a crop: `pixels` float32 [phases, slices, rows, columns], `region` bool [slices, rows, columns]."""

    pixels: npt.NDArray[np.float32]
    region: npt.NDArray[np.bool_]


def make_variants(crop: Crop, settings: AugmentationSettings, seed: tuple[int, ...]) -> list[Variant]:
    """The crop as it is, followed by `settings.variants` altered copies; the same seed gives the same copies."""
    generator = np.random.default_rng(seed)
    plain = Variant(pixels=crop.pixels.astype(np.float32), region=crop.region)
    shift = tuple(settings.displacement_mm / spacing for spacing in crop.spacing_mm[1:])
    copies = [_alter(plain, (shift[0], shift[1]), settings, generator) for _ in range(settings.variants)]
    return [plain, *copies]


def displace(array: npt.NDArray[np.generic], rows: int, columns: int) -> npt.NDArray[np.generic]:
    """Move the content of the last two axes by whole pixels; zeros come in, as beyond the borders of real images."""
    result = np.zeros_like(array)
    height, width = array.shape[-2:]
    result[..., max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = array[
        ..., max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)
    ]
    return result


def _alter(
    plain: Variant, most: tuple[float, float], settings: AugmentationSettings, generator: np.random.Generator
) -> Variant:
    rows, columns = (round(float(generator.uniform(-limit, limit))) for limit in most)
    pixels, region = displace(plain.pixels, rows, columns), displace(plain.region, rows, columns)
    if not region.any():
        pixels, region = plain.pixels, plain.region
    # The reduced pack does not say how its images are oriented, and a study may be axial or sagittal, prone or supine:
    # so no direction of the image may mean anything to the network.
    turns, mirrored = int(generator.integers(4)), bool(generator.integers(2))
    pixels, region = (np.rot90(array, turns, axes=(-2, -1)) for array in (pixels, region))
    if mirrored:
        pixels, region = pixels[..., ::-1], region[..., ::-1]
    top = float(pixels.max()) or 1.0
    pixels = (np.maximum(pixels, 0) / top) ** generator.uniform(*settings.gamma)
    # Multiplied with what is there: the zero padding has no noise in real crops either.
    noise = generator.normal(0.0, settings.noise_sd, pixels.shape) * (pixels > 0)
    return Variant(pixels=np.ascontiguousarray(pixels + noise, dtype=np.float32), region=np.ascontiguousarray(region))
