"""Random numbers by seed and purpose, and smooth random fields that are defined everywhere in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from phantom.grid import Grid


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator for one purpose, independent of how much the others draw."""
    return np.random.default_rng([seed, crc32(purpose.encode())])


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothField:
    """A Gaussian random field of zero mean and unit variance, as a sum of plane waves.

    A sum of waves needs no lattice, so one patient looks the same on every grid.

    Attributes:
        waves: Wave vectors in LPS, radians per mm, [K, 3].
        phases: Radians, [K].
    """

    waves: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def draw(
        cls, rng: np.random.Generator, correlation_mm: float | tuple[float, float, float], waves: int = 48
    ) -> Self:
        """Draw a field whose covariance falls as a Gaussian with these lengths along x, y, z."""
        lengths = np.broadcast_to(np.asarray(correlation_mm, dtype=float), 3)
        return cls(waves=rng.standard_normal((waves, 3)) / lengths, phases=rng.uniform(0, 2 * np.pi, waves))

    def on(self, grid: Grid) -> NDArray[np.float32]:
        """The field at the centres of the voxels, [S, R, C].

        cos(k.x + phase) factors along the grid's axes, which makes the sum one matrix product.
        """
        affine = grid.geometry.affine
        factors = [
            np.exp(1j * np.outer(np.arange(length), self.waves @ affine[:3, axis]))
            for axis, length in enumerate(grid.shape)
        ]
        start = np.exp(1j * (self.phases + self.waves @ affine[:3, 3]))
        planes = factors[0][:, None, :] * factors[1][None, :, :] * start
        planes = planes.reshape(-1, len(self.phases))
        left = np.hstack([planes.real, -planes.imag]).astype(np.float32)
        right = np.hstack([factors[2].real, factors[2].imag]).astype(np.float32)
        return (left @ right.T).reshape(grid.shape) * np.float32(np.sqrt(2 / len(self.phases)))

    def at(self, points_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """The field at points [..., 3]."""
        return np.sqrt(2 / len(self.phases)) * np.cos(points_mm @ self.waves.T + self.phases).sum(axis=-1)
