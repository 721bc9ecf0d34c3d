"""The trunk behind the breasts: outline, chest wall, lungs, heart, liver, great vessels. All positions LPS, mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phantom.randomness import stream

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipsoid:
    """An ellipsoid with axes along the patient's."""

    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance to its surface, mm, negative inside; exact on the surface, near enough beside it."""
        offsets = [(p - c) / a for p, c, a in zip((x, y, z), self.centre_mm, self.semi_axes_mm, strict=True)]
        radius = np.sqrt(sum(offset**2 for offset in offsets))
        steepness = np.sqrt(sum((o / a) ** 2 for o, a in zip(offsets, self.semi_axes_mm, strict=True)))
        return radius * (radius - 1) / np.maximum(steepness, 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A body of constant superelliptic cross-section along z."""

    centre_mm: tuple[float, float]
    semi_axes_mm: tuple[float, float]
    power: float

    def distance(self, x: Array, y: Array) -> Array:
        """Signed distance to its surface, mm, negative inside; exact on the surface, near enough beside it."""
        u, v = (np.abs(p - c) / a for p, c, a in zip((x, y), self.centre_mm, self.semi_axes_mm, strict=True))
        level = (u**self.power + v**self.power) ** (1 / self.power)
        steep = np.hypot(
            u ** (self.power - 1) / self.semi_axes_mm[0], v ** (self.power - 1) / self.semi_axes_mm[1]
        ) / np.maximum(level, 1e-3) ** (self.power - 1)
        return (level - 1) / np.maximum(steep, 1e-4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thorax:
    """The trunk of one patient.

    Attributes:
        outline: The skin, breasts apart.
        cage: The outside of the ribs.
        heart: The whole heart.
        ventricle: The left ventricle with its wall.
        left_cavity: The blood in it.
        right_cavity: The blood in the right heart.
        liver: The dome of the liver.
        stomach: What lies under the left dome of the diaphragm.
        spine: The vertebral bodies.
        aorta: Its descending part.
        rib_phase: Where along z the ribs lie, radians.
    """

    outline: Column
    cage: Column
    heart: Ellipsoid
    ventricle: Ellipsoid
    left_cavity: Ellipsoid
    right_cavity: Ellipsoid
    liver: Ellipsoid
    stomach: Ellipsoid
    spine: Column
    aorta: Column
    rib_phase: float

    @classmethod
    def draw(cls, seed: int) -> Self:
        """The trunk of the patient with this seed."""
        rng = stream(seed, "thorax")
        x, y, z = 16 + rng.uniform(-5, 5), 87 + rng.uniform(-3, 3), -42 + rng.uniform(-8, 8)
        size = rng.uniform(0.93, 1.05)
        diaphragm = -98 + rng.uniform(-12, 12)
        return cls(
            outline=Column(centre_mm=(0, 118), semi_axes_mm=(163, 101), power=2.5),
            cage=Column(centre_mm=(0, 122), semi_axes_mm=(134 + rng.uniform(-3, 3), 83), power=2.3),
            heart=Ellipsoid(centre_mm=(x, y, z), semi_axes_mm=(53 * size, 37 * size, 62 * size)),
            ventricle=Ellipsoid(centre_mm=(x + 21, y + 7, z - 8), semi_axes_mm=(29 * size, 27 * size, 46 * size)),
            left_cavity=Ellipsoid(centre_mm=(x + 21, y + 7, z - 4), semi_axes_mm=(18 * size, 16 * size, 38 * size)),
            right_cavity=Ellipsoid(centre_mm=(x - 17, y - 7, z + 2), semi_axes_mm=(31 * size, 25 * size, 52 * size)),
            liver=Ellipsoid(centre_mm=(-62, 112, diaphragm), semi_axes_mm=(68, 64, 62)),
            stomach=Ellipsoid(centre_mm=(72, 122, diaphragm - 12), semi_axes_mm=(56, 60, 58)),
            spine=Column(centre_mm=(0, 182), semi_axes_mm=(21, 18), power=2.2),
            aorta=Column(centre_mm=(16, 152), semi_axes_mm=(11, 11), power=2),
            rib_phase=rng.uniform(0, 2 * np.pi),
        )

    def muscle_thickness(self, x: Array) -> Array:
        """Thickness of the muscle on the ribs, mm: none on the sternum, most of it lateral of it."""
        lateral = np.clip((np.abs(x) - 14) / 50, 0, 1)
        return 1 + 11 * lateral * lateral * (3 - 2 * lateral)

    def is_rib(self, x: Array, y: Array, z: Array) -> Array:
        """A wave that is positive in ribs and negative between them: they slope down towards the front."""
        return np.cos(2 * np.pi * (z - 0.45 * y + 0.1 * np.abs(x)) / 32 + self.rib_phase) - 0.1
