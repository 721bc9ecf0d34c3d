"""Attention is drawn where it was computed, none of it is lost, and its share inside the tumour is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcr.attention import place_attention
from pcr.crop import Window, slice_combs

GRID = 16


def window_of(first: int, last: int, slices: int = 4) -> Window:
    combs = slice_combs(first, last, slices)
    return Window(slice_indices=combs, first_pixel=(10.0, 20.0), step=(1.0, 1.0), grid=GRID)


def attention_of(window: Window, cells: tuple[int, int, int], seed: int) -> np.ndarray:
    weights = np.random.default_rng(seed).random((len(window.slice_indices), *cells)) ** 4
    return (weights / weights.sum(axis=(1, 2, 3), keepdims=True)).astype(np.float32)


@given(
    extent=st.integers(1, 30),
    slices=st.integers(1, 8),
    depth=st.integers(1, 8),
    plane=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    seed=st.integers(0, 99),
)
def test_all_attention_is_placed_whatever_the_combs(extent: int, slices: int, depth: int, plane, seed: int) -> None:
    window = window_of(5, 5 + extent - 1, slices)
    placed = place_attention(attention_of(window, (min(depth, slices), *plane), seed), window)
    assert sum(cells.sum() for cells in placed.cells.values()) == pytest.approx(1)
    assert set(placed.cells) == set(range(5, 5 + extent))
    everywhere = np.ones((40, 60, 60), dtype=bool)
    assert placed.inside_fraction(everywhere) == pytest.approx(1)
    assert placed.inside_fraction(~everywhere) == 0


def test_all_attention_on_one_cell_is_on_its_slices_and_nowhere_else() -> None:
    window = window_of(5, 8)
    attention = np.zeros((1, 2, 4, 4), dtype=np.float32)
    attention[0, 1, 0, 3] = 1
    cells = place_attention(attention, window).cells
    assert [cells[index].sum() for index in (5, 6, 7, 8)] == [0, 0, 0.5, 0.5]
    assert cells[7][0, 3] == 0.5


def test_a_cell_over_two_slices_gives_each_half() -> None:
    window = window_of(5, 7, slices=3)
    cells = place_attention(np.full((1, 2, 1, 1), 0.5), window).cells  # one cell over two slices, one over the third
    assert [float(cells[index].sum()) for index in (5, 6, 7)] == [0.25, 0.25, 0.5]


def test_the_share_inside_a_mask_is_that_of_the_cells_that_it_covers() -> None:
    window = window_of(5, 8)
    attention = np.zeros((1, 4, 4, 4), dtype=np.float32)
    attention[0, 1, 0, 0], attention[0, 1, 3, 3] = 0.75, 0.25
    mask = np.zeros((20, 40, 50), dtype=bool)
    mask[6, 10:14, 20:24] = True  # rows and columns of the first cell, in the slice that the second place holds
    placed = place_attention(attention, window)
    assert placed.inside_fraction(mask) == pytest.approx(0.75)
    mask[6, 12:14] = False  # half of the cell
    assert placed.inside_fraction(mask) == pytest.approx(0.375)
    assert placed.inside_fraction(np.roll(mask, 1, axis=0)) == 0


@given(extent=st.integers(1, 30), seed=st.integers(0, 99))
def test_a_lesion_and_what_is_around_it_share_all_attention(extent: int, seed: int) -> None:
    window = window_of(5, 5 + extent - 1)
    placed = place_attention(attention_of(window, (4, 5, 3), seed), window)
    mask = np.random.default_rng(seed).random((40, 60, 60)) > 0.5
    assert placed.inside_fraction(mask) + placed.inside_fraction(~mask) == pytest.approx(1, abs=1e-5)


def test_a_slice_that_was_read_twice_is_not_brighter_for_it() -> None:
    window = window_of(5, 6)  # one comb of 5, 5, 6, 6
    cells = place_attention(np.full((1, 4, 2, 2), 1 / 16, dtype=np.float32), window).cells
    np.testing.assert_allclose(cells[5], cells[6])


def test_attention_of_another_number_of_combs_is_refused() -> None:
    with pytest.raises(ValueError, match="2 combs, the window 1"):
        place_attention(np.full((2, 1, 1, 1), 1.0), window_of(5, 8))
