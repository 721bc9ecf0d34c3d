"""The simulated voxels: geometry, truth, enhancement, noise, and what a seed decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom_samples import LESION, SMALL, TINY

from phantom import GridSpec, LesionSpec, Phantom, PhantomError, PhantomSpec, simulate
from phantom.grid import ORIENTATIONS, Grid


def test_truth_is_that_of_the_mask(phantom: Phantom) -> None:
    assert phantom.lesion is not None
    points = phantom.geometry.map_indices_to_reference(np.argwhere(phantom.lesion_mask))
    assert phantom.lesion.centroid_lps_mm == pytest.approx(points.mean(axis=0))
    assert phantom.lesion.volume_ml == pytest.approx(len(points) * np.prod(phantom.geometry.spacing) / 1000)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert phantom.lesion.longest_diameter_mm == pytest.approx(apart.max())


def test_lesion_lies_where_and_is_as_large_as_was_asked(phantom: Phantom) -> None:
    assert phantom.lesion is not None
    breast = phantom.anatomy.breasts[1]
    x, _, z = phantom.lesion.centroid_lps_mm
    assert x < breast.nipple_mm[0] < 0  # right, lateral of the nipple
    assert z > breast.nipple_mm[2]
    assert phantom.lesion.longest_diameter_mm == pytest.approx(28, abs=8)


def test_a_lesion_can_be_put_at_a_point() -> None:
    lesion = LesionSpec(centre_lps_mm=(80.0, -35.0, -35.0), diameter_mm=24, margin="smooth")
    phantom = simulate(PhantomSpec(seed=3, grid=SMALL, lesion=lesion))
    assert phantom.lesion is not None
    assert phantom.lesion.centroid_lps_mm == pytest.approx((80, -35, -35), abs=3)
    assert phantom.anatomy.lesion is not None and phantom.anatomy.lesion.breast.side == "left"


def test_no_lesion_has_none_and_changes_nothing_elsewhere(phantom: Phantom) -> None:
    without = simulate(replace(phantom.spec, lesion=None))
    assert without.lesion is None and not without.lesion_mask.any()
    assert np.array_equal(without.voxels[0, :2], phantom.voxels[0, :2])
    rise = without.voxels[1].astype(float) - without.voxels[0]
    assert rise[phantom.lesion_mask].mean() < 60 < (phantom.voxels[1] - rise)[phantom.lesion_mask].mean()


def test_washout_is_seen_in_the_voxels(phantom: Phantom) -> None:
    pre, early, *_, late = (phase[phantom.lesion_mask].mean() for phase in phantom.voxels.astype(float))
    assert early > 2 * pre
    assert late < 0.9 * early


def test_heart_enhances_most_outside_the_breast(phantom: Phantom) -> None:
    rise = phantom.voxels[1].astype(float) - phantom.voxels[0]
    x, y, z = Grid(phantom.geometry).xyz
    heart = phantom.anatomy.thorax.right_cavity.distance(x, y, z) < -10
    lung = np.broadcast_to((np.abs(x + 90) < 10) & (np.abs(y - 90) < 10) & (z > -20), rise.shape)
    assert rise[heart].mean() > 50
    assert rise[lung].mean() < 5


def test_air_has_the_mean_of_rician_noise(phantom: Phantom) -> None:
    air = phantom.voxels[:, :, :4, :4]
    assert air.mean() == pytest.approx(phantom.spec.noise_sd * np.sqrt(np.pi / 2), rel=0.05)


def test_voxels_keep_to_12_bits(phantom: Phantom) -> None:
    assert phantom.voxels.dtype == np.uint16
    assert phantom.voxels.max() < 4096


def test_the_same_seed_gives_the_same_voxels_and_another_does_not() -> None:
    spec = PhantomSpec(seed=11, grid=TINY, lesion=LESION)
    first, again, other = simulate(spec), simulate(spec), simulate(replace(spec, seed=12))
    assert np.array_equal(first.voxels, again.voxels)
    assert not np.array_equal(first.voxels, other.voxels)


def test_one_patient_has_one_lesion_on_every_grid() -> None:
    places = []
    for grid in (SMALL, GridSpec().coarser(2)):
        lesion = simulate(PhantomSpec(seed=7, grid=grid, lesion=LESION)).lesion
        assert lesion is not None
        places.append([*lesion.centroid_lps_mm, lesion.volume_ml])
    assert places[0][:3] == pytest.approx(places[1][:3], abs=2)
    assert places[0][3] == pytest.approx(places[1][3], rel=0.15)


def test_phases_before_the_injection_are_pre() -> None:
    spec = PhantomSpec(seed=1, grid=TINY, lesion=None, phase_times_s=(0.0, 60.0, 200.0), injection_s=120.0)
    assert [phase.role for phase in simulate(spec).phases] == ["pre", "pre", "post"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_shows_the_same_patient(orientation: str) -> None:
    grid = GridSpec(
        slices=40, rows=42, columns=42, pixel_spacing_mm=(7, 7), slice_spacing_mm=8, orientation=orientation
    )  # type: ignore[arg-type]
    phantom = simulate(PhantomSpec(seed=7, grid=grid, lesion=LESION))
    expected = simulate(PhantomSpec(seed=7, grid=SMALL, lesion=LESION)).lesion
    assert phantom.lesion is not None and expected is not None
    assert phantom.lesion.centroid_lps_mm == pytest.approx(expected.centroid_lps_mm, abs=3)


@pytest.mark.parametrize("tilt_deg", [-30.0, 20.0])
def test_an_oblique_grid_shows_the_same_patient(tilt_deg: float) -> None:
    grid = replace(GridSpec().coarser(3), tilt_deg=tilt_deg, slices=26, pixel_spacing_mm=(4.5, 5.5))
    phantom = simulate(PhantomSpec(seed=7, grid=grid, lesion=LESION))
    expected = simulate(PhantomSpec(seed=7, grid=SMALL, lesion=LESION)).lesion
    assert phantom.lesion is not None and expected is not None
    assert phantom.lesion.centroid_lps_mm == pytest.approx(expected.centroid_lps_mm, abs=2)
    assert phantom.lesion.volume_ml == pytest.approx(expected.volume_ml, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (PhantomSpec(seed=1, grid=TINY, lesion=LesionSpec(centre_lps_mm=(0, 100, -40))), "does not lie in a breast"),
        (
            PhantomSpec(seed=1, grid=TINY, lesion=LesionSpec(side="left", centre_lps_mm=(-80, -40, -40))),
            "in the left breast",
        ),
        (PhantomSpec(seed=1, grid=TINY, lesion=LesionSpec(diameter_mm=80)), "does not fit"),
        (PhantomSpec(seed=1, grid=GridSpec().coarser(14), lesion=LesionSpec(diameter_mm=4)), "too coarse"),
        (PhantomSpec(seed=1, grid=replace(TINY, centre_lps_mm=(0, 18, 300))), "not whole"),
    ],
)
def test_a_lesion_that_cannot_be_shown_is_refused(spec: PhantomSpec, message: str) -> None:
    with pytest.raises(PhantomError, match=message):
        simulate(spec)
