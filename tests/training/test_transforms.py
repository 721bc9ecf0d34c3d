"""Copies of a crop: reproducible, cut and never padded, geometry shared by pixels, region and box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcr.lesion_box import LesionBox
from training.config import AugmentationSettings, CropSettings
from training.crops import Crop
from training.transforms import Variant, make_variants

CROP = CropSettings(window_mm=60, grid=48, margin_mm=10, slices=8, extent_fraction=0.7)
NOTHING = AugmentationSettings(
    shifted=1,
    shift_mm=0,
    altered=1,
    displacement_mm=0,
    extent=0,
    probability=0,
    bias_field=0,
    gamma=(1, 1),
    noise_sd=0,
    blur_mm=(0.5, 0.5),
)
EVERYTHING = AugmentationSettings(
    shifted=4,
    shift_mm=10,
    altered=8,
    displacement_mm=10,
    extent=0.2,
    probability=1,
    bias_field=0.2,
    gamma=(0.8, 1.25),
    noise_sd=0.02,
    blur_mm=(0.3, 1.0),
)
MIDDLE = slice(CROP.margin, -CROP.margin)
PHASES_INSIDE, PHASES_OUTSIDE = (40, 220, 160), (30, 60, 50)


def make_crop() -> Crop:
    """A tumour that enhances and washes out, longer along columns than along rows, in dim, textured tissue."""
    shape = (CROP.slices, CROP.stored_grid, CROP.stored_grid)
    region = np.zeros(shape, dtype=bool)
    region[:, 27:37, 22:42] = True
    texture = np.random.default_rng(5).uniform(0.8, 1.2, shape)
    pixels = [
        np.where(region, inside, outside) * texture
        for inside, outside in zip(PHASES_INSIDE, PHASES_OUTSIDE, strict=True)
    ]
    return Crop(
        pixels=np.stack(pixels).astype(np.float32),
        region=region,
        spacing_mm=(4.0, CROP.pixel_mm, CROP.pixel_mm),
        box=LesionBox(slices_mm=45, rows_mm=12.5, columns_mm=25),
    )


def with_padding(crop: Crop) -> Crop:
    """The crop of a tumour near the border of the image, beyond which there are zeros."""
    pixels = crop.pixels.copy()
    pixels[..., :20] = 0
    return replace(crop, pixels=pixels)


def shifted(augmentation: AugmentationSettings, crop: Crop, seed: int = 1) -> list[Variant]:
    return make_variants(crop, CROP, augmentation, (seed,))[1 : 1 + augmentation.shifted]


def altered(changes: dict[str, object], crop: Crop, copies: int = 8) -> list[Variant]:
    """Copies in which `changes` is all that is changed."""
    augmentation = NOTHING.model_copy(update={"altered": copies, **changes})
    return make_variants(crop, CROP, augmentation, (2,))[1 + augmentation.shifted :]


def as_bytes(variant: Variant) -> tuple[bytes, bytes, LesionBox]:
    return variant.pixels.tobytes(), variant.region.tobytes(), variant.box


def offset(window: np.ndarray, stored: np.ndarray) -> tuple[int, int]:
    """Row and column of the stored pixels at which the window was cut; fails where it is no sub-window."""
    places = [
        (row, column)
        for row in range(2 * CROP.margin + 1)
        for column in range(2 * CROP.margin + 1)
        if np.array_equal(stored[..., row : row + CROP.grid, column : column + CROP.grid], window)
    ]
    (place,) = places
    return place


def test_the_first_copy_is_the_window_in_the_middle() -> None:
    crop = make_crop()
    first = make_variants(crop, CROP, EVERYTHING, (1,))[0]
    assert np.array_equal(first.pixels, crop.pixels[..., MIDDLE, MIDDLE])
    assert np.array_equal(first.region, crop.region[..., MIDDLE, MIDDLE])
    assert first.box == crop.box


def test_all_copies_are_there_and_of_the_size_that_the_network_reads() -> None:
    variants = make_variants(make_crop(), CROP, EVERYTHING, (1,))
    assert len(variants) == 1 + EVERYTHING.shifted + EVERYTHING.altered
    for variant in variants:
        assert variant.pixels.shape == (3, CROP.slices, CROP.grid, CROP.grid)
        assert variant.region.shape == variant.pixels.shape[1:]
        assert variant.pixels.dtype == np.float32 and variant.region.dtype == bool


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    first, second, other = (make_variants(make_crop(), CROP, EVERYTHING, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert [as_bytes(variant) for variant in first] == [as_bytes(variant) for variant in second]
    # The centred window is no matter of chance.
    assert not {as_bytes(variant) for variant in first[1:]} & {as_bytes(variant) for variant in other[1:]}


def test_random_numbers_drawn_elsewhere_change_nothing_and_are_not_changed() -> None:
    np.random.seed(3)
    state = np.random.get_state()[1].copy()
    first = make_variants(make_crop(), CROP, EVERYTHING, (1,))
    assert np.array_equal(state, np.random.get_state()[1])
    np.random.seed(4)
    second = make_variants(make_crop(), CROP, EVERYTHING, (1,))
    assert [as_bytes(variant) for variant in first] == [as_bytes(variant) for variant in second]


def test_more_copies_leave_the_former_ones_as_they_are() -> None:
    few = make_variants(make_crop(), CROP, EVERYTHING, (1,))
    more = make_variants(make_crop(), CROP, EVERYTHING.model_copy(update={"shifted": 6, "altered": 9}), (1,))
    assert [as_bytes(variant) for variant in few] == [as_bytes(variant) for variant in more[:5] + more[7:15]]


def test_a_shifted_copy_is_a_sub_window_at_the_given_distance() -> None:
    crop = make_crop()
    for variant in shifted(EVERYTHING.model_copy(update={"shifted": 30}), crop):
        row, column = offset(variant.pixels, crop.pixels)
        distance_mm = CROP.pixel_mm * np.hypot(row - CROP.margin, column - CROP.margin)
        # Rows and columns are each rounded to half a pixel.
        assert abs(distance_mm - EVERYTHING.shift_mm) <= CROP.pixel_mm * np.sqrt(0.5)
        assert np.array_equal(crop.region[..., row : row + CROP.grid, column : column + CROP.grid], variant.region)
        assert variant.box == crop.box


def test_shifts_go_in_all_directions() -> None:
    crop = make_crop()
    places = [offset(v.pixels, crop.pixels) for v in shifted(EVERYTHING.model_copy(update={"shifted": 40}), crop)]
    quadrants = {(row > CROP.margin, column > CROP.margin) for row, column in places}
    assert len(quadrants) == 4


def test_a_window_that_lost_the_region_falls_back_to_the_middle() -> None:
    crop = make_crop()
    # One corner of the centred window: a shift away from it loses it, a shift towards it does not.
    region = np.zeros_like(crop.region)
    region[:, CROP.margin, CROP.margin] = True
    crop = replace(crop, region=region)
    copies = shifted(EVERYTHING.model_copy(update={"shifted": 30}), crop)
    assert all(variant.region.any() for variant in copies)
    centred = crop.pixels[..., MIDDLE, MIDDLE]
    fallen_back = [np.array_equal(variant.pixels, centred) for variant in copies]
    assert any(fallen_back) and not all(fallen_back)


def test_the_region_moves_with_the_tumour() -> None:
    changes = {"displacement_mm": 10, "extent": 0.2}
    for variant in altered(changes, make_crop(), 20):
        early = variant.pixels[1]
        assert early[variant.region].min() > early[~variant.region].max()


def test_all_eight_symmetries_of_the_plane_are_drawn_and_no_other() -> None:
    crop = make_crop()
    centred = crop.pixels[..., MIDDLE, MIDDLE]
    turned = [np.rot90(centred, turns, axes=(-2, -1)) for turns in range(4)]
    symmetries = {np.ascontiguousarray(image).tobytes() for image in (*turned, *(image[..., ::-1] for image in turned))}
    assert len(symmetries) == 8
    assert {variant.pixels.tobytes() for variant in altered({}, crop, 80)} == symmetries


def test_rows_and_columns_of_the_box_are_those_of_the_turned_region() -> None:
    variants = altered({"displacement_mm": 5}, make_crop(), 20)
    longer_rows = [variant.box.rows_mm > variant.box.columns_mm for variant in variants]
    assert any(longer_rows) and not all(longer_rows)
    for variant in variants:
        section = variant.region[0]
        assert section.any(axis=1).sum() * CROP.pixel_mm == variant.box.rows_mm
        assert section.any(axis=0).sum() * CROP.pixel_mm == variant.box.columns_mm


def test_the_box_grows_and_shrinks_within_the_extent() -> None:
    crop = make_crop()
    factors = [v.box.box_diameter_mm / crop.box.box_diameter_mm for v in altered({"extent": 0.2}, crop, 60)]
    assert 1 / 1.2 <= min(factors) < 0.9 and 1.1 < max(factors) <= 1.2


def test_a_shorter_lesion_has_the_middle_slices_repeated_and_a_longer_one_all() -> None:
    crop = make_crop()
    numbers = np.arange(1, CROP.slices + 1, dtype=np.float32)[:, None, None]
    crop = replace(crop, pixels=np.broadcast_to(numbers, crop.pixels.shape))
    for variant in altered({"extent": 1.0}, crop, 40):
        slices = variant.pixels[0, :, 0, 0]
        factor = variant.box.slices_mm / crop.box.slices_mm
        reach = 3.5 * min(factor, 1.0)
        assert np.all(np.diff(slices) >= 0) and np.array_equal(slices, slices.round())
        assert np.abs(slices[[0, -1]] - [4.5 - reach, 4.5 + reach]).max() <= 0.5
        assert factor < 1 or np.array_equal(slices, numbers.ravel())


def test_no_probability_leaves_the_intensities_alone() -> None:
    crop = make_crop()
    stored = np.sort(crop.pixels[..., MIDDLE, MIDDLE], axis=None)
    for variant in altered({"bias_field": 0.5, "gamma": (2, 3), "noise_sd": 0.5}, crop):
        assert np.array_equal(np.sort(variant.pixels, axis=None), stored)


def test_a_bias_field_is_the_same_for_all_phases_and_smooth() -> None:
    crop = replace(make_crop(), pixels=np.ones_like(make_crop().pixels) * np.float32([[[[1]]], [[[4]]], [[[2]]]]))
    for variant in altered({"probability": 1, "bias_field": 0.2, "blur_mm": (0.01, 0.01)}, crop):
        field = variant.pixels[0]
        assert field.max() > 1.1 * field.min()
        assert np.allclose(variant.pixels / field, [[[[1]]], [[[4]]], [[[2]]]], rtol=1e-5)
        assert np.abs(np.diff(np.log(field), axis=-1)).max() < 0.2


def test_contrast_is_changed_over_the_common_range_of_the_phases() -> None:
    crop = make_crop()
    centred = np.sort(crop.pixels[..., MIDDLE, MIDDLE], axis=None)
    for variant in altered({"probability": 1, "gamma": (2, 2), "blur_mm": (0.01, 0.01)}, crop):
        low, high = centred[0], centred[-1]
        expected = ((centred - low) / (high - low)) ** 2 * (high - low) + low
        assert np.allclose(np.sort(variant.pixels, axis=None), expected, rtol=1e-4)


def test_a_blur_keeps_slices_apart_and_dims_neither_the_border_nor_the_edge_of_the_padding() -> None:
    crop = make_crop()
    numbers = np.arange(1, CROP.slices + 1, dtype=np.float32)[:, None, None]
    crop = with_padding(replace(crop, pixels=np.broadcast_to(numbers, crop.pixels.shape)))
    for variant in altered({"probability": 1, "blur_mm": (3, 3)}, crop):
        seen = variant.pixels > 0
        assert 0 < seen.mean() < 1
        assert np.allclose(variant.pixels, seen * numbers, rtol=1e-4)


def test_a_blur_is_as_wide_as_its_millimetres_say() -> None:
    crop = make_crop()
    pixels = np.full_like(crop.pixels, 1e-3)
    pixels[..., 32, 32] = 1000
    region = np.ones_like(crop.region)
    for variant in altered({"probability": 1, "blur_mm": (3, 3)}, replace(crop, pixels=pixels, region=region)):
        profile = variant.pixels[0, 0].sum(axis=0)
        places = CROP.pixel_mm * np.arange(CROP.grid)
        middle = np.average(places, weights=profile)
        assert np.average((places - middle) ** 2, weights=profile) ** 0.5 == pytest.approx(3, rel=0.05)


def test_noise_is_in_units_of_the_brightest_voxel_and_differs_between_phases() -> None:
    pixels = np.full_like(make_crop().pixels, 500)
    crop = replace(make_crop(), pixels=pixels)
    for variant in altered({"probability": 1, "noise_sd": 0.02, "blur_mm": (0.01, 0.01)}, crop):
        assert variant.pixels.std() == pytest.approx(10, rel=0.02)
        assert abs(np.corrcoef(variant.pixels.reshape(3, -1))[0, 1]) < 0.05


def test_phases_keep_their_order_of_enhancement_inside_the_region() -> None:
    for variant in make_variants(make_crop(), CROP, EVERYTHING.model_copy(update={"altered": 20}), (3,)):
        pre, early, late = (phase[variant.region].mean() for phase in variant.pixels)
        assert pre < late < early


def test_zeros_stay_zeros_and_no_signal_is_negative() -> None:
    crop = with_padding(make_crop())
    for variant in make_variants(crop, CROP, EVERYTHING.model_copy(update={"altered": 20}), (4,)):
        padding = (variant.pixels == 0).all(axis=0)
        # Whole rows or columns, whichever way the window is turned.
        borders = padding.all(axis=(0, 1)).sum() + padding.all(axis=(0, 2)).sum()
        assert borders > 0 and padding.mean() == pytest.approx(borders / CROP.grid, abs=1e-4)
        assert variant.pixels.min() == 0
