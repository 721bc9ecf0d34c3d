"""Margins differ in shape, and thin tubes fill the volume that they have."""

from __future__ import annotations

import numpy as np
import pytest

from phantom import GridSpec, LesionSpec, PhantomSpec
from phantom.anatomy import Anatomy
from phantom.grid import Grid
from phantom.vessels import Tube, occupancy


def _surface_per_volume(margin: str) -> float:
    """Area of the lesion's surface over that of a ball of the same volume."""
    spec = PhantomSpec(seed=5, lesion=LesionSpec(diameter_mm=16, margin=margin))  # type: ignore[arg-type]
    lesion = Anatomy.from_spec(spec).lesion
    assert lesion is not None
    grid = Grid.from_spec(
        GridSpec(
            slices=38,
            rows=38,
            columns=38,
            pixel_spacing_mm=(1, 1),
            slice_spacing_mm=1,
            centre_lps_mm=tuple(lesion.centre_mm),
        )
    )
    share, _ = lesion.fractions(grid)
    area = np.linalg.norm(np.gradient(share), axis=0).sum()
    return float(area / (np.pi ** (1 / 3) * (6 * share.sum()) ** (2 / 3)))


def test_margins_grow_rougher_from_smooth_to_spiculated() -> None:
    smooth, irregular, spiculated = map(_surface_per_volume, ("smooth", "irregular", "spiculated"))
    assert smooth < 1.1
    assert smooth < irregular < spiculated


@pytest.mark.parametrize("spacing", [1.0, 3.0])
def test_a_thin_tube_fills_its_own_volume_on_any_grid(spacing: float) -> None:
    grid = Grid.from_spec(
        GridSpec(slices=20, rows=40, columns=40, pixel_spacing_mm=(spacing, spacing), slice_spacing_mm=spacing)
    )
    start, end = np.array([-5.0, 5.0, -40.0]), np.array([9.0, 15.0, -37.0])
    tube = Tube(path_mm=np.stack([start, end]), radius_mm=np.full(2, 0.8))
    volume = occupancy([tube], grid).sum() * spacing**3
    assert volume == pytest.approx(np.pi * 0.8**2 * np.linalg.norm(end - start), rel=0.06)
