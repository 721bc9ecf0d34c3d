"""Grids and a lesion that the tests of the phantom share."""

from __future__ import annotations

from phantom import GridSpec, LesionSpec

SMALL = GridSpec().coarser(3)  # 16 slices of 75 x 75
TINY = GridSpec().coarser(6)  # 8 slices of 37 x 37
LESION = LesionSpec(side="right", quadrant="upper-outer", diameter_mm=28, margin="irregular", kinetics="washout")
