"""The box around a lesion is as large as the lesion in mm, wherever it lies, and its sizes are encoded in octaves."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pcr.lesion_box import LesionBox, encode_box, lesion_box
from pcr.manifest import LesionVariable

SPACING_MM = (2.5, 1.5, 0.5)
BOX = LesionBox(slices_mm=8, rows_mm=16, columns_mm=64)
SIZES = (
    LesionVariable(name="section_diameter", longest_side_mm=80),
    LesionVariable(name="box_diameter", longest_side_mm=80, offset=4, scale=2),
)


def block() -> np.ndarray:
    """Three slices of four rows and ten columns."""
    mask = np.zeros((9, 20, 30), dtype=bool)
    mask[2:5, 6:10, 11:21] = True
    return mask


def test_sides_are_voxels_times_their_spacing_in_each_direction() -> None:
    assert astuple(lesion_box(block(), SPACING_MM)) == (3 * 2.5, 4 * 1.5, 10 * 0.5)


def test_a_single_voxel_is_as_large_as_a_voxel() -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 2, 1] = True
    assert astuple(lesion_box(mask, SPACING_MM)) == SPACING_MM


def test_in_plane_the_largest_section_counts_alone() -> None:
    mask = block()
    mask[7, 0, 0] = mask[7, 19, 29] = True  # far apart, but a small section
    assert astuple(lesion_box(mask, SPACING_MM)) == (6 * 2.5, 4 * 1.5, 10 * 0.5)


@given(
    mask=hnp.arrays(bool, (4, 5, 6)).filter(np.any),
    steps=st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)),
)
def test_a_lesion_that_is_moved_stays_as_large(mask: np.ndarray, steps: tuple[int, int, int]) -> None:
    moved = np.pad(mask, [(step, 7 - step) for step in steps])
    assert lesion_box(moved, SPACING_MM) == lesion_box(mask, SPACING_MM)


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="empty"):
        lesion_box(np.zeros((3, 4, 5), dtype=bool), SPACING_MM)


@pytest.mark.parametrize("side", [0, -1, np.nan, np.inf])
def test_a_side_that_is_no_length_is_refused(side: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        LesionBox(slices_mm=10, rows_mm=side, columns_mm=10)


def test_diameters_are_geometric_means_of_the_sides() -> None:
    assert BOX.section_diameter_mm == pytest.approx(32)
    assert BOX.box_diameter_mm == pytest.approx(8192 ** (1 / 3))


def test_a_box_is_scaled_on_every_side() -> None:
    scaled = BOX.scaled(1.5)
    assert astuple(scaled) == (12, 24, 96)
    assert scaled.box_diameter_mm == pytest.approx(1.5 * BOX.box_diameter_mm)


def test_sizes_are_encoded_in_octaves_in_the_order_of_the_model() -> None:
    encoded = encode_box(BOX, SIZES)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, [0, (13 / 3 - 4) / 2], atol=1e-6)


def test_a_model_that_reads_no_size_is_given_none() -> None:
    assert encode_box(BOX, ()).shape == (0,)


def test_sides_in_plane_count_only_as_far_as_training_saw_them() -> None:
    variable = LesionVariable(name="section_diameter", longest_side_mm=64)
    assert encode_box(BOX.scaled(2), [variable]) == encode_box(
        LesionBox(slices_mm=1, rows_mm=32, columns_mm=64), [variable]
    )
