"""The breast region: breast behind the skin and in front of the chest wall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lesion_phantoms import CHEST
from scipy import ndimage

from pcr.aligned_resampling import reached
from pcr.breast_region import SKIN_MM, BreastRegion, _behind_the_skin, find_breast_region
from pcr.volume import axis_aligned_grid, resample
from phantom import Phantom, PhantomSpec, simulate

SPACING_MM = 2.5


def test_an_empty_field_of_view_has_no_breast() -> None:
    region = find_breast_region(np.zeros((20, 40, 60)), np.ones((20, 40, 60), dtype=bool), SPACING_MM)
    assert not region.mask.any()
    assert region.midline_column is None


def region_of(phantom: Phantom) -> BreastRegion:
    grid = axis_aligned_grid(phantom.geometry, SPACING_MM)
    signal = resample(phantom.voxels[2], phantom.geometry, grid, nearest=False)
    return find_breast_region(signal, reached(phantom.geometry, grid), SPACING_MM)


@pytest.mark.parametrize("tilt_deg", [-12.0, 8.0, 15.0])
def test_corners_that_tilted_slices_leave_empty_are_no_air(tilt_deg: float) -> None:
    spec = PhantomSpec(seed=3, grid=replace(CHEST, tilt_deg=tilt_deg), lesion=None)
    tilted, straight = simulate(spec), simulate(replace(spec, grid=CHEST))
    grid = axis_aligned_grid(tilted.geometry, SPACING_MM)
    region = region_of(tilted)
    assert abs(grid.map_indices_to_reference(np.array([[0, 0, region.midline_column]]))[0][0]) < 10
    found = grid.map_indices_to_reference(np.argwhere(region.mask)).mean(axis=0)
    straight_grid = axis_aligned_grid(straight.geometry, SPACING_MM)
    expected = straight_grid.map_indices_to_reference(np.argwhere(region_of(straight).mask)).mean(axis=0)
    assert np.abs(found - expected)[:2].max() < 8


def test_two_breasts_are_told_apart_at_the_sternum_and_their_region_leaves_out_air_and_heart() -> None:
    phantom = simulate(PhantomSpec(seed=3, grid=CHEST, lesion=None))
    grid = axis_aligned_grid(phantom.geometry, SPACING_MM)
    region = region_of(phantom)
    assert region.midline_column is not None
    midline_mm = grid.map_indices_to_reference(np.array([[0, 0, region.midline_column]]))[0][0]
    assert abs(midline_mm) < 10
    places = grid.map_indices_to_reference(np.argwhere(region.mask))
    left, right = places[places[:, 0] > midline_mm], places[places[:, 0] < midline_mm]
    assert 0.7 < len(left) / len(right) < 1.4
    deepest_at_the_sternum = places[np.abs(places[:, 0] - midline_mm) < 5][:, 1].max()
    # The chest wall falls away by 45 mm at most; the heart lies deeper.
    assert places[:, 1].max() - deepest_at_the_sternum < 45 + SPACING_MM


def test_a_field_of_view_of_one_breast_has_no_midline() -> None:
    body = np.zeros((20, 60, 60))
    rows, columns = np.indices((60, 60))
    body[:, (rows > 15) & ((columns - 30) ** 2 + (rows - 60) ** 2 < 45**2)] = 100
    region = find_breast_region(body, np.ones(body.shape, dtype=bool), SPACING_MM)
    assert region.mask.any()
    assert region.midline_column is None


@given(arrays(np.int64, (6, 7), elements=st.integers(0, 12)))
def test_the_breast_begins_where_the_distance_from_the_air_says(skin: npt.NDArray[np.int64]) -> None:
    assume(skin.any())
    rows = np.arange(12)[:, None]
    behind_skin = rows >= skin[:, None, :]
    deep = ndimage.distance_transform_edt(behind_skin, sampling=1.5) > SKIN_MM
    np.testing.assert_array_equal(
        rows >= _behind_the_skin(skin, np.zeros(skin.shape, dtype=bool), 12, 1.5)[:, None, :], deep
    )
