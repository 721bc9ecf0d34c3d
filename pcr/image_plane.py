"""Where an image lies in the patient: the attributes of PS3.3 C.7.6.2, checked before they are used."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pcr.reasons import NotEvaluable, ReasonCode

_ORTHONORMAL_TOLERANCE = 1e-3
_SAME_ORIENTATION = 1e-3
# What no scanner writes: such numbers are damage, and overflow what is computed from them.
_SPACING_MM = (0.01, 100.0)
_FARTHEST_MM = 1e5


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
    def matrix(self) -> tuple[int, int, float, float]:
        """Rows, columns and pixel spacing in mm, which parallel images of one volume share."""
        between_rows, between_columns = (round(value, 3) for value in self.pixel_spacing_mm)
        return self.rows, self.columns, between_rows, between_columns

    def is_parallel_to(self, other: ImagePlane) -> bool:
        """Whether two planes have one frame of reference and one orientation, but for how scanners round it."""
        turned = max(abs(a - b) for a, b in zip(self.orientation, other.orientation, strict=True))
        return self.frame_of_reference_uid == other.frame_of_reference_uid and turned <= _SAME_ORIENTATION

    @property
    def normal(self) -> tuple[float, float, float]:
        """Unit normal in LPS that makes (slice, row, column) right-handed, as highdicom's volumes are."""
        # Without NumPy: there are hundreds of planes, and its calls cost more than these few products.
        (rx, ry, rz), (cx, cy, cz) = self.orientation[:3], self.orientation[3:]
        return cy * rz - cz * ry, cz * rx - cx * rz, cx * ry - cy * rx

    def point_lps_mm(self, row: float, column: float) -> tuple[float, float, float]:
        """Where a fractional row and column index lies in the patient (PS3.3 C.7.6.2.1.1)."""
        (rx, ry, rz), (cx, cy, cz), (x, y, z) = self.orientation[:3], self.orientation[3:], self.position_lps_mm
        down, right = row * self.pixel_spacing_mm[0], column * self.pixel_spacing_mm[1]
        return x + down * cx + right * rx, y + down * cy + right * ry, z + down * cz + right * rz

    @property
    def along_normal_mm(self) -> float:
        """Where the image lies along its normal (PS3.3 C.7.6.2.1.1)."""
        return _dot(self.normal, self.position_lps_mm)


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
    if not _SPACING_MM[0] <= min(spacing) <= max(spacing) <= _SPACING_MM[1]:
        raise _unsupported("PixelSpacing")
    position = _numbers(header, "ImagePositionPatient", 3)
    if max(map(abs, position)) > _FARTHEST_MM:
        raise _unsupported("ImagePositionPatient")
    return ImagePlane(
        frame_of_reference_uid=frame,
        orientation=_orientation(header),
        rows=rows,
        columns=columns,
        pixel_spacing_mm=spacing,
        position_lps_mm=position,
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
    # Scanners round: what is nearly orthonormal is made so, since a volume's axes have to be.
    along = _dot(row, row) ** 0.5
    row = tuple(value / along for value in row)
    shared = _dot(row, column)
    upright = tuple(c - shared * r for r, c in zip(row, column, strict=True))
    length = _dot(upright, upright) ** 0.5
    return (*row, *(value / length for value in upright))


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
