"""Where an image lies in the patient: the attributes of PS3.3 C.7.6.2, checked before they are used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from pcr.reasons import NotEvaluable, ReasonCode

_ORTHONORMAL_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class ImagePlane:
    """The plane of one image.

    Attributes:
        frame_of_reference_uid: what its coordinates are relative to.
        orientation: direction cosines of its rows and of its columns, LPS.
        pixel_spacing_mm: between rows, between columns.
        position_lps_mm: centre of the first pixel.
    """

    frame_of_reference_uid: str
    orientation: tuple[float, ...]
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, ...]
    position_lps_mm: tuple[float, ...]

    @property
    def matrix(self) -> tuple[object, ...]:
        """What images of one volume share: all but the position, rounded so that equal ones compare equal."""
        orientation, spacing = (
            tuple(round(v, 4) + 0.0 for v in values) for values in (self.orientation, self.pixel_spacing_mm)
        )
        return self.frame_of_reference_uid, orientation, self.rows, self.columns, spacing

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit normal in LPS that makes (slice, row, column) right-handed, as highdicom's volumes are."""
        along_row, along_column = self.orientation[:3], self.orientation[3:]
        return np.cross(along_column, along_row)

    @property
    def along_normal_mm(self) -> float:
        """Where the image lies along its normal (PS3.3 C.7.6.2.1.1)."""
        return float(np.dot(self.normal, self.position_lps_mm))


def plane_of(header: Dataset) -> ImagePlane:
    """The plane of an image.

    Raises:
        NotEvaluable: `unsupported_object` when an attribute is absent or can not be true.
    """
    rows, columns = (header.get(name) for name in ("Rows", "Columns"))
    spacing = _numbers(header, "PixelSpacing", 2)
    frame = str(header.get("FrameOfReferenceUID") or "")
    if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0 and frame):
        raise _unsupported("frame of reference, rows or columns")
    if min(spacing) <= 0:
        raise _unsupported("PixelSpacing")
    return ImagePlane(
        frame_of_reference_uid=frame,
        orientation=_orientation(header),
        rows=rows,
        columns=columns,
        pixel_spacing_mm=spacing,
        position_lps_mm=_numbers(header, "ImagePositionPatient", 3),
    )


def number(header: Dataset, name: str) -> float | None:
    """A single finite number; None where the attribute is absent, empty, several or no number."""
    try:
        value = float(header.get(name))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _orientation(header: Dataset) -> tuple[float, ...]:
    orientation = _numbers(header, "ImageOrientationPatient", 6)
    row, column = orientation[:3], orientation[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    if max(map(abs, products)) > _ORTHONORMAL_TOLERANCE:
        raise _unsupported("ImageOrientationPatient")
    return orientation


def _dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _numbers(header: Dataset, name: str, count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(value) for value in header.get(name))
    except (TypeError, ValueError):
        raise _unsupported(name) from None
    if len(values) != count or not all(map(math.isfinite, values)):
        raise _unsupported(name)
    return values


def _unsupported(what: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.UNSUPPORTED_OBJECT,
        f"images of a series that may be dynamic lack a valid {what}; send it as acquired",
    )
