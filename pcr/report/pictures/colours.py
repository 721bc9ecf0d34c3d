"""How signal and attention become colours that everyone can tell apart, also the colour-blind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rgb = tuple[int, int, int]
WHITE: Rgb = (240, 240, 240)
GREY: Rgb = (165, 170, 178)
DARK: Rgb = (78, 82, 90)
BLACK: Rgb = (0, 0, 0)
PAGE: Rgb = (18, 19, 22)
WINDOW: Rgb = (190, 195, 205)
AMBER: Rgb = (255, 196, 87)
BLUE: Rgb = (110, 190, 240)

# Anchors of matplotlib's "inferno" (CC0) from a quarter of its length on: its lightness rises evenly, also for the
# colour-blind, and it starts at a purple that tints instead of darkening.
_HEAT: tuple[Rgb, ...] = ((87, 16, 110), (138, 34, 106), (188, 55, 84), (228, 89, 50), (249, 140, 10), (249, 201, 50))
_HEAT_OPACITY = 0.6


def grey(image: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.uint8]:
    """An image [rows, columns] as RGB grey levels, uint8 [rows, columns, 3]."""
    level = image.astype(np.float32)
    level -= low
    level *= 255 / max(high - low, 1e-9)
    np.clip(level, 0, 255, out=level)
    return np.repeat(level.astype(np.uint8)[..., None], 3, axis=2)


def tint(rgb: npt.NDArray[np.uint8], heat: npt.NDArray[np.float64]) -> None:
    """Lay heat from 0 to 1 [rows, columns] over RGB levels, in place: transparent at 0, less so the hotter it is."""
    warm = [np.flatnonzero(heat.any(axis=axis)) for axis in (1, 0)]
    if not warm[0].size:
        return
    near = tuple(slice(int(at[0]), int(at[-1]) + 1) for at in warm)
    shares, cell_of_pixel = np.unique(heat[near], return_inverse=True)
    places = np.linspace(0, 1, len(_HEAT))
    colour = np.stack([np.interp(shares, places, channel) for channel in zip(*_HEAT, strict=True)], axis=-1)
    opacity = _HEAT_OPACITY * np.sqrt(shares)[:, None]
    cells = cell_of_pixel.reshape(heat[near].shape)
    rgb[near] = np.rint(rgb[near] * (1 - opacity)[cells] + (colour * opacity)[cells]).astype(np.uint8)
