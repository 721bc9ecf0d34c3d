"""One breast: its outline, its fibroglandular tissue, and the coordinates that follow its shape.

A breast hangs from the chest wall towards the nipple. Its own coordinates are `depth`, 0 at the chest and 1 at the
nipple, and (`lateral`, `height`), the offset from its axis as a share of the half widths at the chest; `lateral`
grows away from the midline, `height` towards the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phantom.grid import Grid
from phantom.randomness import SmoothField, stream
from phantom.spec import Side

Array = NDArray[np.floating]

OUTLINE_POWER = 2.4  # 2 would be an ellipsoid, infinity a box


@dataclass(frozen=True, slots=True, kw_only=True)
class Breast:
    """Shape and make-up of a breast; lengths in mm, positions in LPS.

    Attributes:
        side: Left breasts lie at positive x.
        base_mm: The middle of the breast on the chest wall.
        half_width_mm: Half its width at the chest.
        half_height_mm: Half its extent from foot to head at the chest.
        length_mm: From the base to the nipple, along y.
        tilt_mm: How far the nipple lies lateral of, and above, the base.
        density: Shifts the share of fibroglandular tissue; 0 is scattered, 0.5 extreme.
        enhancement: Shifts the share of that tissue that enhances; 0 is mild, 1 marked.
        lobes: Where the fibroglandular tissue thickens, drawn out towards the nipple.
        fibres: Its finer texture.
        septa: Thin sheets of it run through the fat where this field is near zero.
        supply: Where it enhances.
    """

    side: Side
    base_mm: tuple[float, float, float]
    half_width_mm: float
    half_height_mm: float
    length_mm: float
    tilt_mm: tuple[float, float]
    density: float
    enhancement: float
    lobes: SmoothField
    fibres: SmoothField
    septa: SmoothField
    supply: SmoothField

    @classmethod
    def draw_pair(cls, seed: int) -> tuple[Self, Self]:
        """The left and the right breast of one patient: alike, not mirror images."""
        rng = stream(seed, "breasts")
        width, height = rng.uniform(60, 70), rng.uniform(68, 82)
        length, density, enhancement = rng.uniform(125, 178), rng.uniform(-0.35, 0.35), rng.uniform(-0.6, 0.8)
        breasts = []
        for side in ("left", "right"):
            sign = 1 if side == "left" else -1
            breasts.append(
                cls(
                    side=side,
                    base_mm=(sign * (width + rng.uniform(17, 22)), 45.0, -40 + rng.uniform(-4, 4)),
                    half_width_mm=width * rng.uniform(0.97, 1.03),
                    half_height_mm=height * rng.uniform(0.97, 1.03),
                    length_mm=length * rng.uniform(0.96, 1.04),
                    tilt_mm=(rng.uniform(-4, 10), rng.uniform(-12, 2)),
                    density=density + rng.uniform(-0.08, 0.08),
                    enhancement=enhancement + rng.uniform(-0.1, 0.1),
                    lobes=SmoothField.draw(rng, (10, 22, 10)),
                    fibres=SmoothField.draw(rng, (2.5, 7, 2.5), waves=64),
                    septa=SmoothField.draw(rng, (8, 20, 9)),
                    supply=SmoothField.draw(rng, 12),
                )
            )
        return breasts[0], breasts[1]

    @property
    def sign(self) -> int:
        """Sign of x on this side."""
        return 1 if self.side == "left" else -1

    @property
    def nipple_mm(self) -> NDArray[np.float64]:
        """The tip of the breast, LPS."""
        return self.place(lateral=0.0, height=0.0, depth=1.0)

    def place(self, *, lateral: Array | float, height: Array | float, depth: Array | float) -> NDArray[np.float64]:
        """LPS points [..., 3] of the breast's own coordinates."""
        x0, y0, z0 = self.base_mm
        return np.stack(
            np.broadcast_arrays(
                x0 + self.sign * (np.multiply(depth, self.tilt_mm[0]) + np.multiply(lateral, self.half_width_mm)),
                y0 - np.multiply(depth, self.length_mm),
                z0 + np.multiply(depth, self.tilt_mm[1]) + np.multiply(height, self.half_height_mm),
            ),
            axis=-1,
        )

    def coordinates(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """The breast's own coordinates (lateral, height, depth) of LPS points."""
        x0, y0, z0 = self.base_mm
        depth = (y0 - y) / self.length_mm
        lateral = (self.sign * (x - x0) - depth * self.tilt_mm[0]) / self.half_width_mm
        height = (z - z0 - depth * self.tilt_mm[1]) / self.half_height_mm
        return lateral, height, depth

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """A level that is 0 at the axis' base and 1 on the outline, and grows about linearly between."""
        lateral, height, depth = self.coordinates(x, y, z)
        around = (lateral**2 + height**2) ** (OUTLINE_POWER / 2)
        return (around + np.abs(depth) ** OUTLINE_POWER) ** (1 / OUTLINE_POWER)

    def girth(self, depth: Array | float) -> Array:
        """How wide the breast is at a depth, as a share of its width at the chest."""
        return (1 - np.clip(depth, 0, 1) ** OUTLINE_POWER) ** (1 / OUTLINE_POWER)

    def gland_share(self, grid: Grid) -> NDArray[np.float32]:
        """How much of each voxel is fibroglandular tissue, were there no skin and no muscle, [S, R, C].

        The tissue fills a cone behind the nipple and reaches furthest into the upper outer quadrant; its lobes thin
        out into septa.
        """
        lateral, height, depth = self.coordinates(*grid.xyz)
        spread = ((lateral - 0.08) ** 2 + (height - 0.06) ** 2) / 0.62**2
        along = ((depth - 0.62) / 0.40) ** 2
        centrality = 0.30 + self.density - spread - along
        lobes = 0.5 + (centrality + 0.45 * self.lobes.on(grid) + 0.50 * self.fibres.on(grid)) / 0.8
        septa = 0.75 * (1 - np.abs(self.septa.on(grid)) / 0.16) * np.clip(0.8 + centrality / 2, 0, 1)
        return np.clip(np.maximum(lobes, septa), 0, 1).astype(np.float32)
