"""Tubes thinner than a voxel: the blood vessels of the breast and the chest wall, and a lesion's spicules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phantom.breast import Breast
from phantom.grid import Grid
from phantom.randomness import stream

STEP_MM = 0.5
SPOKES = 24  # points in a cross-section; with steps of 0.5 mm a tube of 1.5 mm has 100 a voxel and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """A bent tube: points along its middle [N, 3] in LPS mm, and the radius at each [N] in mm."""

    path_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]


def occupancy(tubes: Iterable[Tube], grid: Grid) -> NDArray[np.float32]:
    """The share of each voxel that the tubes fill, [S, R, C].

    Points spread evenly through the tubes each carry the volume around them to the voxel that they fall in: right on
    average whatever the voxel's size, where a distance to the middle line would make thin tubes fade or beat.
    """
    filled = np.zeros(int(np.prod(grid.shape)), dtype=np.float64)
    for tube in tubes:
        points, volumes = _spread(tube)
        index = np.rint(grid.indices_of(points)).astype(np.int64)
        inside = np.all((index >= 0) & (index < grid.shape), axis=1)
        flat = np.ravel_multi_index(tuple(index[inside].T), grid.shape)
        filled += np.bincount(flat, weights=volumes[inside], minlength=filled.size)
    filled /= np.prod(grid.spacing_mm)
    return np.minimum(filled, 1).astype(np.float32).reshape(grid.shape)


def breast_vessels(breast: Breast, seed: int) -> list[Tube]:
    """Vessels that run under the skin from the chest wall towards the nipple, each with a branch."""
    rng = stream(seed, f"vessels {breast.side}")
    count = int(rng.integers(5, 8))
    tubes = []
    for angle in (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * 2 * np.pi / count:
        wander, rho, radius = rng.uniform(-0.9, 0.9), rng.uniform(0.55, 0.88), rng.uniform(0.6, 1.1)
        start, fork, end = rng.uniform(0.08, 0.2), rng.uniform(0.3, 0.5), rng.uniform(0.6, 0.92)
        tubes.append(_under_the_skin(breast, rng, angle, wander, (start, end), rho, radius))
        at_fork = angle + wander * (fork - start) / (end - start)
        aside = rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
        tubes.append(_under_the_skin(breast, rng, at_fork, aside, (fork, rng.uniform(0.65, 0.95)), rho, 0.7 * radius))
    return tubes


def feeding_vessel(breast: Breast, target_mm: NDArray[np.float64], seed: int) -> Tube:
    """The vessel that a cancer draws to itself, from the chest wall to the lesion at `target_mm`."""
    rng = stream(seed, "feeding vessel")
    lateral, height, depth = (float(value) for value in breast.coordinates(*target_mm))
    start = breast.place(lateral=lateral + rng.uniform(-0.3, 0.3), height=height + rng.uniform(-0.3, 0.3), depth=0.1)
    share = np.linspace(0, 1, 200)[:, None]
    bend = np.sin(np.pi * share) * rng.normal(0, 11, 3) + np.sin(2.5 * np.pi * share) * rng.normal(0, 4, 3)
    path = start + share * (target_mm - start) + bend * (1 - share)
    return Tube(path_mm=path, radius_mm=np.full(len(path), min(1.2, 0.9 + 0.1 * depth)))


def chest_wall_vessels(seed: int) -> list[Tube]:
    """The internal mammary vessels beside the sternum and the axillary ones, LPS."""
    rng = stream(seed, "chest wall vessels")
    z = np.linspace(-200, 120, 600)
    tubes = []
    for sign in (-1, 1):
        for offset, radius in ((22, 1.5), (27, 1.1)):  # artery and vein run side by side
            sway = 1.5 * np.sin(z / 23 + rng.uniform(0, 6))
            path = np.stack([sign * (offset + sway), np.full_like(z, 46.0) + 0.5 * sway, z], axis=1)
            tubes.append(Tube(path_mm=path, radius_mm=np.full_like(z, radius)))
        share = np.linspace(0, 1, 300)
        for lift, radius in ((0, 3.0), (8, 2.2)):
            path = np.stack(
                [sign * (100 + 55 * share), 62 + 45 * share + 4 * np.sin(6 * share + lift), 30 + lift - 70 * share**2],
                axis=1,
            )
            tubes.append(Tube(path_mm=path, radius_mm=radius * (1 - 0.6 * share)))
    return tubes


def _under_the_skin(
    breast: Breast,
    rng: np.random.Generator,
    angle: float,
    wander: float,
    depths: tuple[float, float],
    rho: float,
    radius_mm: float,
) -> Tube:
    """A tapering vessel at a share `rho` of the breast's girth, from one depth to another."""
    share = np.linspace(0, 1, 240)
    depth = depths[0] + share * (depths[1] - depths[0])
    # Vessels wind; the bends start from nothing, so that a branch leaves from its stem.
    bends = 0.16 * np.sin(share * rng.uniform(5, 9)) + 0.03 * np.sin(share * rng.uniform(12, 20))
    around = angle + share * wander + bends
    reach = rho * breast.girth(depth) * (1 + 0.04 * np.sin(share * rng.uniform(8, 14)))
    path = breast.place(lateral=reach * np.cos(around), height=reach * np.sin(around), depth=depth)
    return Tube(path_mm=path, radius_mm=radius_mm * (1 - 0.5 * share))


def _spread(tube: Tube) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points through the tube [M, 3] and the volume that each stands for [M], mm3."""
    lengths = np.r_[0, np.cumsum(np.linalg.norm(np.diff(tube.path_mm, axis=0), axis=1))]
    along = np.arange(0, lengths[-1], STEP_MM) + STEP_MM / 2
    middle = np.stack([np.interp(along, lengths, tube.path_mm[:, axis]) for axis in range(3)], axis=1)
    radius = np.interp(along, lengths, tube.radius_mm)
    tangent = np.gradient(middle, axis=0) if len(middle) > 1 else np.array([[0.0, 0.0, 1.0]])
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    # Any vector that is never parallel to the tangent will do to span the cross-section.
    helper = np.where(np.abs(tangent[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    across = np.cross(tangent, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(tangent, across)
    # A sunflower spiral fills a disc evenly: radius ~ sqrt(k), steps of the golden angle.
    k = np.arange(SPOKES)
    reach, turn = np.sqrt((k + 0.5) / SPOKES), k * np.pi * (3 - np.sqrt(5))
    disc = (
        across[:, None] * (reach * np.cos(turn))[None, :, None] + other[:, None] * (reach * np.sin(turn))[None, :, None]
    )
    points = middle[:, None] + radius[:, None, None] * disc
    volumes = np.repeat(np.pi * radius**2 * STEP_MM / SPOKES, SPOKES)
    return points.reshape(-1, 3), volumes
