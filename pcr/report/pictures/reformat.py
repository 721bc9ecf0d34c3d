"""Three orthogonal views through a lesion, cut along the volume's own axes and turned as radiologists hold them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from pcr.case import PredictedCase
from pcr.report.pictures.views import View, attended_edges, axis_directions

OBLIQUE_FROM_DEG = 15.0
# So much of a view, on each side, is margin around what the model read and what was outlined.
_MARGIN = 0.05
_X, _Y, _Z = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reformat:
    """A view with the name of the anatomic plane that is closest to it, and by how much it is tilted from that."""

    plane: str
    tilt_deg: float
    view: View

    @property
    def name(self) -> str:
        """The name of the plane, and whether it is oblique."""
        return f"{self.plane}, oblique" if self.tilt_deg > OBLIQUE_FROM_DEG else self.plane


def orthogonal_views(case: PredictedCase, size: int) -> tuple[Reformat, Reformat, Reformat]:
    """Axial, sagittal and coronal views, `size` x `size` drawn pixels, at one scale.

    Each cuts the lesion where its section is largest. Patient right is on the left of axial and coronal views,
    anterior on the left of sagittal ones; head is up.
    """
    directions = axis_directions(case.volume.geometry)
    axis_of, sign_of = _anatomic_axes(directions)
    bounds = _bounds(case)
    spacing_mm = np.asarray(case.volume.geometry.spacing)
    centre = bounds.mean(axis=1)
    pixel_mm = float((np.diff(bounds)[:, 0] * spacing_mm).max()) / (1 - 2 * _MARGIN) / size
    from_centre_mm = (np.arange(size) - (size - 1) / 2) * pixel_mm

    def cut(plane: str, across: int, down: tuple[int, int], right: tuple[int, int]) -> Reformat:
        """A plane across one axis of the patient; `down` and `right` are an axis of the patient and a sign each."""
        rows, columns = (
            centre[axis_of[to]] + sign * sign_of[to] * from_centre_mm / spacing_mm[axis_of[to]]
            for to, sign in (down, right)
        )
        axes = (axis_of[across], axis_of[down[0]], axis_of[right[0]])
        tilt = np.degrees(np.arccos(min(1.0, abs(directions[across, axes[0]]))))
        index = _largest_section(case.lesion.mask, axes[0])
        view = View(axes=axes, index=index, rows=rows, columns=columns, pixel_mm=pixel_mm)
        return Reformat(plane=plane, tilt_deg=float(tilt), view=view)

    return (
        cut("Axial", _Z, (_Y, 1), (_X, 1)),
        cut("Sagittal", _X, (_Z, -1), (_Y, 1)),
        cut("Coronal", _Y, (_Z, -1), (_X, 1)),
    )


def _anatomic_axes(directions: npt.NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each of the patient's axes x, y and z: the volume's axis that is closest to it, and 1 or -1 for its sense."""

    def closeness(axes: tuple[int, ...]) -> float:
        return sum(abs(float(directions[patient, axis])) for patient, axis in enumerate(axes))

    axes = max(permutations(range(3)), key=closeness)
    return axes, tuple(1 if directions[patient, axis] > 0 else -1 for patient, axis in enumerate(axes))


def _bounds(case: PredictedCase) -> npt.NDArray[np.float64]:
    """Outer edges [axis, 2], in indices of the volume, of what the model read and of the lesion."""
    bounds = np.array(attended_edges(case.attention))
    for axis, places in enumerate(np.nonzero(case.lesion.mask)):
        bounds[axis] = min(bounds[axis, 0], places.min() - 0.5), max(bounds[axis, 1], places.max() + 0.5)
    return bounds


def _largest_section(mask: npt.NDArray[np.bool_], axis: int) -> int:
    others = tuple(other for other in range(3) if other != axis)
    return int(np.argmax(np.count_nonzero(mask, axis=others)))
