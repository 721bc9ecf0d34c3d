"""Pictures that a radiologist looks at, before they become secondary captures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One picture: RGB, uint8 [rows, columns, 3], nothing of the patient's identity in it."""

    pixels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"a page is uint8 [rows, columns, 3], got {self.pixels.dtype} {self.pixels.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePage(Page):
    """A slice of the dynamic series with what was found on it, drawn in square pixels in the slice's own directions.

    Attributes:
        slice_index: the slice of the dynamic series that it shows.
        first_pixel: fractional row and column index, in the dynamic series, of the centre of the page's left upper
            pixel.
        pixel_mm: side of a drawn pixel in the patient.
    """

    slice_index: int
    first_pixel: tuple[float, float]
    pixel_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustrations:
    """All pictures of one prediction: the summary first, of one page or more, then a page for each slice."""

    summary: tuple[Page, ...]
    slices: tuple[SlicePage, ...]
