"""How large a lesion is, as the network is told: the box around it, measured from its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pcr.manifest import LesionName, LesionVariable

Bounds = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionBox:
    """Sides of the box around a lesion, in mm.

    Attributes:
        slices_mm: through the slices, of the whole lesion.
        rows_mm, columns_mm: along rising rows and columns, of the largest section.

    Raises ValueError on a side that is not a length.
    """

    slices_mm: float
    rows_mm: float
    columns_mm: float

    def __post_init__(self) -> None:
        sides = (self.slices_mm, self.rows_mm, self.columns_mm)
        if not all(0 < side < float("inf") for side in sides):
            raise ValueError(f"sides of a box must be positive and finite, got {sides} mm")

    @property
    def box_diameter_mm(self) -> float:
        """Geometric mean of the three sides."""
        return float(np.cbrt(self.slices_mm * self.rows_mm * self.columns_mm))

    @property
    def section_diameter_mm(self) -> float:
        """Geometric mean of the two sides in plane."""
        return float(np.sqrt(self.rows_mm * self.columns_mm))

    def size_mm(self, name: LesionName) -> float:
        """One of the sizes that a model may be told, by its name in the manifest."""
        return {"box_diameter": self.box_diameter_mm, "section_diameter": self.section_diameter_mm}[name]

    def scaled(self, factor: float) -> LesionBox:
        """The box with every side `factor` times as long."""
        return LesionBox(
            slices_mm=factor * self.slices_mm, rows_mm=factor * self.rows_mm, columns_mm=factor * self.columns_mm
        )


def lesion_box(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> LesionBox:
    """Measure the box around a mask [slices, rows, columns], from outer edge to outer edge of its voxels.

    Args:
        mask: the lesion; in plane, the box is that of its largest section, which no voxel of another slice widens.
        spacing_mm: between slices, between rows, between columns.

    Raises ValueError on an empty mask.
    """
    slices_mm, rows_mm, columns_mm = (
        (last - first + 1) * spacing for (first, last), spacing in zip(box_bounds(mask), spacing_mm, strict=True)
    )
    return LesionBox(slices_mm=slices_mm, rows_mm=rows_mm, columns_mm=columns_mm)


def box_bounds(mask: npt.NDArray[np.bool_]) -> tuple[Bounds, Bounds, Bounds]:
    """First and last slice of a mask [slices, rows, columns]; first and last row and column of its largest section.

    Raises ValueError on an empty mask.
    """
    areas = mask.sum(axis=(1, 2))
    if not areas.any():
        raise ValueError("mask is empty")
    section = mask[areas.argmax()]
    return _bounds(areas > 0), _bounds(section.any(axis=1)), _bounds(section.any(axis=0))


def encode_box(box: LesionBox, variables: Sequence[LesionVariable]) -> npt.NDArray[np.float32]:
    """A box as the network reads it, [L], in the order of the model's variables: (log2(mm) - offset) / scale."""
    return np.asarray([_encode(box, variable) for variable in variables], dtype=np.float32)


def _encode(box: LesionBox, variable: LesionVariable) -> float:
    limit = variable.longest_side_mm
    seen = replace(box, rows_mm=min(box.rows_mm, limit), columns_mm=min(box.columns_mm, limit))
    return float((np.log2(seen.size_mm(variable.name)) - variable.offset) / variable.scale)


def _bounds(holds: npt.NDArray[np.bool_]) -> Bounds:
    places = np.flatnonzero(holds)
    return int(places[0]), int(places[-1])
