"""From a spec to voxels: the layers of the anatomy painted with each phase's signal, then coil and noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from phantom.anatomy import Anatomy, coil_sensitivity
from phantom.errors import require
from phantom.grid import Grid
from phantom.lesion import check_in_view
from phantom.physics import Curves, dynamic_curves
from phantom.randomness import stream
from phantom.spec import PhantomSpec, Side
from phantom.tissues import Tissue
from phantom.truth import LesionTruth, measure

MAXIMUM = 4095  # 12 bits stored, as on the scanners
PIVOT_LPS_MM = np.array([0.0, 45.0, -40.0])  # middle of the chest wall, on which a prone patient turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """When a phase starts after the first, seconds, and whether contrast had been injected by then."""

    time_s: float
    role: Literal["pre", "post"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phantom:
    """A simulated dynamic study as voxels.

    Attributes:
        spec: What was asked for.
        anatomy: The patient.
        voxels: Signal, [P, S, R, C], of 12 bits.
        geometry: Shape (S, R, C) and LPS affine, mm.
        lesion_mask: Voxels that the lesion fills by half or more, [S, R, C], where the patient has not moved.
        phases: Times and roles, [P].
        lesion: Measurements of that mask; None without a lesion.
    """

    spec: PhantomSpec
    anatomy: Anatomy
    voxels: NDArray[np.uint16]
    geometry: VolumeGeometry
    lesion_mask: NDArray[np.bool_]
    phases: tuple[Phase, ...]
    lesion: LesionTruth | None

    @property
    def side(self) -> Side:
        """The breast of the lesion; the right one where there is none."""
        return self.anatomy.lesion.breast.side if self.anatomy.lesion else "right"


def simulate(spec: PhantomSpec) -> Phantom:
    """Simulate the dynamic series of a patient.

    Raises:
        PhantomError: The lesion does not fit into the breast, or the grid does not show all of it.
    """
    anatomy, grid = Anatomy.from_spec(spec), Grid.from_spec(spec.grid)
    if anatomy.lesion is not None:
        check_in_view(anatomy.lesion, grid)
    lesion = anatomy.lesion_layer(grid)
    mask = np.zeros(grid.shape, dtype=bool)
    if lesion is not None:
        mask[lesion.box] = lesion.share >= 0.5
        require(bool(mask.any()), f"voxels of {grid.spacing_mm.tolist()} mm are too coarse for a lesion of this size")
    signal = _paint_phases(spec, anatomy, grid)
    signal *= coil_sensitivity(spec.seed, grid, spec.coil_bias)
    return Phantom(
        spec=spec,
        anatomy=anatomy,
        voxels=digitise(signal, spec.noise_sd, stream(spec.seed, "noise")),
        geometry=grid.geometry,
        lesion_mask=mask,
        phases=tuple(
            Phase(time_s=time, role="pre" if time < spec.injection_time_s else "post") for time in spec.phase_times_s
        ),
        lesion=measure(mask, grid.geometry) if lesion is not None else None,
    )


def displacement(spec: PhantomSpec, phase: int) -> NDArray[np.float64]:
    """Where the patient's points have moved to in a phase: 4 x 4, from LPS mm at rest to LPS mm then."""
    motion = np.eye(4)
    if spec.rotation_deg is not None:
        motion[:3, :3] = Rotation.from_euler("xyz", spec.rotation_deg[phase], degrees=True).as_matrix()
    motion[:3, 3] = PIVOT_LPS_MM - motion[:3, :3] @ PIVOT_LPS_MM
    if spec.motion_mm is not None:
        motion[:3, 3] += spec.motion_mm[phase]
    return motion


def _paint_phases(spec: PhantomSpec, anatomy: Anatomy, grid: Grid) -> NDArray[np.float32]:
    """Noise-free signal of all phases under a uniform coil, [P, S, R, C], the patient where she then was."""
    curves = dynamic_curves(spec, anatomy.tissues)
    if spec.motion_mm is None and spec.rotation_deg is None:
        return paint(anatomy, grid, curves)
    painted = [
        paint(
            anatomy,
            grid.seen_by(displacement(spec, phase)),
            {tissue: curve[[phase]] for tissue, curve in curves.items()},
        )
        for phase in range(len(spec.phase_times_s))
    ]
    return np.concatenate(painted)


def paint_still(phantom: Phantom, curves: Curves) -> NDArray[np.float32]:
    """Noise-free signal of the patient at rest on the phantom's grid, under its coil, [len(curve), S, R, C]."""
    grid = Grid(phantom.geometry)
    return paint(phantom.anatomy, grid, curves) * coil_sensitivity(phantom.spec.seed, grid, phantom.spec.coil_bias)


def paint(anatomy: Anatomy, grid: Grid, curves: Curves) -> NDArray[np.float32]:
    """Noise-free signal under a uniform coil, [P, S, R, C], from each tissue's signal over the phases, [P]."""
    phases = len(curves[Tissue.FAT])
    canvas = np.zeros((phases, *grid.shape), dtype=np.float32)
    lesion = anatomy.lesion_layer(grid)
    for layer in chain(anatomy.background(grid), [lesion] if lesion else []):
        for phase in range(phases):
            colour = curves[layer.tissue][phase]
            if layer.other is not None:
                colour = colour + layer.mix * (curves[layer.other][phase] - colour)
            under = canvas[phase][layer.box]
            under += layer.share * (colour - under)
    return canvas


def digitise(signal: NDArray[np.float32], noise_sd: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Magnitude of the signal with independent noise in both quadrature channels (Rician), rounded to 12 bits."""
    if noise_sd > 0:
        real = signal + np.float32(noise_sd) * rng.standard_normal(signal.shape, dtype=np.float32)
        signal = np.hypot(real, np.float32(noise_sd) * rng.standard_normal(signal.shape, dtype=np.float32))
    return np.rint(np.clip(signal, 0, MAXIMUM)).astype(np.uint16)
