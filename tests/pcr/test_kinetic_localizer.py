"""The kinetic localiser finds the lesion that was simulated, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lesion_phantoms import CHEST, PHANTOMS, Found
from volumes import ball, grid_of, volume_of_phantom, volume_of_pixels, washing_out

from pcr.kinetic_localizer import LocalizerSettings, find_lesion, laterality_of_mask
from pcr.reasons import NotEvaluable
from pcr.volume import DceVolume
from phantom import Phantom, PhantomSpec, simulate


def refusal_of(volume: DceVolume) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        find_lesion(volume, LocalizerSettings())
    return caught.value


def test_the_lesion_lies_where_it_was_simulated(found: Found) -> None:
    distance = np.subtract(found.lesion.centroid_lps_mm, found.phantom.lesion.centroid_lps_mm)
    assert np.linalg.norm(distance) < 3


def test_the_lesion_is_as_large_as_it_was_simulated(found: Found) -> None:
    assert found.lesion.volume_ml == pytest.approx(found.phantom.lesion.volume_ml, rel=0.25)


def test_the_outline_is_that_of_the_simulated_lesion(found: Found) -> None:
    truth = found.phantom.lesion_mask
    assert 2 * (found.lesion.mask & truth).sum() / (found.lesion.mask.sum() + truth.sum()) > 0.8


def test_the_side_and_the_curve_are_those_of_the_simulated_lesion(found: Found) -> None:
    spec = found.phantom.spec.lesion
    assert found.lesion.laterality == spec.side
    assert found.lesion.kinetics.curve_type == spec.kinetics


def test_runners_up_score_no_better_and_lie_elsewhere(found: Found) -> None:
    scores = [found.lesion.score, *(candidate.score for candidate in found.lesion.runners_up)]
    assert scores == sorted(scores, reverse=True)
    for candidate in found.lesion.runners_up:
        assert np.linalg.norm(np.subtract(candidate.centroid_lps_mm, found.lesion.centroid_lps_mm)) > 3


@pytest.fixture(scope="module")
def without_lesion() -> Phantom:
    return simulate(PhantomSpec(seed=3, grid=CHEST, lesion=None))


def test_background_enhancement_alone_is_no_lesion(without_lesion: Phantom) -> None:
    refusal = refusal_of(volume_of_phantom(without_lesion))
    assert refusal.code == "no_lesion_found"
    assert "send a segmentation" in refusal.message


def test_no_candidate_lies_in_the_heart_or_behind_the_ribs_even_if_any_score_will_do(without_lesion: Phantom) -> None:
    lesion = find_lesion(volume_of_phantom(without_lesion), LocalizerSettings(min_score=0.01, runners_up=1000))
    cage = without_lesion.anatomy.thorax.cage
    for x, y, _ in [lesion.centroid_lps_mm, *(candidate.centroid_lps_mm for candidate in lesion.runners_up)]:
        assert cage.distance(x, y) > 0


def test_a_vessel_as_bright_as_the_lesion_does_not_take_its_place() -> None:
    """Straight through the other breast, from the nipple to the chest wall, 5 mm wide, and it washes out."""
    phantom = simulate(PHANTOMS["left washout"])
    shape = phantom.geometry.spatial_shape
    places = phantom.geometry.map_indices_to_reference(np.argwhere(np.ones(shape)))
    x, _, z = next(breast for breast in phantom.anatomy.breasts if breast.side == "right").nipple_mm
    vessel = (np.hypot(places[:, 0] - x, places[:, 2] - z) < 2.5).reshape(shape)
    volume = volume_of_phantom(phantom)
    pixels = volume.pixels + vessel * np.reshape([0, 300, 350, 320, 300], (5, 1, 1, 1))
    lesion = find_lesion(replace(volume, pixels=pixels), LocalizerSettings())
    assert np.linalg.norm(np.subtract(lesion.centroid_lps_mm, phantom.lesion.centroid_lps_mm)) < 3


def test_an_empty_image_has_no_breast_tissue() -> None:
    volume = volume_of_pixels(np.zeros((4, 10, 40, 50), dtype=np.uint16), grid_of((10, 40, 50), (3, 3, 3)))
    assert "no breast tissue" in refusal_of(volume).message


def one_breast(**header: object) -> tuple[DceVolume, np.ndarray]:
    """A field of view of 150 mm with one breast, without and with a ball that enhances; x from -180 to -30 mm."""
    shape = (24, 60, 60)
    rows, columns = np.indices(shape[1:])
    body = (rows > 15) & ((columns - 30) ** 2 + (rows - 60) ** 2 < 45**2)
    mask = ball(shape, (12, 28, 30), 5)
    noise = np.random.default_rng(5).normal(0, 2, (4, *shape))
    pixels = washing_out(mask, 0.0) + 100 * body[None, None] + noise
    geometry = grid_of(shape, (2.5, 2.5, 2.5), first_lps_mm=(-180, -100, 30))
    return volume_of_pixels(pixels.astype(np.float32), geometry, **header), mask


def test_a_lesion_in_a_field_of_view_of_one_breast_is_found() -> None:
    volume, mask = one_breast()
    lesion = find_lesion(volume, LocalizerSettings())
    assert lesion.volume_ml == pytest.approx(mask.sum() * 2.5**3 / 1000, rel=0.25)


def test_a_flat_image_in_time_is_no_lesion() -> None:
    volume, _ = one_breast()
    still = np.repeat(volume.pixels[:1], 4, axis=0)
    assert "nothing enhances" in refusal_of(replace(volume, pixels=still)).message


@pytest.mark.parametrize(
    ("header", "side"),
    [
        ({"Laterality": "L"}, "left"),
        ({"Laterality": "R"}, "right"),
        ({"ImageLaterality": "L"}, "left"),
        ({"ImageLaterality": "B"}, "right"),  # the header does not decide: x is negative, so it is the right breast
        ({}, "right"),
    ],
)
def test_with_one_breast_in_view_the_header_says_the_side_else_the_place_does(
    header: dict[str, str], side: str
) -> None:
    volume, mask = one_breast(**header)
    assert laterality_of_mask(mask, volume) == side


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="min_score"):
        LocalizerSettings(min_score=1.5)
