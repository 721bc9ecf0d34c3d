"""Dynamic volumes that were never in a file: from arrays and from phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.volume import VolumeGeometry
from pydicom.dataset import Dataset

from pcr.frames import Frame
from pcr.phases import DceSeries, Phase, Role, Selection
from pcr.study import Instance
from pcr.volume import DceVolume
from phantom import Phantom

TIMES_AFTER_INJECTION_S = (-100.0, 30.0, 120.0, 440.0)


def volume_of_pixels(
    pixels: npt.NDArray[Any],
    geometry: VolumeGeometry,
    *,
    after_injection_s: tuple[float, ...] = TIMES_AFTER_INJECTION_S,
    pre: int = 0,
    early: int = 2,
    pre_gap_s: float = 130.0,
    injection_source: str = "ContrastBolusStartTime",
    **header: Any,
) -> DceVolume:
    """Signal [phases, slices, rows, columns] as a dynamic volume; `header` is what its images say besides."""
    said = Dataset()
    for keyword, value in header.items():
        setattr(said, keyword, value)
    roles: dict[int, Role] = {pre: "pre", early: "early", len(pixels) - 1: "late"}
    phases = tuple(
        Phase(
            series_instance_uid="1.2.3.1",
            description="",
            time_s=after - after_injection_s[pre],
            after_injection_s=after,
            role=roles.get(index, "other"),
            frames=(Frame(Instance(Path("nowhere"), said), None, said),),  # type: ignore[arg-type]
        )
        for index, after in enumerate(after_injection_s)
    )
    series = DceSeries(
        phases=phases,
        pre_gap_s=pre_gap_s,
        injection_source=injection_source,  # type: ignore[arg-type]
        time_field="AcquisitionTime",
        selection=Selection("", ()),
    )
    return DceVolume(series=series, pixels=pixels, geometry=geometry)


def volume_of_phantom(phantom: Phantom, **header: Any) -> DceVolume:
    """A phantom as it would be loaded from its study; its third phase is the early one."""
    after = tuple(phase.time_s - phantom.spec.injection_time_s for phase in phantom.phases)
    return volume_of_pixels(phantom.voxels, phantom.geometry, after_injection_s=after, **header)


def washing_out(mask: npt.NDArray[np.bool_], tissue: float = 100.0) -> npt.NDArray[np.float32]:
    """Signal of four phases, flat but for a region of this mask that enhances early and washes out."""
    enhancement = np.array([0, 150, 200, 100], dtype=np.float32)[:, None, None, None]
    return np.asarray(tissue + mask * enhancement, dtype=np.float32)


def grid_of(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    first_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> VolumeGeometry:
    """An axial grid (slice, row, column), feet to head, from the centre of its first voxel."""
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1] * np.array([-1, 1, 1]) * spacing_mm
    affine[:3, 3] = first_lps_mm
    return VolumeGeometry(affine, shape, "PATIENT", frame_of_reference_uid="1.2.3.99")


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float) -> npt.NDArray[np.bool_]:
    """Voxels within a radius, in voxels, of a centre index."""
    distances = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    return np.asarray((distances**2).sum(axis=0) <= radius**2)
