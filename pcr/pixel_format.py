"""How the pixels of an image plane are written, and what makes them its signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from pcr.element_scan import PixelElement
from pcr.image_plane import number
from pcr.reasons import NotEvaluable, ReasonCode

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_NO_NUMBER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How the stored values of a grayscale image are written (PS3.3 C.7.6.3) and become its signal.

    `inverted` is MONOCHROME1: the signal is the stored value mirrored within its bits, 2^BitsStored - 1 - stored where
    it is unsigned and -1 - stored where it is signed, so that more signal is brighter in every image. Slope and
    intercept are those of the modality transform (PS3.3 C.11.1), applied to that.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    inverted: bool
    slope: float
    intercept: float

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the stored values."""
        return np.dtype(f"{'int' if self.signed else 'uint'}{self.bits_allocated}")

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def is_rescaled(self) -> bool:
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def signal_dtype(self) -> np.dtype[np.generic]:
        """The smallest type of its signal: the stored integers, or float32 once a rescale is applied."""
        return np.dtype(np.float32) if self.is_rescaled else self.dtype

    def keep_stored_bits(self, values: npt.NDArray[Any]) -> None:
        """Keep, in place, what the stored bits say, with its sign: the bits around them may hold overlays."""
        below = self.high_bit + 1 - self.bits_stored
        above = self.bits_allocated - self.high_bit - 1
        if above:
            np.left_shift(values, above, out=values)
        if above or below:
            np.right_shift(values, above + below, out=values)

    def put_signal(self, values: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Make stored values, which may be changed or be `out` itself, the signal in `out`."""
        if self.inverted:
            np.subtract(-1 if self.signed else (1 << self.bits_stored) - 1, values, out=values)
        if self.is_rescaled:
            np.copyto(out, values * self.slope + self.intercept, casting="same_kind")
        elif values is not out:
            np.copyto(out, values, casting="same_kind")


def pixel_format(header: Dataset, element: PixelElement | None) -> PixelFormat:
    """How the pixels of an image plane are written, as its header and the kind of its pixel element say.

    Raises:
        NotEvaluable: `unsupported_object` where they are no grayscale integers of 8, 16 or 32 bits,
            `corrupt_pixels` where the attributes contradict each other or a rescale is no number.
    """
    if header.get("SamplesPerPixel") != 1 or header.get("PhotometricInterpretation") not in _MONOCHROME:
        raise NotEvaluable(ReasonCode.UNSUPPORTED_OBJECT, "images of the dynamic series are not grayscale")
    if element is not None and element.keyword != "PixelData":
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT, "images of the dynamic series hold real numbers; send those of the scanner"
        )
    names = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    rows, columns, allocated, stored, high, representation = (_count(header, name) for name in names)
    if allocated not in (8, 16, 32):
        raise NotEvaluable(ReasonCode.UNSUPPORTED_OBJECT, "images of the dynamic series are not of 8, 16 or 32 bits")
    if not (rows > 0 and columns > 0 and 0 < stored <= high + 1 <= allocated and representation in (0, 1)):
        raise NotEvaluable(
            ReasonCode.CORRUPT_PIXELS,
            "images of the dynamic series have pixel attributes that contradict each other; send them again",
        )
    slope, intercept = _coefficient(header, "RescaleSlope", 1.0), _coefficient(header, "RescaleIntercept", 0.0)
    if abs(slope) * 2.0**stored + abs(intercept) > float(np.finfo(np.float32).max):
        raise _invalid("RescaleSlope")
    return PixelFormat(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=representation == 1,
        inverted=header.PhotometricInterpretation == "MONOCHROME1",
        slope=slope,
        intercept=intercept,
    )


def _count(header: Dataset, name: str) -> int:
    value = header.get(name)
    return value if isinstance(value, int) else _NO_NUMBER


def _coefficient(header: Dataset, name: str, absent: float) -> float:
    if header.get(name) is None:
        return absent
    value = number(header, name)
    if value is None or (name == "RescaleSlope" and value == 0):
        raise _invalid(name)
    return value


def _invalid(name: str) -> NotEvaluable:
    return NotEvaluable(ReasonCode.CORRUPT_PIXELS, f"images of the dynamic series have an invalid {name}")
