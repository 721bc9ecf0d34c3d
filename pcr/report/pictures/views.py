"""Planes of a volume as they are drawn: in square pixels, with a way from voxels to drawn pixels and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from scipy.ndimage import binary_dilation

from pcr.attention import AttentionMap
from pcr.crop import Window

# Towards lower and higher x, y and z in LPS (PS3.3 C.7.6.1.1.1).
AXIS_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
_LETTER_FROM = 0.35
_SMALLEST_SIDE = 384


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A plane of the dynamic series along two of its own axes: which place of it each drawn pixel shows.

    Attributes:
        axes: the axis of the volume (0 slices, 1 rows, 2 columns) that the plane cuts across, the one that runs down
            the picture and the one that runs to its right.
        index: where it cuts the first of them.
        rows: float64 [height], fractional index along the second axis of each drawn row, evenly rising or falling.
        columns: float64 [width], the same along the third axis.
        pixel_mm: side of a drawn pixel.
    """

    axes: tuple[int, int, int]
    index: int
    rows: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64]
    pixel_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in drawn pixels."""
        return len(self.rows), len(self.columns)

    def sample(self, volume: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """A volume [slices, rows, columns] on the plane, linearly interpolated, 0 beyond its outer voxels' edges."""
        section = self._section(volume).astype(np.float32)
        return _interpolate(_interpolate(section, self.rows).T, self.columns).T

    def inside(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which drawn pixels lie in voxels of a mask [slices, rows, columns]: voxel edges stay edges."""
        section = np.pad(self._section(mask), 1)
        rows, columns = (
            np.clip(_nearest(places) + 1, 0, size - 1)
            for places, size in zip((self.rows, self.columns), section.shape, strict=True)
        )
        inside: npt.NDArray[np.bool_] = section[np.ix_(rows, columns)]
        return inside

    def outline(self, mask: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
        """A line of `width` drawn pixels just outside a mask: the lesion itself stays visible."""
        inside = self.inside(mask)
        line = np.zeros_like(inside)
        drawn_at = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
        if all(at.size for at in drawn_at):
            near = tuple(slice(max(at[0] - width, 0), at[-1] + width + 1) for at in drawn_at)
            line[near] = binary_dilation(inside[near], iterations=width) & ~inside[near]
        return line

    def attention(self, attention: AttentionMap) -> npt.NDArray[np.float64]:
        """The share of all attention that the cell at each drawn pixel has, 0 where there is no cell."""
        first, last = min(attention.cells), max(attention.cells)
        none = np.zeros_like(attention.cells[first])
        # One more on each axis: what lies outside is looked up there, and is 0.
        cells = np.pad(np.stack([attention.cells.get(i, none) for i in range(first, last + 1)]), ((0, 1),) * 3)
        shown = (np.array([self.index]), self.rows, self.columns)
        places = dict(zip(self.axes, shown, strict=True))
        edges = attended_edges(attention)
        found = cells[np.ix_(*(_cell_of(places[axis], *edges[axis], cells.shape[axis] - 1) for axis in range(3)))]
        share: npt.NDArray[np.float64] = found.transpose(self.axes)[0]
        return share

    def place(self, row: float, column: float) -> tuple[float, float]:
        """Drawn x and y of a place given by its indices along the picture's two axes, from the left upper corner."""
        y, x = (
            (value - indices[0]) / (indices[1] - indices[0]) + 0.5
            for value, indices in ((row, self.rows), (column, self.columns))
        )
        return float(x), float(y)

    def edge_letters(self, geometry: VolumeGeometry) -> dict[str, str]:
        """Where the four edges point in the patient (PS3.3 C.7.6.1.1.1): one or two letters each."""
        directions = axis_directions(geometry)
        down = directions[:, self.axes[1]] * np.sign(self.rows[1] - self.rows[0])
        right = directions[:, self.axes[2]] * np.sign(self.columns[1] - self.columns[0])
        return {"left": _letters(-right), "right": _letters(right), "top": _letters(-down), "bottom": _letters(down)}

    def _section(self, volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
        section: npt.NDArray[Any] = volume.transpose(self.axes)[self.index]
        return section


def slice_view(geometry: VolumeGeometry, index: int) -> View:
    """A whole slice, upright as it is stored, one drawn pixel for each of its finer ones.

    Slices with few pixels are drawn larger by a whole number, so that the longer side has 384 pixels at least.
    """
    spacing_mm = geometry.pixel_spacing
    sides_mm = [n * mm for n, mm in zip(geometry.spatial_shape[1:], spacing_mm, strict=True)]
    pixel_mm = min(spacing_mm) / -(-_SMALLEST_SIDE // _whole(max(sides_mm) / min(spacing_mm)))
    rows, columns = (
        (np.arange(_whole(side / pixel_mm), dtype=np.float64) + 0.5) * (pixel_mm / spacing) - 0.5
        for side, spacing in zip(sides_mm, spacing_mm, strict=True)
    )
    return View(axes=(0, 1, 2), index=index, rows=rows, columns=columns, pixel_mm=pixel_mm)


def window_edges(window: Window) -> tuple[tuple[float, float], tuple[float, float]]:
    """Outer edges of the model's window in fractional (row, column) indices: (top, bottom), (left, right)."""
    (top, bottom), (left, right) = (
        (first - step / 2, first + (window.grid - 0.5) * step)
        for first, step in zip(window.first_pixel, window.step, strict=True)
    )
    return (top, bottom), (left, right)


def attended_edges(attention: AttentionMap) -> tuple[tuple[float, float], ...]:
    """Outer edges of all that the model read, in fractional indices along slices, rows and columns."""
    return (min(attention.cells) - 0.5, max(attention.cells) + 0.5), *window_edges(attention.window)


def axis_directions(geometry: VolumeGeometry) -> npt.NDArray[np.float64]:
    """Unit vectors, in the columns [3, 3], along which slices, rows and columns follow each other in the patient."""
    steps = np.asarray(geometry.affine, dtype=np.float64)[:3, :3]
    directions: npt.NDArray[np.float64] = steps / np.linalg.norm(steps, axis=0)
    return directions


def _whole(pixels: float) -> int:
    """Pixels that it takes to cover so many, rounding errors aside."""
    return int(np.ceil(pixels - 1e-3))


def _nearest(places: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.floor(places + 0.5).astype(np.int64)


def _cell_of(places: npt.NDArray[Any], start: float, end: float, cells: int) -> npt.NDArray[np.int64]:
    """The cell of an even tiling from `start` to `end` that each place lies in; `cells`, one too many, if in none."""
    found = np.floor((places - start) / (end - start) * cells).astype(np.int64)
    return np.where((found >= 0) & (found < cells), found, cells)


def _interpolate(image: npt.NDArray[np.float32], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """An image at fractional rows, linearly, 0 beyond the edges of its first and last row."""
    last = len(image) - 1
    if len(rows) == last + 1 and np.array_equal(rows, np.arange(last + 1)):
        return image
    places = np.clip(rows, 0, last)
    above = np.minimum(places.astype(int), max(last - 1, 0))
    part = (places - above).astype(np.float32)[:, None]
    between: npt.NDArray[np.float32] = image[above] * (1 - part) + image[np.minimum(above + 1, last)] * part
    between[(rows < -0.5) | (rows > last + 0.5)] = 0
    return between


def _letters(direction: npt.NDArray[np.float64]) -> str:
    by_size = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    named = [axis for axis in by_size if abs(direction[axis]) >= _LETTER_FROM][:2]
    return "".join(AXIS_LETTERS[axis][int(direction[axis] > 0)] for axis in named)
