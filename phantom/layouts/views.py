"""What the scanner takes of a patient in a layout: the specs of the volumes that it writes, the dynamic one first.

Anatomy is given by formulas in patient coordinates, so every view is of the same patient with the same lesion. A view
has the voxel size of the grid that was asked for, and the layout's own field of view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from phantom.spec import GridSpec, PhantomSpec, Side

Views = Callable[[PhantomSpec, Side], tuple[PhantomSpec, ...]]

ISPY1_PHASE_TIMES_S = (0.0, 376.0, 676.0)
BREAST_MM = 88.0  # lateral of the midline
SAGITTAL_FIELD_MM = 240.0


def as_asked(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The grid and the times that were asked for."""
    return (spec,)


def unilateral(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The slices that were asked for, cropped to the breast of the lesion."""
    by_row, by_column = spec.grid.pixel_spacing_mm
    x, _, z = spec.grid.centre_lps_mm
    grid = replace(
        spec.grid,
        rows=round(220 / by_row),
        columns=round(180 / by_column),
        centre_lps_mm=(x + _sign(side) * BREAST_MM, -40.0, z),
    )
    return (replace(spec, grid=grid),)


def sagittal(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The breast of the lesion in sagittal slices."""
    return (replace(spec, grid=_sagittal_grid(spec.grid, _sign(side) * BREAST_MM, 170.0)),)


def sagittal_pair(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """Each breast in sagittal slices of its own: that of the lesion, then the other."""
    (with_lesion,) = sagittal(spec, side)
    # The view of the other breast does not hold the lesion, and `simulate` would refuse it for that.
    other = replace(spec, lesion=None, grid=_sagittal_grid(spec.grid, -_sign(side) * BREAST_MM, 170.0))
    return with_lesion, other


def sagittal_bilateral(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """Both breasts in one stack of sagittal slices."""
    return (replace(spec, grid=_sagittal_grid(spec.grid, 0.0, 345.0)),)


def sagittal_three_phases(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The breast of the lesion before contrast, early and late."""
    last = len(spec.phase_times_s) - 1
    return sagittal(_only(spec, sorted({0, min(1, last), last})), side)


def sagittal_ispy1_times(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The breast of the lesion at the times of I-SPY 1, whose phases take five minutes; the patient lies still."""
    times = replace(
        spec,
        phase_times_s=ISPY1_PHASE_TIMES_S,
        injection_s=None,
        acquisition_s=290.0,
        motion_mm=None,
        rotation_deg=None,
    )
    return sagittal(times, side)


def oblique(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """Axial slices tilted by 12 degrees, of pixels a quarter longer than wide, enough of them for both breasts."""
    grid = spec.grid
    columns = round(grid.columns * 1.25)
    tilted = replace(
        grid,
        slices=round(1.4 * grid.slices),
        columns=columns,
        pixel_spacing_mm=(grid.pixel_spacing_mm[0], grid.pixel_spacing_mm[1] * grid.columns / columns),
        tilt_deg=12.0,
    )
    return (replace(spec, grid=tilted),)


def shifted_pre(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """As asked, and slices at the same heights of larger pixels that are off by a third of their width."""
    coarse = spec.grid.coarser(1.2)
    x, y, z = spec.grid.centre_lps_mm
    by_row, by_column = coarse.pixel_spacing_mm
    grid = replace(
        coarse,
        slices=spec.grid.slices,
        slice_spacing_mm=spec.grid.slice_spacing_mm,
        centre_lps_mm=(x + by_column / 3, y - by_row / 3, z),
    )
    return spec, replace(spec, grid=grid)


def sagittal_pre(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """As asked, and both breasts in sagittal slices."""
    return spec, *sagittal_bilateral(spec, side)


def no_breast(spec: PhantomSpec, side: Side) -> tuple[PhantomSpec, ...]:
    """The times that were asked for, and no lesion in a breast that is not shown."""
    return (replace(spec, lesion=None),)


def _sagittal_grid(grid: GridSpec, x_mm: float, width_mm: float) -> GridSpec:
    pixel = sum(grid.pixel_spacing_mm) / 2
    return GridSpec(
        slices=round(width_mm / grid.slice_spacing_mm),
        rows=round(SAGITTAL_FIELD_MM / pixel),
        columns=round(SAGITTAL_FIELD_MM / pixel),
        pixel_spacing_mm=(pixel, pixel),
        slice_spacing_mm=grid.slice_spacing_mm,
        centre_lps_mm=(x_mm, -35.0, -40.0),
        orientation="sagittal",
    )


def _only(spec: PhantomSpec, phases: Sequence[int]) -> PhantomSpec:
    """The same patient with some of her phases, injected when she was."""
    motion, rotation = (
        None if moved is None else tuple(moved[phase] for phase in phases)
        for moved in (spec.motion_mm, spec.rotation_deg)
    )
    return replace(
        spec,
        phase_times_s=tuple(spec.phase_times_s[phase] for phase in phases),
        injection_s=spec.injection_time_s if len(phases) > 1 else spec.injection_s,
        motion_mm=motion,
        rotation_deg=rotation,
    )


def _sign(side: Side) -> int:
    return 1 if side == "left" else -1
