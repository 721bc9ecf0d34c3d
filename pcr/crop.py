"""From a volume and a lesion to the network's input: `extract` cuts the window, `normalise` sets its scale.

A `Window` is geometry alone: `window_around` places it, `cut` takes its pixels out of phases. Training on ready-made
crops uses `normalise` alone; inference, and training on full volumes, use both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from pcr.lesion import Lesion
from pcr.lesion_box import box_bounds
from pcr.manifest import CropSpec, Normalisation
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.volume import DceVolume


class WindowSpec(Protocol):
    """How large a window is: `slices` planes of `grid` x `grid` pixels over `window_mm`."""

    @property
    def window_mm(self) -> float: ...
    @property
    def grid(self) -> int: ...
    @property
    def slices(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where the network looks: a square around a lesion, on combs of slices that together hold all of its slices.

    Attributes:
        slice_indices: for each comb, the slices of the dynamic series that it holds, rising; a lesion with fewer
            slices than the network reads has some of them twice.
        first_pixel: row and column index, in the dynamic series, of the centre of the window's first pixel.
        step: rows and columns of the dynamic series from one pixel of the window to the next.
        grid: pixels along each side of the window.
    """

    slice_indices: tuple[tuple[int, ...], ...]
    first_pixel: tuple[float, float]
    step: tuple[float, float]
    grid: int

    def sample(self, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Resample one slice [rows, columns] of the dynamic series onto the window, linearly, zero outside."""
        rows, columns = (
            first + step * np.arange(self.grid) for first, step in zip(self.first_pixel, self.step, strict=True)
        )
        places = np.meshgrid(rows, columns, indexing="ij")
        sampled: npt.NDArray[np.float32] = map_coordinates(
            image.astype(np.float32, copy=False), places, order=1, mode="constant", cval=0.0
        )
        return sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A window and its signal, float32 [combs, 3 phases, slices, grid, grid], zero beyond the border of the image."""

    window: Window
    pixels: npt.NDArray[np.float32]


def extract(volume: DceVolume, lesion: Lesion, spec: CropSpec) -> Crop:
    """Cut the model's window around a lesion out of the pre, early and late phases."""
    window = window_around(lesion.mask, volume.geometry.pixel_spacing, spec)
    phases = [volume.pixels[volume.series.index(phase.role)] for phase in spec.phases]
    return Crop(window=window, pixels=cut(window, phases))


def window_around(mask: npt.NDArray[np.bool_], pixel_spacing_mm: tuple[float, float], spec: WindowSpec) -> Window:
    """Place the model's window around a mask [slices, rows, columns] whose rows and columns are so many mm apart.

    The window is centred on the bounding box of the mask's largest section, as the training crops are.

    Raises ValueError on an empty mask.
    """
    slices, *section = box_bounds(mask)
    pixel_mm, half = spec.window_mm / spec.grid, (spec.grid - 1) / 2
    row_step, column_step = (pixel_mm / spacing for spacing in pixel_spacing_mm)
    row, column = ((first + last) / 2 for first, last in section)
    return Window(
        slice_indices=slice_combs(*slices, spec.slices),
        first_pixel=(row - half * row_step, column - half * column_step),
        step=(row_step, column_step),
        grid=spec.grid,
    )


def cut(window: Window, phases: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Pixels [combs, phases, slices, grid, grid] of a window, from phases [slices, rows, columns] of any real type."""
    sections = {
        index: np.stack([window.sample(phase[index]) for phase in phases])
        for index in {index for comb in window.slice_indices for index in comb}
    }
    return np.stack([np.stack([sections[index] for index in comb], axis=1) for comb in window.slice_indices])


def slice_combs(first: int, last: int, slices: int) -> tuple[tuple[int, ...], ...]:
    """Interleaved combs of `slices` slice indices that together hold every slice from `first` to `last`.

    The combs are one spread of slices over the lesion, shifted by one from comb to comb; its gaps are never wider
    than there are combs. With fewer slices in the lesion than in a comb, they are spread evenly and repeated.
    """
    extent = last - first + 1
    combs = -(-extent // slices)
    spread = np.round(np.linspace(first, last - combs + 1, slices)).astype(int)
    return tuple(tuple(int(index) + comb for index in spread) for comb in range(combs))


def normalised_combs(crop: Crop, spec: Normalisation) -> npt.NDArray[np.float32]:
    """The network's input for a crop, float32 [combs, phases, slices, grid, grid], each comb by its own statistics.

    Raises:
        NotEvaluable: `corrupt_pixels` where the window is flat or not finite.
    """
    try:
        return np.stack([normalise(comb, spec) for comb in crop.pixels])
    except ValueError as error:
        raise NotEvaluable(
            ReasonCode.CORRUPT_PIXELS, f"the window around the lesion can not be read: {error}"
        ) from None


def normalise(pixels: npt.NDArray[Any], spec: Normalisation) -> npt.NDArray[np.float32]:
    """Scale one crop to the network's input, by robust percentiles of the crop itself.

    One scale serves all phases and slices, so enhancement between phases survives, and any affine change of the
    stored signal (16-bit DICOM, 8-bit training crops) gives the same input up to its quantisation.

    Args:
        pixels: signal [phases, slices, rows, columns], any real type and unit.
        spec: the percentiles that become 0 and 1, and the value at which the rest is cut.

    Returns:
        float32 of the same shape, within [0, spec.ceiling].

    Raises:
        ValueError: the crop is flat or not finite, so it has no scale.
    """
    low, high = np.percentile(pixels, [spec.low_percentile, spec.high_percentile])
    if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
        raise ValueError(f"crop has no contrast to scale by (percentiles {low:g} and {high:g})")
    scaled = (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    clipped: npt.NDArray[np.float32] = np.clip(scaled, 0.0, spec.ceiling).astype(np.float32, copy=False)
    return clipped
