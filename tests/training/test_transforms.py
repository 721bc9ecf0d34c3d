"""Variants: reproducible, pixels and region moved together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.cohorts import Crop, load_crop, read_cohort
from training.config import Config
from training.transforms import displace, make_variants


def _crop(folder: Path) -> Crop:
    patient = read_cohort(folder, "ISPY2").imaged[0]
    assert patient.imaging is not None
    return load_crop(patient.imaging, 8)


def test_displacement_brings_zeros_in() -> None:
    moved = displace(np.arange(1, 10).reshape(3, 3), 1, -1)
    assert np.array_equal(moved, [[0, 0, 0], [2, 3, 0], [5, 6, 0]])


def test_the_first_variant_is_the_crop_itself(cohort_folder: Path, config: Config) -> None:
    crop = _crop(cohort_folder)
    first = make_variants(crop, config.augmentation, (1, 2))[0]
    assert np.array_equal(first.pixels, crop.pixels)
    assert np.array_equal(first.region, crop.region)


def test_the_same_seed_gives_the_same_variants(cohort_folder: Path, config: Config) -> None:
    crop = _crop(cohort_folder)
    first, second = (make_variants(crop, config.augmentation, (1, 2))[1] for _ in range(2))
    other = make_variants(crop, config.augmentation, (1, 3))[1]
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_the_region_moves_with_the_tumour(cohort_folder: Path, config: Config) -> None:
    settings = config.augmentation.model_copy(update={"variants": 10})
    for variant in make_variants(_crop(cohort_folder), settings, (4,))[1:]:
        early = variant.pixels[1]
        assert early[variant.region].mean() > 2 * early[~variant.region].mean()
