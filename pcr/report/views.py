"""Windows of one slice as they are drawn: sampled at the right aspect ratio, with a way from voxels to drawn pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy.ndimage import binary_dilation

from pcr.crop import Window

# Towards lower and higher x, y and z in LPS (PS3.3 C.7.6.1.1.1).
AXIS_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
_LETTER_FROM = 0.35


@dataclass(frozen=True, slots=True)
class View:
    """A window of a slice: the row and the column, as fractional indices, that each drawn pixel shows.

    Attributes:
        rows: float64 [height], rising.
        columns: float64 [width], rising.
        pixels_per_mm: drawn pixels per mm, the same in both directions but for rounding.
    """

    rows: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64]
    pixels_per_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in drawn pixels."""
        return len(self.rows), len(self.columns)

    def sample(self, image: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """An image [rows, columns] of the series, linearly interpolated, 0 outside."""
        return _interpolate(_interpolate(image.astype(np.float32, copy=False), self.rows).T, self.columns).T

    def inside(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which drawn pixels lie in voxels of a mask [rows, columns]: voxel edges stay edges, nothing is smoothed."""
        padded = np.pad(mask, 1)
        rows, columns = (
            np.clip(np.rint(indices).astype(int), -1, size) + 1
            for indices, size in zip((self.rows, self.columns), mask.shape, strict=True)
        )
        inside: npt.NDArray[np.bool_] = padded[np.ix_(rows, columns)]
        return inside

    def outline(self, mask: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
        """A line of `width` drawn pixels just outside a mask [rows, columns]: the lesion itself stays visible."""
        inside = self.inside(mask)
        line = np.zeros_like(inside)
        drawn_at = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
        if all(at.size for at in drawn_at):
            near = tuple(slice(max(at[0] - width, 0), at[-1] + width + 1) for at in drawn_at)
            line[near] = binary_dilation(inside[near], iterations=width) & ~inside[near]
        return line

    def place(self, row: float, column: float) -> tuple[float, float]:
        """Drawn x and y of a place in the slice, from the left upper corner of the view."""
        y, x = (
            (value - indices[0]) / (indices[1] - indices[0]) + 0.5
            for value, indices in ((row, self.rows), (column, self.columns))
        )
        return float(x), float(y)


def whole_slice(geometry: VolumeGeometry, width: int, height: int) -> View:
    """A whole slice, as large as `width` x `height` drawn pixels allow."""
    _, rows, columns = geometry.spatial_shape
    return _fit((-0.5, rows - 0.5), (-0.5, columns - 0.5), geometry, width, height)


def model_window(window: Window, geometry: VolumeGeometry, width: int, height: int) -> View:
    """The window that the model reads, as large as `width` x `height` drawn pixels allow."""
    rows, columns = window_edges(window)
    return _fit(rows, columns, geometry, width, height)


def window_edges(window: Window) -> tuple[tuple[float, float], tuple[float, float]]:
    """Outer edges of the model's window in fractional (row, column) indices: (top, bottom), (left, right)."""
    (top, bottom), (left, right) = (
        (first - step / 2, first + (window.grid - 0.5) * step)
        for first, step in zip(window.first_pixel, window.step, strict=True)
    )
    return (top, bottom), (left, right)


def edge_letters(geometry: VolumeGeometry) -> dict[str, str]:
    """Where the four edges of a slice point in the patient (PS3.3 C.7.6.1.1.1): one or two letters."""
    directions = np.asarray(geometry.affine)[:3, 1:3]
    down, right = (directions[:, axis] / np.linalg.norm(directions[:, axis]) for axis in (0, 1))
    return {"left": _letters(-right), "right": _letters(right), "top": _letters(-down), "bottom": _letters(down)}


def _interpolate(image: npt.NDArray[np.float32], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """An image at fractional rows, linearly, falling to 0 within one pixel of its border."""
    padded = np.pad(image, ((1, 1), (0, 0)))
    places = np.clip(rows + 1, 0, len(padded) - 1)
    above = np.minimum(places.astype(int), len(padded) - 2)
    part = (places - above).astype(np.float32)[:, None]
    between: npt.NDArray[np.float32] = padded[above] * (1 - part) + padded[above + 1] * part
    return between


def _letters(direction: npt.NDArray[np.float64]) -> str:
    by_size = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    named = [axis for axis in by_size if abs(direction[axis]) >= _LETTER_FROM][:2]
    return "".join(AXIS_LETTERS[axis][int(direction[axis] > 0)] for axis in named)


def _fit(
    rows: tuple[float, float], columns: tuple[float, float], geometry: VolumeGeometry, width: int, height: int
) -> View:
    (top, bottom), (left, right) = rows, columns
    row_mm, column_mm = geometry.pixel_spacing
    high_mm, wide_mm = (bottom - top) * row_mm, (right - left) * column_mm
    scale = min(height / high_mm, width / wide_mm)
    down, across = round(high_mm * scale), round(wide_mm * scale)
    return View(
        rows=top + (np.arange(down) + 0.5) * (bottom - top) / down,
        columns=left + (np.arange(across) + 0.5) * (right - left) / across,
        pixels_per_mm=scale,
    )
