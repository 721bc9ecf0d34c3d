"""One simulated patient, and what fills each voxel of a grid: layers of tissue, each painted over those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phantom.breast import Breast
from phantom.grid import Grid
from phantom.lesion import Lesion, place_lesion
from phantom.randomness import SmoothField, stream
from phantom.spec import PhantomSpec
from phantom.thorax import Column, Ellipsoid, Thorax
from phantom.tissues import LESION_KINETICS, Properties, Tissue, properties
from phantom.vessels import breast_vessels, chest_wall_vessels, feeding_vessel, occupancy

Array = NDArray[np.floating]
Box = tuple[slice, slice, slice]

SKIN_MM = 2.0  # the skin of the breast is 0.5 to 2 mm thick, and looks thicker under a surface coil
NIPPLE_MM = 5.5
BLEND_MM = 22.0  # radius of the folds between breasts and trunk
SUBCUTANEOUS_MM = 6.0  # fat between skin and fibroglandular tissue
LUNG_DEPTH_MM = 9.0  # thickness of ribs and the muscles between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Tissue that covers what was painted before it.

    Attributes:
        tissue: What it is made of.
        share: How much of each voxel of the box it covers, 0 to 1.
        box: The part of the grid that it lies in.
        other: A second tissue in it.
        mix: The second tissue's share of the layer in each voxel of the box.
    """

    tissue: Tissue
    share: Array
    box: Box
    other: Tissue | None = None
    mix: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """The patient behind a seed; defined in space, so that every series of a study can have its own grid."""

    seed: int
    breasts: tuple[Breast, Breast]
    thorax: Thorax
    lesion: Lesion | None

    @classmethod
    def from_spec(cls, spec: PhantomSpec) -> Self:
        """The patient that a spec describes.

        Raises:
            PhantomError: The lesion cannot be where it is wanted.
        """
        breasts, thorax = Breast.draw_pair(spec.seed), Thorax.draw(spec.seed)
        lesion = place_lesion(spec.lesion, spec.seed, breasts, thorax) if spec.lesion is not None else None
        return cls(seed=spec.seed, breasts=breasts, thorax=thorax, lesion=lesion)

    @property
    def tissues(self) -> dict[Tissue, Properties]:
        """Properties of the tissues of this patient."""
        return properties(LESION_KINETICS[self.lesion.kinetics if self.lesion else "washout"])

    def background(self, grid: Grid) -> Iterator[Layer]:
        """All but the lesion, from the bottom up."""
        depth, steepness = self._depth_under_skin(grid)
        whole: Box = (slice(None), slice(None), slice(None))
        body = _soft_step(depth, steepness)
        under_skin = _soft_step(depth - SKIN_MM, steepness)
        yield Layer(tissue=Tissue.SKIN, share=body, box=whole)
        yield Layer(tissue=Tissue.FAT, share=under_skin, box=whole)
        yield from self._fibroglandular(grid, depth)
        yield from self._trunk(grid, under_skin)
        tubes = chest_wall_vessels(self.seed)
        for breast in self.breasts:
            tubes += breast_vessels(breast, self.seed)
        if self.lesion is not None:
            tubes.append(feeding_vessel(self.lesion.breast, self.lesion.centre_mm, self.seed))
        yield Layer(tissue=Tissue.BLOOD, share=occupancy(tubes, grid) * under_skin, box=whole)

    def lesion_layer(self, grid: Grid) -> Layer | None:
        """The lesion, if there is one: the last layer."""
        if self.lesion is None:
            return None
        box = grid.box_around(self.lesion.centre_mm, self.lesion.reach_mm)
        share, core = self.lesion.fractions(grid.part(box))
        return Layer(tissue=Tissue.LESION, share=share, box=box, other=Tissue.LESION_CORE, mix=core)

    def _depth_under_skin(self, grid: Grid) -> tuple[Array, Array]:
        """Depth under the skin's surface, mm, and by how much it changes across a voxel, mm; [S, R, C]."""
        x, y, z = grid.xyz
        surface = self.thorax.outline.distance(x, y)
        for breast in self.breasts:
            surface = _blend(surface, (breast.level(x, y, z) - 1) * breast.half_width_mm, BLEND_MM)
            nipple = Ellipsoid(centre_mm=tuple(breast.nipple_mm), semi_axes_mm=(NIPPLE_MM,) * 3)
            surface = _blend(surface, nipple.distance(x, y, z), 6.0)
        surface = surface + 1.5 * SmoothField.draw(stream(self.seed, "outline"), 45).on(grid)
        slopes = [
            np.gradient(surface, axis=axis) if grid.shape[axis] > 1 else np.zeros_like(surface) for axis in range(3)
        ]
        # The blended level is not quite a distance: dividing by its slope makes it one near the surface.
        slope_per_mm = np.sqrt(sum((s / h) ** 2 for s, h in zip(slopes, grid.spacing_mm, strict=True)))
        slope_per_mm = np.maximum(slope_per_mm, 0.3).astype(np.float32)
        steepness = sum(np.abs(s) for s in slopes) / slope_per_mm
        return (-surface / slope_per_mm).astype(np.float32), np.maximum(steepness, 0.1).astype(np.float32)

    def _fibroglandular(self, grid: Grid, depth: Array) -> Iterator[Layer]:
        """The fibroglandular tissue of both breasts, part of which enhances in the background."""
        for breast in self.breasts:
            reach = (breast.half_width_mm + 15, breast.length_mm / 2 + 5, breast.half_height_mm + 15)
            box = grid.box_around(breast.place(lateral=0, height=0, depth=0.5), reach)
            part = grid.part(box)
            if 0 in part.shape:
                continue
            x, y, _ = part.xyz
            room = np.clip((depth[box] - SUBCUTANEOUS_MM) / 4, 0, 1)
            behind = self.thorax.cage.distance(x, y) - self.thorax.muscle_thickness(x)
            room = room * np.clip((behind - 4) / 6, 0, 1)
            enhancing = np.clip(0.5 + 0.5 * (breast.supply.on(part) + breast.enhancement - 0.6), 0, 1)
            yield Layer(
                tissue=Tissue.GLAND,
                share=(breast.gland_share(part) * room).astype(np.float32),
                box=box,
                other=Tissue.GLAND_ENHANCING,
                mix=enhancing.astype(np.float32),
            )

    def _trunk(self, grid: Grid, under_skin: Array) -> Iterator[Layer]:
        """Muscle, ribs, lungs, heart, liver, great vessels and spine."""
        x, y, z = grid.xyz
        whole: Box = (slice(None), slice(None), slice(None))
        width = float(np.mean(grid.spacing_mm))
        cage = self.thorax.cage.distance(x, y)
        wall = _soft_step(self.thorax.muscle_thickness(x) - cage, width)
        yield Layer(tissue=Tissue.MUSCLE, share=wall * under_skin, box=whole)
        ribs = np.clip(self.thorax.is_rib(x, y, z) * 3, 0, 1) * _soft_step(-1.5 - cage, width)
        yield Layer(tissue=Tissue.BONE, share=ribs, box=whole)
        inside = _soft_step(-cage - LUNG_DEPTH_MM, width)
        yield Layer(tissue=Tissue.LUNG, share=inside, box=whole)
        thorax = self.thorax
        wobble = 3 * SmoothField.draw(stream(self.seed, "organs"), 22).on(grid)
        for tissue, organ in (
            (Tissue.LIVER, thorax.liver),
            (Tissue.MUSCLE, thorax.stomach),
            (Tissue.HEART, thorax.heart),
            (Tissue.BLOOD, thorax.right_cavity),
            (Tissue.HEART, thorax.ventricle),
            (Tissue.BLOOD, thorax.left_cavity),
            (Tissue.BONE, thorax.spine),
            (Tissue.BLOOD, thorax.aorta),
        ):
            distance = organ.distance(x, y) if isinstance(organ, Column) else organ.distance(x, y, z)
            yield Layer(tissue=tissue, share=_soft_step(wobble - distance, width) * inside, box=whole)


def coil_sensitivity(anatomy_seed: int, grid: Grid, strength: float) -> Array:
    """Relative sensitivity of the breast coil in each voxel, 1 in the middle of the breasts, [S, R, C].

    It falls by half about every 100 mm behind the breasts, as in our real study, and varies by some per cent.
    """
    _, y, _ = grid.xyz
    ripple = SmoothField.draw(stream(anatomy_seed, "coil"), 90, waves=24).on(grid)
    exponent = -np.logaddexp(0, (y + 60) / 25) * 25 / 140 + 0.10 * np.clip(ripple, -2, 2)
    return np.exp(np.float32(strength) * exponent).astype(np.float32)


def _soft_step(depth: Array, width: Array | float) -> Array:
    """The share of a voxel that lies inside a surface `depth` deep: the edge of a partial volume."""
    return np.clip(0.5 + depth / width, 0, 1)


def _blend(a: Array, b: Array, radius_mm: float) -> Array:
    """The union of two signed distances with a fold rounded to about the radius (polynomial smooth minimum)."""
    overlap = np.maximum(radius_mm - np.abs(a - b), 0) / radius_mm
    return np.minimum(a, b) - overlap * overlap * radius_mm / 4
