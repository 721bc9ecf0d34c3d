"""The window lies around the lesion, its combs hold every slice of it, and its scale is its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from highdicom.volume import VolumeGeometry
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny_mr import CROP
from volumes import ball, grid_of, volume_of_pixels, washing_out

from pcr.crop import Crop, Window, cut, extract, normalise, normalised_combs, slice_combs, window_around
from pcr.lesion import Lesion, outlined
from pcr.manifest import Normalisation
from pcr.reasons import NotEvaluable
from pcr.volume import DceVolume

SCALE = Normalisation(low_percentile=1, high_percentile=99.5, ceiling=1.5)
SHAPE = (14, 60, 70)


def with_lesion(mask: np.ndarray, geometry: VolumeGeometry | None = None) -> tuple[DceVolume, Lesion]:
    volume = volume_of_pixels(washing_out(mask), geometry or grid_of(mask.shape))
    return volume, outlined(mask, volume, source="kinetic", laterality="left")


def on_ramps(spacing: tuple[float, float, float] = (2.5, 1.5, 0.8)) -> tuple[DceVolume, Lesion]:
    """A volume whose signal tells phase, slice, row and column: 1e6 phase + 1e4 slice + 100 row + column."""
    _, rows, columns = SHAPE
    phase, place, row, column = np.indices((4, 14, rows, columns), dtype=np.float32)
    volume, lesion = with_lesion(ball(SHAPE, (6, 30, 40), 4), grid_of(SHAPE, spacing))
    return replace(volume, pixels=1e6 * phase + 1e4 * place + 100 * row + column), lesion


# Slices


@given(first=st.integers(0, 50), extent=st.integers(1, 120), slices=st.integers(1, 12))
def test_combs_hold_every_slice_of_the_lesion_and_no_other(first: int, extent: int, slices: int) -> None:
    combs = slice_combs(first, first + extent - 1, slices)
    assert {index for comb in combs for index in comb} == set(range(first, first + extent))
    assert all(len(comb) == slices and list(comb) == sorted(comb) for comb in combs)


@given(extent=st.integers(1, 120), slices=st.integers(1, 12))
def test_there_are_no_more_combs_than_the_slices_need(extent: int, slices: int) -> None:
    assert len(slice_combs(0, extent - 1, slices)) == -(-extent // slices)


@given(extent=st.integers(8, 120), slices=st.integers(2, 8))
def test_each_comb_spans_the_lesion(extent: int, slices: int) -> None:
    combs = slice_combs(0, extent - 1, slices)
    assert all(comb[0] < len(combs) and comb[-1] >= extent - len(combs) for comb in combs)


def test_a_lesion_of_fewer_slices_than_the_network_reads_is_one_comb() -> None:
    assert slice_combs(5, 6, 4) == ((5, 5, 6, 6),)
    assert slice_combs(3, 3, 3) == ((3, 3, 3),)


# Window


@given(
    centre=st.tuples(st.integers(4, 9), st.integers(12, 45), st.integers(12, 55)),
    spacing=st.tuples(st.floats(1, 4), st.floats(0.5, 2), st.floats(0.5, 2)),
)
def test_the_centre_of_the_window_is_the_centre_of_the_lesion(centre, spacing) -> None:
    volume, lesion = with_lesion(ball(SHAPE, centre, 3), grid_of(SHAPE, spacing))
    window = window_around(lesion.mask, volume.geometry.pixel_spacing, CROP)
    middle = [first + step * (window.grid - 1) / 2 for first, step in zip(window.first_pixel, window.step, strict=True)]
    place = volume.geometry.map_indices_to_reference(np.array([[centre[0], *middle]]))[0]
    np.testing.assert_allclose(place, lesion.centroid_lps_mm, atol=1e-6)


@given(spacing=st.tuples(st.floats(0.4, 2.5), st.floats(0.4, 2.5)))
def test_the_window_is_as_wide_in_the_patient_as_the_model_says(spacing) -> None:
    window = window_around(ball(SHAPE, (6, 30, 40), 4), spacing, CROP)
    np.testing.assert_allclose(np.multiply(window.step, spacing) * CROP.grid, CROP.window_mm)


def test_each_pixel_of_the_crop_is_the_signal_at_its_place() -> None:
    volume, lesion = on_ramps()
    crop = extract(volume, lesion, CROP)
    window = crop.window
    (comb,) = {len(comb) for comb in window.slice_indices}
    assert crop.pixels.shape == (len(window.slice_indices), 3, comb, 16, 16)
    rows, columns = (first + step * np.arange(16) for first, step in zip(window.first_pixel, window.step, strict=True))
    plane = 100 * rows[:, None] + columns[None, :]
    for pixels, indices in zip(crop.pixels, window.slice_indices, strict=True):
        for phase, index_of_phase in enumerate((0, 2, 3)):  # pre, early, late; the second phase is none of them
            for place, index in enumerate(indices):
                np.testing.assert_allclose(
                    pixels[phase, place], 1e6 * index_of_phase + 1e4 * index + plane, rtol=1e-6, atol=0.5
                )


def test_a_window_cut_from_phases_shows_what_the_crop_of_the_volume_shows() -> None:
    volume, lesion = on_ramps()
    window = window_around(lesion.mask, volume.geometry.pixel_spacing, CROP)
    crop = extract(volume, lesion, CROP)
    assert crop.window == window
    pixels = cut(window, volume.pixels[[0, 2, 3]])
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(crop.pixels, pixels)


def test_a_window_around_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        window_around(np.zeros(SHAPE, dtype=bool), (1, 1), CROP)


def test_the_window_is_centred_on_the_largest_section() -> None:
    mask = ball(SHAPE, (6, 30, 40), 4)
    mask[9:11, 30:32, 44:50] = True  # a tail to one side, in slices where the rest is small
    centred = window_around(ball(SHAPE, (6, 30, 40), 4), (1, 1), CROP)
    assert window_around(mask, (1, 1), CROP).first_pixel == centred.first_pixel


def test_beyond_the_border_of_the_image_there_is_nothing() -> None:
    volume, lesion = with_lesion(ball(SHAPE, (6, 3, 3), 3))
    pixels = extract(volume, lesion, CROP).pixels
    assert not pixels[..., 0, :].any()
    assert not pixels[..., :, 0].any()
    assert pixels[..., -1, -1].all()


def test_the_window_shows_the_lesion_in_its_middle() -> None:
    volume, lesion = with_lesion(ball(SHAPE, (6, 30, 40), 5))
    crop = extract(volume, lesion, CROP)
    early = crop.pixels[0, 1, 1:]  # the first slice of the ball is a single voxel
    assert early[:, 7:9, 7:9].min() == 300
    assert early[:, 0, 0].max() == 100


# Scale

signals = hnp.arrays(np.float64, (3, 2, 6, 6), elements=st.integers(0, 4000).map(float), fill=st.nothing())


@given(pixels=signals, gain=st.floats(0.05, 20), offset=st.floats(-500, 500))
def test_an_affine_change_of_the_signal_changes_nothing(pixels: np.ndarray, gain: float, offset: float) -> None:
    low, high = np.percentile(pixels, (SCALE.low_percentile, SCALE.high_percentile))
    if high - low < 20:  # nearly flat: the scale is one of rounding
        return
    changed = normalise(pixels * gain + offset, SCALE)
    np.testing.assert_allclose(changed, normalise(pixels, SCALE), atol=2e-3)


@given(pixels=signals)
def test_scaled_values_are_float32_between_zero_and_the_ceiling(pixels: np.ndarray) -> None:
    if np.ptp(np.percentile(pixels, (SCALE.low_percentile, SCALE.high_percentile))) == 0:
        return
    scaled = normalise(pixels, SCALE)
    assert scaled.dtype == np.float32
    assert scaled.shape == pixels.shape
    assert 0 <= scaled.min() <= scaled.max() <= SCALE.ceiling


def test_sixteen_bits_and_eight_bits_of_one_crop_give_the_same_input_up_to_a_step() -> None:
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 4000, (3, 4, 16, 16)).astype(np.uint16)
    shallow = np.round(deep / 4000 * 255).astype(np.uint8)
    np.testing.assert_allclose(normalise(deep, SCALE), normalise(shallow, SCALE), atol=2 / 255)


def test_one_scale_serves_all_phases_so_that_enhancement_survives() -> None:
    pixels = np.stack([np.tile(np.arange(10.0, 110.0), (2, 1)).reshape(2, 10, 10) * gain for gain in (1, 2.5, 2)])
    scaled = normalise(pixels, Normalisation(low_percentile=0, high_percentile=100, ceiling=9))
    np.testing.assert_allclose(scaled[1, 0, 5, 5] / scaled[2, 0, 5, 5], 2.5 / 2, rtol=0.1)
    assert scaled[0].mean() < scaled[2].mean() < scaled[1].mean()


@pytest.mark.parametrize("value", [5.0, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_crop_that_is_flat_or_not_finite_has_no_scale(value: float) -> None:
    with pytest.raises(ValueError, match="no contrast"):
        normalise(np.full((3, 2, 6, 6), value), SCALE)


def crop_of(pixels: np.ndarray) -> Crop:
    combs = tuple((0, 1) for _ in pixels)
    return Crop(window=Window(slice_indices=combs, first_pixel=(0, 0), step=(1, 1), grid=6), pixels=pixels)


def test_each_comb_has_its_own_scale() -> None:
    one = np.random.default_rng(1).normal(100, 20, (3, 2, 6, 6))
    combs = normalised_combs(crop_of(np.stack([one, 10 * one]).astype(np.float32)), SCALE)
    np.testing.assert_allclose(combs[0], combs[1], atol=1e-4)


def test_a_window_that_is_flat_refuses_the_study() -> None:
    with pytest.raises(NotEvaluable, match="window around the lesion") as caught:
        normalised_combs(crop_of(np.zeros((1, 3, 2, 6, 6), dtype=np.float32)), SCALE)
    assert caught.value.code == "corrupt_pixels"
