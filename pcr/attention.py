"""Where the network looked: attention cells, their places in the patient, and how much of it lies in the tumour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcr.crop import Crop


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """Attention on the slices where it was computed, summing to 1.

    Attributes:
        crop: the crop whose window the cells tile evenly.
        cells: share of the attention by slice index of the dynamic series, each float64 [rows, columns] of cells.
    """

    crop: Crop
    cells: dict[int, npt.NDArray[np.float64]]

    def inside_fraction(self, mask: npt.NDArray[np.bool_]) -> float:
        """Share of the attention inside a mask [slices, rows, columns]; a cell counts by the part that it covers."""
        inside = 0.0
        for index, weights in self.cells.items():
            covered = self.crop.sample(mask[index].astype(np.float32))
            inside += float((weights * _cell_means(covered, weights.shape)).sum())
        return inside


def place_attention(attention: npt.NDArray[np.floating], crop: Crop) -> AttentionMap:
    """Bring attention [combs, slice cells, row cells, column cells], summing to 1 per comb, to slices of the series.

    A cell that spans several slices gives each an equal part; combs that share a slice add up.
    """
    combs, depth, *plane = attention.shape
    if combs != len(crop.slice_indices):
        raise ValueError(f"attention has {combs} combs, the crop {len(crop.slice_indices)}")
    cells: dict[int, npt.NDArray[np.float64]] = {}
    for weights, indices in zip(attention.astype(np.float64), crop.slice_indices, strict=True):
        cell_of_slice = np.arange(len(indices)) * depth // len(indices)
        share = 1.0 / (combs * np.bincount(cell_of_slice, minlength=depth))
        for index, cell in zip(indices, cell_of_slice, strict=True):
            cells[index] = cells.get(index, np.zeros(plane)) + weights[cell] * share[cell]
    return AttentionMap(crop, dict(sorted(cells.items())))


def _cell_means(image: npt.NDArray[np.float32], cells: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Mean of an image [grid, grid] over each of an even tiling of cells; the grid need not be a multiple."""
    rows, columns = (np.minimum(np.arange(size) * n // size, n - 1) for size, n in zip(image.shape, cells, strict=True))
    flat = (rows[:, None] * cells[1] + columns[None, :]).ravel()
    sums = np.bincount(flat, weights=image.ravel(), minlength=cells[0] * cells[1])
    means: npt.NDArray[np.float64] = (sums / np.bincount(flat, minlength=cells[0] * cells[1])).reshape(cells)
    return means
