"""A page that a radiologist looks at, before it becomes a secondary capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPage:
    """One picture.

    Attributes:
        pixels: RGB, uint8 [rows, columns, 3], nothing of the patient's identity in it.
        slice_index: the slice of the dynamic series that it shows.
    """

    pixels: npt.NDArray[np.uint8]
    slice_index: int
