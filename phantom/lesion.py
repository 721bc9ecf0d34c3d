"""The lesion: what the spec leaves open is drawn, it is placed inside a breast, and given its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from phantom.breast import Breast
from phantom.errors import PhantomError, require
from phantom.grid import Grid
from phantom.randomness import SmoothField, stream
from phantom.spec import Kinetics, LesionSpec, Margin, Quadrant, Side
from phantom.thorax import Thorax
from phantom.vessels import Tube, occupancy

OVERSAMPLING = 3
# About half of all breast cancers arise in the upper outer quadrant; the order is that of `Quadrant`.
QUADRANT_SHARES = (0.5, 0.15, 0.12, 0.08, 0.15)
# How much the radius varies over the surface, and over which arc it does so, both as shares of the radius.
ROUGHNESS: dict[Margin, tuple[float, float]] = {
    "smooth": (0.03, 0.9),
    "irregular": (0.16, 0.45),
    "spiculated": (0.12, 0.4),
}
LIMIT = 2.5  # the surface varies by no more than this many standard deviations
SPICULES = 26
CLEARANCE_MM = 5.0  # to the skin and to the muscle
ATTEMPTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A lesion in its place.

    Attributes:
        breast: The breast that it lies in.
        centre_mm: Middle of its body, LPS.
        semi_axes_mm: Of the ellipsoid that its body varies about; the longest is half its diameter.
        margin: BI-RADS margin.
        kinetics: BI-RADS curve.
        surface: Varies the radius; evaluated on the unit sphere.
        texture: Varies the supply inside it.
        spicules: Thin strands that radiate from the body.
    """

    breast: Breast
    centre_mm: NDArray[np.float64]
    semi_axes_mm: NDArray[np.float64]
    margin: Margin
    kinetics: Kinetics
    surface: SmoothField
    texture: SmoothField
    spicules: tuple[Tube, ...]

    @property
    def reach_mm(self) -> float:
        """No part of it is further than this from its centre."""
        return float(self.semi_axes_mm.max()) * (1.9 if self.spicules else 1.6)

    def fractions(self, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The share of each voxel of `grid` that it fills, and how much that is core rather than rim, [S, R, C].

        Evaluated on a finer grid and averaged, since its surface turns within a voxel.
        """
        fine = grid.part(tuple(slice(0, length) for length in grid.shape), OVERSAMPLING)  # type: ignore[arg-type]
        offset = np.stack(np.broadcast_arrays(*fine.xyz), axis=-1) - self.centre_mm.astype(np.float32)
        distance = np.linalg.norm(offset, axis=-1)
        direction = offset / np.maximum(distance, 1e-6)[..., None]
        radius = 1 / np.linalg.norm(direction / self.semi_axes_mm.astype(np.float32), axis=-1)
        # The surface is only worked out where a voxel might lie on either side of it.
        amplitude = ROUGHNESS[self.margin][0]
        near = np.abs(distance / radius - 1) <= amplitude * LIMIT
        radius[near] *= 1 + amplitude * np.clip(self.surface.at(direction[near]), -LIMIT, LIMIT)
        inside = distance < radius
        depth = 1 - distance / radius
        core = np.clip((depth - 0.45 + 0.12 * self.texture.on(fine)) / 0.25, 0, 1) * inside
        body, core = _block_mean(inside), _block_mean(core)
        filled = np.maximum(body, occupancy(self.spicules, grid))
        return filled, np.divide(core, body, out=np.zeros_like(core), where=body > 0)


def place_lesion(spec: LesionSpec, seed: int, breasts: tuple[Breast, Breast], thorax: Thorax) -> Lesion:
    """Draw what the spec leaves open, and place the lesion inside a breast.

    Raises:
        PhantomError: The place that is asked for lies outside the breast, or has no room for the lesion.
    """
    rng = stream(seed, "lesion")
    # Everything is drawn, used or not, so that asking for one thing leaves the others as they were.
    drawn = {
        "side": get_args(Side)[rng.integers(2)],
        "quadrant": get_args(Quadrant)[rng.choice(5, p=QUADRANT_SHARES)],
        "margin": get_args(Margin)[rng.choice(3, p=(0.2, 0.45, 0.35))],
        "kinetics": get_args(Kinetics)[rng.choice(3, p=(0.6, 0.3, 0.1))],
        "diameter_mm": float(rng.uniform(12, 35)),
    }
    chosen = {name: getattr(spec, name) or value for name, value in drawn.items()}
    proportions = np.append(rng.uniform(0.72, 1.0, 2), 1.0)
    radius = chosen["diameter_mm"] / 2
    if spec.centre_lps_mm is not None:
        breast, centre = _given_place(spec, breasts, thorax)
    else:
        breast = breasts[0] if chosen["side"] == "left" else breasts[1]
        centre = _free_place(stream(seed, "lesion place"), breast, chosen["quadrant"], radius, thorax)
    margin = chosen["margin"]
    semi_axes = radius * rng.permutation(proportions)
    return Lesion(
        breast=breast,
        centre_mm=centre,
        semi_axes_mm=semi_axes,
        margin=margin,
        kinetics=chosen["kinetics"],
        surface=SmoothField.draw(stream(seed, "lesion surface"), ROUGHNESS[margin][1]),
        texture=SmoothField.draw(stream(seed, "lesion texture"), max(2.0, radius / 3)),
        spicules=_spicules(stream(seed, "spicules"), centre, semi_axes) if margin == "spiculated" else (),
    )


def _given_place(
    spec: LesionSpec, breasts: tuple[Breast, Breast], thorax: Thorax
) -> tuple[Breast, NDArray[np.float64]]:
    """The breast that holds the centre that was asked for, and that centre."""
    centre = np.asarray(spec.centre_lps_mm, dtype=float)
    for breast in breasts:
        in_breast = breast.level(*centre) < 1 and thorax.cage.distance(*centre[:2]) > 0
        if in_breast and spec.side in (None, breast.side):
            return breast, centre
    where = f"the {spec.side} breast" if spec.side else "a breast"
    nipples = " and ".join(f"{b.side} {tuple(np.round(b.nipple_mm).astype(int).tolist())}" for b in breasts)
    raise PhantomError(
        f"centre_lps_mm {spec.centre_lps_mm} does not lie in {where}; this patient's nipples are at {nipples}"
    )


def _free_place(
    rng: np.random.Generator, breast: Breast, quadrant: Quadrant, radius_mm: float, thorax: Thorax
) -> NDArray[np.float64]:
    """A centre in the quadrant from where the lesion touches neither skin nor muscle."""
    for _ in range(ATTEMPTS):
        depth, reach, angle = rng.uniform(0.25, 0.85), rng.uniform(0.3, 0.8), rng.uniform(0.15, np.pi / 2 - 0.15)
        outward = -1 if quadrant.endswith("inner") else 1
        upward = -1 if quadrant.startswith("lower") else 1
        if quadrant == "central":
            depth, reach, angle = rng.uniform(0.6, 0.85), rng.uniform(0, 0.25), rng.uniform(0, 2 * np.pi)
        off_axis = reach * breast.girth(depth)
        centre = breast.place(
            lateral=outward * off_axis * np.cos(angle), height=upward * off_axis * np.sin(angle), depth=depth
        )
        to_skin = (1 - float(breast.level(*centre))) * breast.half_width_mm
        to_muscle = float(thorax.cage.distance(*centre[:2]) - thorax.muscle_thickness(centre[0]))
        if min(to_skin, to_muscle) > radius_mm + CLEARANCE_MM:
            return centre
    room = f"the {quadrant} quadrant of this patient's {breast.side} breast"
    raise PhantomError(
        f"a lesion with a diameter of {2 * radius_mm:g} mm does not fit into {room}:"
        " ask for a smaller one, for `central`, or for another seed"
    )


def _spicules(
    rng: np.random.Generator, centre_mm: NDArray[np.float64], semi_axes_mm: NDArray[np.float64]
) -> tuple[Tube, ...]:
    """Strands that taper outwards from inside the body to at most 1.7 times its radius."""
    directions = rng.standard_normal((SPICULES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    share = np.linspace(0, 1, 40)[:, None]
    tubes = []
    for direction in directions:
        length = rng.uniform(1.25, 1.7)
        bend = np.cross(direction, rng.standard_normal(3)) * 0.08
        outwards = 0.7 + share * (length - 0.7)
        path = centre_mm + (outwards * direction + share * bend) * semi_axes_mm
        radius = np.linspace(1.8, 0.4, len(path)) * min(1.0, float(semi_axes_mm.max()) / 10)
        tubes.append(Tube(path_mm=path, radius_mm=radius))
    return tuple(tubes)


def _block_mean(fine: NDArray[Any]) -> NDArray[np.float32]:
    """Average over the sub-voxels of each voxel."""
    n = OVERSAMPLING
    shape = [size for length in fine.shape for size in (length // n, n)]
    return fine.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def check_in_view(lesion: Lesion, grid: Grid) -> None:
    """Refuse a grid that does not hold the whole lesion."""
    radius = float(lesion.semi_axes_mm.max())
    middle = grid.indices_of(np.atleast_2d(lesion.centre_mm))[0]
    reach = radius / grid.spacing_mm
    first, last = grid.geometry.map_indices_to_reference(np.array([(0, 0, 0), grid.shape]) - [[0], [1]])
    require(
        bool(np.all(middle - reach >= 0) and np.all(middle + reach <= np.array(grid.shape) - 1)),
        f"the lesion at {tuple(np.round(lesion.centre_mm, 1).tolist())} mm (diameter {2 * radius:.0f} mm) is not whole"
        f" inside the grid, which spans {np.round(first).tolist()} to {np.round(last).tolist()} mm",
    )
