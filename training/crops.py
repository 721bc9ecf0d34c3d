"""Pixels of a patient around the tumour: ready-made in the reduced pack, cut out of whole volumes in the full release.

A ready-made crop is cut as well, by a window that lies in its middle, so that what follows knows no difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from pcr.crop import Window, cut, window_around
from pcr.lesion_box import LesionBox, box_bounds, lesion_box
from training.config import CropSettings
from training.findings import CohortError
from training.imaging import UNREADABLE, Imaging, Layout

_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One patient's images and tumour region around the tumour, with room for a displaced window.

    Columns are the first axis of the file, as in NIfTI. The reduced pack does not say in which direction of the
    patient they run; its pictures look like DICOM slices as stored.

    Attributes:
        pixels: signal float32 [phases, slices, rows, columns], zero beyond the border of the image.
        region: bool [slices, rows, columns].
        spacing_mm: between rows and columns; between slices the mean, with slices that are there twice 0 mm apart.
        box: the expert's, of the whole tumour and not of what the crop shows of it.
    """

    pixels: npt.NDArray[np.float32]
    region: npt.NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    box: LesionBox


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredSquare:
    """Size of a stored crop, by the names that `window_around` reads."""

    window_mm: float
    grid: int
    slices: int


def load_crop(imaging: Imaging, settings: CropSettings) -> Crop:
    """Read or cut the crop of one patient: `slices` slices of `stored_grid` x `stored_grid` pixels over `stored_mm`.

    The slices are spread evenly over the middle `extent_fraction` of the tumour's, as those of the reduced pack are.
    Where there are fewer they are repeated evenly, as the application does.

    Raises:
        CohortError: a file can not be read, a stored crop has another size, or the region is empty there.
    """
    reason = misfit(imaging, settings)
    if reason is not None:
        raise CohortError(f"{imaging.region.name}: {reason}")
    mask = read_region(imaging)
    if imaging.layout is Layout.REDUCED:
        window = centre_window(imaging, settings.slices, settings.stored_grid)
    else:
        square = _StoredSquare(window_mm=settings.stored_mm, grid=settings.stored_grid, slices=settings.slices)
        around = window_around(mask, imaging.spacing_mm[1:], square)
        window = replace(around, slice_indices=(_middle_slices(mask, settings),))
    region = cut(window, [mask])[0, 0] >= 0.5
    if not region.any():
        raise CohortError(f"{imaging.region.name}: the tumour region is empty on the slices that are read")
    indices = window.slice_indices[0]
    gap_mm = (indices[-1] - indices[0]) * imaging.spacing_mm[0] / max(settings.slices - 1, 1)
    return Crop(
        pixels=cut_phases(imaging, window)[0],
        region=region,
        spacing_mm=(gap_mm, settings.pixel_mm, settings.pixel_mm),
        box=measure_box(imaging, mask, settings.extent_fraction),
    )


def misfit(imaging: Imaging, settings: CropSettings) -> str | None:
    """Why a crop of the reduced pack is not of the size that the settings say, within 1 %; None where it fits."""
    if imaging.layout is Layout.FULL:
        return None
    (rows, columns), (row_mm, column_mm) = imaging.shape[1:], imaging.spacing_mm[1:]
    sides = ((rows, rows * row_mm), (columns, columns * column_mm))
    if all(
        pixels == settings.stored_grid and abs(side_mm / settings.stored_mm - 1) <= _TOLERANCE
        for pixels, side_mm in sides
    ):
        return None
    found = f"stored crop of {rows} x {columns} pixels over {rows * row_mm:g} x {columns * column_mm:g} mm"
    return f"{found}, expected {settings.stored_grid} pixels over {settings.stored_mm:g} mm on each side"


def read_region(imaging: Imaging) -> npt.NDArray[np.bool_]:
    """The whole tumour region, bool [slices, rows, columns]; raises CohortError where it is empty or unreadable."""
    mask = _read_voxels(imaging.region) > 0
    if not mask.any():
        raise CohortError(f"{imaging.region.name}: the tumour region is empty")
    return mask


def cut_phases(imaging: Imaging, window: Window) -> npt.NDArray[np.float32]:
    """Pixels float32 [combs, 3 phases, slices, grid, grid] of a window; one volume at a time is in memory.

    Raises:
        CohortError: a file can not be read, or holds numbers that are not finite.
    """
    pixels = np.concatenate([cut(window, [_read_voxels(path)]) for path in imaging.phases], axis=1)
    if not np.isfinite(pixels).all():
        raise CohortError(f"{imaging.phases[0].name} or a later phase holds values that are not finite")
    return pixels


def centre_window(imaging: Imaging, slices: int, grid: int) -> Window:
    """The middle `grid` x `grid` pixels of a reduced crop as stored, on `slices` slices spread over all that it has."""
    count, rows, columns = imaging.shape
    return Window(
        slice_indices=(_spread(0, count - 1, slices),),
        first_pixel=((rows - grid) / 2, (columns - grid) / 2),
        step=(1.0, 1.0),
        grid=grid,
    )


def measure_box(imaging: Imaging, mask: npt.NDArray[np.bool_], extent_fraction: float) -> LesionBox:
    """The expert's box around the tumour, whose region is `mask` [slices, rows, columns].

    In the full release it is measured on the region. The stored slices of the reduced pack run from end to end of the
    middle `extent_fraction` of the tumour (in I-SPY 2, their gap x (count - 1) is the distance of the first and last
    source slice in geometry.csv for every patient), so that distance is scaled up. It is one source slice short of
    what is measured from outer edge to outer edge: 3 % of the side in the median, 10 % at most, and a third of that in
    the diameter of the box. In plane, a box that reaches beyond the stored crop is cut off there, as a quarter of those
    of I-SPY 2 are: their sides are lower bounds.
    """
    measured = lesion_box(mask, imaging.spacing_mm)
    if imaging.layout is Layout.FULL:
        return measured
    gaps = max(imaging.shape[0] - 1, 1)
    return replace(measured, slices_mm=gaps * imaging.spacing_mm[0] / extent_fraction)


def _middle_slices(mask: npt.NDArray[np.bool_], settings: CropSettings) -> tuple[int, ...]:
    first, last = box_bounds(mask)[0]
    middle, reach = (first + last) / 2, settings.extent_fraction * (last - first) / 2
    return _spread(middle - reach, middle + reach, settings.slices)


def _spread(first: float, last: float, slices: int) -> tuple[int, ...]:
    return tuple(int(index) for index in np.round(np.linspace(first, last, slices)))


def _read_voxels(path: Path) -> npt.NDArray[Any]:
    """Voxels [slices, rows, columns]: NIfTI's axes are columns, rows, slices."""
    try:
        voxels = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    except (*UNREADABLE, OSError) as error:
        raise CohortError(f"{path.name} can not be read: {error}") from None
    return voxels.transpose(2, 1, 0)
