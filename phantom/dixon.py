"""Dixon images of a phantom: water and fat, and what they make together with and against each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phantom.physics import dynamic_curves
from phantom.tissues import BODY, Tissue
from phantom.voxels import MAXIMUM, Phantom, paint_still


def dixon_contrasts(phantom: Phantom) -> dict[str, NDArray[np.uint16]]:
    """The four images of every phase, each [P, S, R, C], by the term that ImageType has for them.

    The fat-suppressed phantom stands for water; fat takes up no contrast, so one volume of it serves all phases.
    """
    curves = dynamic_curves(phantom.spec, phantom.anatomy.tissues)
    only_fat = {tissue: np.zeros_like(curve[:1]) for tissue, curve in curves.items()}
    only_fat[Tissue.FAT] = curves[Tissue.FAT][:1] / BODY[Tissue.FAT].suppressed
    water = phantom.voxels.astype(np.int32)
    fat = np.broadcast_to(np.rint(paint_still(phantom, only_fat)).astype(np.int32), water.shape)
    images = {"WATER": water, "FAT": fat, "IN_PHASE": water + fat, "OPP_PHASE": np.abs(water - fat)}
    return {kind: np.clip(voxels, 0, MAXIMUM).astype(np.uint16) for kind, voxels in images.items()}
