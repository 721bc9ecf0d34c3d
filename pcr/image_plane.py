"""Where the image of an instance lies in the patient: the attributes of PS3.3 C.7.6.2, checked before they are used."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from pcr.reasons import NotEvaluable, ReasonCode

_ORTHONORMAL_TOLERANCE = 1e-3


def matrix(header: Dataset) -> tuple[object, ...]:
    """What images of one volume share: frame of reference, orientation, rows, columns and pixel spacing in mm.

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
    return (frame, tuple(round(v, 4) + 0.0 for v in _orientation(header)), rows, columns, tuple(spacing.round(4)))


def position_lps_mm(header: Dataset) -> npt.NDArray[np.float64]:
    """Centre of the first pixel, LPS."""
    return _numbers(header, "ImagePositionPatient", 3)


def position_mm(header: Dataset) -> float:
    """Where an image lies along the normal of its plane (PS3.3 C.7.6.2.1.1)."""
    return float(np.dot(slice_normal(header), position_lps_mm(header)))


def slice_normal(header: Dataset) -> npt.NDArray[np.float64]:
    """Unit normal of an image plane in LPS that makes (slice, row, column) right-handed, as highdicom's volumes are."""
    orientation = _orientation(header)
    along_row, along_column = orientation[:3], orientation[3:]
    return np.cross(along_column, along_row)


def number(header: Dataset, name: str) -> float | None:
    """A single finite number; None where the attribute is absent, empty, several or no number."""
    try:
        value = float(header.get(name))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _orientation(header: Dataset) -> npt.NDArray[np.float64]:
    orientation = _numbers(header, "ImageOrientationPatient", 6)
    axes = orientation.reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=_ORTHONORMAL_TOLERANCE):
        raise _unsupported("ImageOrientationPatient")
    return orientation


def _numbers(header: Dataset, name: str, count: int) -> npt.NDArray[np.float64]:
    try:
        values = np.asarray(header.get(name), dtype=float)
    except (TypeError, ValueError):
        raise _unsupported(name) from None
    if values.shape != (count,) or not np.isfinite(values).all():
        raise _unsupported(name)
    return values


def _unsupported(what: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.UNSUPPORTED_OBJECT,
        f"images of a series that may be dynamic lack a valid {what}; send it as acquired",
    )
