"""Where the network looked: attention cells, their places in the patient, and how much of it lies in the tumour."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcr.crop import Window


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """Attention on the slices where it was computed, summing to 1.

    Attributes:
        window: what the cells of a slice tile evenly.
        cells: share of the attention by slice index of the dynamic series, each float64 [rows, columns] of cells.
    """

    window: Window
    cells: dict[int, npt.NDArray[np.float64]]

    def inside_fraction(self, mask: npt.NDArray[np.bool_]) -> float:
        """Share of the attention inside a mask [slices, rows, columns]; a cell counts by the part that it covers.

        The mask is interpolated linearly onto the window: the rim of a small one counts a little less than it covers.
        """
        inside = 0.0
        for index, weights in self.cells.items():
            covered = self.window.sample(mask[index].astype(np.float32))
            inside += float((weights * _cell_means(covered, weights.shape)).sum())
        return inside


def place_attention(attention: npt.NDArray[np.floating], window: Window) -> AttentionMap:
    """Bring attention [combs, slice cells, row cells, column cells], summing to 1 per comb, to slices of the series.

    A cell that spans several slices gives each an equal part. A slice that was read more than once has the mean of
    what it got, so that how often it was read does not brighten it; the whole is brought back to a sum of 1.
    """
    combs, depth = attention.shape[:2]
    if combs != len(window.slice_indices):
        raise ValueError(f"attention has {combs} combs, the window {len(window.slice_indices)}")
    got: dict[int, list[npt.NDArray[np.float64]]] = defaultdict(list)
    for weights, indices in zip(attention.astype(np.float64), window.slice_indices, strict=True):
        cell_of_slice = np.arange(len(indices)) * depth // len(indices)
        slices_in_cell = np.bincount(cell_of_slice, minlength=depth)
        for index, cell in zip(indices, cell_of_slice, strict=True):
            got[index].append(weights[cell] / slices_in_cell[cell])
    means = {index: np.mean(parts, axis=0) for index, parts in sorted(got.items())}
    total = sum(float(mean.sum()) for mean in means.values())
    return AttentionMap(window, {index: mean / total for index, mean in means.items()})


def _cell_means(image: npt.NDArray[np.float32], cells: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Mean of an image [grid, grid] over each of an even tiling of cells; the grid need not be a multiple."""
    rows, columns = (np.minimum(np.arange(size) * n // size, n - 1) for size, n in zip(image.shape, cells, strict=True))
    flat = (rows[:, None] * cells[1] + columns[None, :]).ravel()
    sums = np.bincount(flat, weights=image.ravel(), minlength=cells[0] * cells[1])
    means: npt.NDArray[np.float64] = (sums / np.bincount(flat, minlength=cells[0] * cells[1])).reshape(cells)
    return means
