"""Moves phases back to where the early phase shows the breasts: the outline of the lesion is drawn on its images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from highdicom.volume import Volume, VolumeGeometry

from pcr.motion import Motion, PhaseMotion
from pcr.volume import DceVolume, to_simpleitk

_SLAB_SLICES = 16


def correct_motion(volume: DceVolume, motion: Motion) -> DceVolume:
    """Move the phases that moved, as far as the images bear it out, and keep the motion with the volume.

    Phases are large: those that are moved are overwritten in the array of the given volume, which is used up.
    """
    early = _place(motion.of(volume.series.index("early")))
    phases = []
    for phase in motion.phases:
        between = _place(phase) @ np.linalg.inv(early)
        corrected = phase.measured and not np.array_equal(_place(phase), early)
        if corrected:
            _move(volume.pixels[phase.index], between, volume.geometry)
        phases.append(replace(phase, corrected=corrected))
    return replace(volume, motion=replace(motion, phases=tuple(phases)))


def _place(phase: PhaseMotion) -> npt.NDArray[np.float64]:
    """Where the points of the reference lie in a phase: where they lay, unless it moved."""
    return phase.transform if phase.moved and phase.transform is not None else np.eye(4)


def _move(pixels: npt.NDArray[np.generic], transform: npt.NDArray[np.float64], geometry: VolumeGeometry) -> None:
    """Resample [slices, rows, columns] through a transform (4 x 4, LPS mm), linearly; the border goes on outside."""
    image = to_simpleitk(pixels, geometry)
    through = sitk.AffineTransform(3)
    through.SetMatrix(transform[:3, :3].ravel().tolist())
    through.SetTranslation(transform[:3, 3].tolist())
    for start in range(0, len(pixels), _SLAB_SLICES):
        end = min(start + _SLAB_SLICES, len(pixels))
        slab = geometry[start:end]
        target = to_simpleitk(np.empty(slab.spatial_shape, dtype=np.uint8), slab)
        moved = Volume.from_simpleitk(
            sitk.Resample(image, target, through, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
        ).array
        pixels[start:end] = np.rint(moved) if pixels.dtype.kind in "iu" else moved
