"""The image-blind prior: no other guess that knows no image has more inside the regions that it was fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.prior import best_prior

CELLS = (2, 6, 6)


def invented_coverage(seed: int) -> np.ndarray:
    """Share inside the region [patients, copies, slices, rows, columns] of blocks near the middle."""
    generator = np.random.default_rng(seed)
    coverage = np.zeros((20, 2, *CELLS))
    for place in np.ndindex(20, 2):
        row, column = np.clip(generator.normal(2, 1, 2).round().astype(int), 0, 4)
        coverage[place][:, row : row + 2, column : column + 2] = generator.uniform(0.5, 1)
    return coverage


def gaussian(row: float, column: float, sigma: float) -> np.ndarray:
    rows, columns = np.meshgrid(np.arange(6), np.arange(6), indexing="ij")
    weights = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
    return np.broadcast_to(weights, CELLS) / (CELLS[0] * weights.sum())


def mean_inside(weights: np.ndarray, coverage: np.ndarray) -> float:
    return float((weights * coverage).sum(axis=(-3, -2, -1)).mean())


@given(
    seed=st.integers(0, 100),
    row=st.floats(0, 5),
    column=st.floats(0, 5),
    sigma=st.floats(0.3, 10),
)
def test_no_gaussian_has_more_inside_the_regions(seed: int, row: float, column: float, sigma: float) -> None:
    coverage = invented_coverage(seed)
    best = best_prior(coverage)
    assert best.sum() == pytest.approx(1)
    assert mean_inside(best, coverage) >= mean_inside(gaussian(row, column, sigma), coverage) - 1e-12


def test_the_prior_is_the_cell_that_is_inside_most_often() -> None:
    coverage = np.zeros((100, 1, *CELLS))
    coverage[:91, :, 1, 2, 3] = 1
    coverage[10:, :, 0, 0, 0] = 1
    assert best_prior(coverage)[1, 2, 3] == 1


def test_cells_that_are_inside_equally_often_share() -> None:
    coverage = np.zeros((2, 1, *CELLS))
    coverage[:, :, :, 2:4, 2:4] = 0.7
    best = best_prior(coverage)
    assert np.unique(best[coverage[0, 0] > 0]) == pytest.approx([1 / 8])
    assert best[coverage[0, 0] == 0].sum() == 0
