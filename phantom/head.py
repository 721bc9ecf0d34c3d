"""A head, for studies that are of no breast: scalp, skull, brain, ventricles, a sinus and a tumour that enhance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phantom.grid import Grid
from phantom.physics import dynamic_curves
from phantom.randomness import stream
from phantom.spec import GridSpec, PhantomSpec
from phantom.thorax import Ellipsoid
from phantom.tissues import BODY, LESION_KINETICS, Tissue, properties
from phantom.voxels import digitise

_SCALP = Ellipsoid(centre_mm=(0, 0, 0), semi_axes_mm=(78, 98, 95))
_SKULL = Ellipsoid(centre_mm=(0, 0, 0), semi_axes_mm=(72, 92, 89))
_BRAIN = Ellipsoid(centre_mm=(0, 0, 0), semi_axes_mm=(66, 86, 83))
_VENTRICLES = Ellipsoid(centre_mm=(0, 5, 5), semi_axes_mm=(12, 30, 16))
_SINUS = Ellipsoid(centre_mm=(0, 78, 10), semi_axes_mm=(5, 7, 55))
_TUMOUR = Ellipsoid(centre_mm=(-35, -20, 15), semi_axes_mm=(14, 12, 13))


def head_grid(spec: GridSpec) -> Grid:
    """Axial slices through the head with the voxel size of another grid."""
    by_row, by_column = spec.pixel_spacing_mm
    return Grid.from_spec(
        GridSpec(
            slices=round(150 / spec.slice_spacing_mm),
            rows=round(240 / by_row),
            columns=round(240 / by_column),
            pixel_spacing_mm=spec.pixel_spacing_mm,
            slice_spacing_mm=spec.slice_spacing_mm,
            centre_lps_mm=(0.0, 0.0, 0.0),
        )
    )


def head_voxels(spec: PhantomSpec, grid: Grid) -> NDArray[np.uint16]:
    """The head in every phase of a dynamic spoiled gradient echo, [P, S, R, C], of 12 bits."""
    tissues = properties(LESION_KINETICS["plateau"])
    curves = dynamic_curves(spec, tissues)
    before = {tissue: np.broadcast_to(curve[0], curve.shape) for tissue, curve in curves.items()}
    layers = (
        (_SCALP, before[Tissue.FAT] / BODY[Tissue.FAT].suppressed),
        (_SKULL, before[Tissue.BONE] / 3),
        (_BRAIN, before[Tissue.HEART]),  # of the tissues that there are, this one's T1 is nearest to the brain's
        (_VENTRICLES, before[Tissue.BLOOD] / 2),
        (_SINUS, curves[Tissue.BLOOD]),
        (_TUMOUR, curves[Tissue.LESION]),
    )
    signal = np.zeros((len(spec.phase_times_s), *grid.shape), dtype=np.float32)
    width = float(np.mean(grid.spacing_mm))
    for body, curve in layers:
        share = np.clip(0.5 - body.distance(*grid.xyz) / width, 0, 1)
        signal += share * (curve[:, None, None, None] - signal)
    return digitise(signal, spec.noise_sd, stream(spec.seed, "head noise"))
