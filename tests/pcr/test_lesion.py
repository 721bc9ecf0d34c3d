"""Measurements of lesions whose shape is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from highdicom.volume import VolumeGeometry
from hypothesis import given
from hypothesis import strategies as st
from volumes import ball, grid_of, volume_of_pixels, washing_out

from pcr.lesion import Lesion, farthest_ends_lps_mm, outlined
from pcr.lesion_box import LesionBox

SHAPE = (20, 40, 50)


def lesion_of(mask: np.ndarray, geometry: VolumeGeometry | None = None) -> Lesion:
    volume = volume_of_pixels(washing_out(mask), geometry or grid_of(mask.shape))
    return outlined(mask, volume, source="kinetic", laterality="left", score=0.9)


def box(low: tuple[int, int, int], high: tuple[int, int, int], shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """The voxels from `low` up to and without `high`."""
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def test_a_ball_has_the_volume_diameter_and_centre_of_a_ball() -> None:
    spacing, centre, radius = (2.0, 1.0, 0.8), np.array([11.0, 20.0, 25.0]), 8.0
    geometry = grid_of((24, 44, 56), spacing, first_lps_mm=(-100, 10, 30))
    distances = (np.indices(geometry.spatial_shape) - centre.reshape(3, 1, 1, 1)) * np.reshape(spacing, (3, 1, 1, 1))
    lesion = lesion_of((distances**2).sum(axis=0) <= radius**2, geometry)
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.03)
    assert lesion.longest_diameter_mm == pytest.approx(2 * radius, abs=2)  # a voxel
    assert lesion.centroid_lps_mm == pytest.approx((-100 + 25 * 0.8, 10 + 20, 30 - 2 * 11))


def test_a_single_voxel_is_as_long_as_a_voxel() -> None:
    lesion = lesion_of(box((3, 4, 5), (4, 5, 6)), grid_of(SHAPE, (3.0, 1.0, 1.0)))
    assert lesion.longest_diameter_mm == pytest.approx(1)
    assert lesion.volume_ml == pytest.approx(0.003)
    assert lesion.slice_range == (3, 3)
    assert lesion.box == LesionBox(slices_mm=3, rows_mm=1, columns_mm=1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1, 30), 30),  # a line
        ((1, 30, 40), np.hypot(29, 39) * 40 / 39),  # flat in a slice
        ((12, 30, 1), np.hypot(11, 29) * 30 / 29),  # flat across the slices
        ((10, 30, 40), np.sqrt(9**2 + 29**2 + 39**2) * 40 / 39),
    ],
)
def test_flat_and_thin_lesions_are_as_long_as_their_diagonal(size: tuple[int, int, int], expected: float) -> None:
    assert lesion_of(box((2, 3, 4), np.add((2, 3, 4), size))).longest_diameter_mm == pytest.approx(expected)


def test_a_large_flat_lesion_is_measured_from_corner_to_corner() -> None:
    shape = (3, 101, 113)
    mask = box((1, 0, 0), (2, *shape[1:]), shape)
    found = math.dist(*farthest_ends_lps_mm(np.argwhere(mask), grid_of(shape)))
    assert found == pytest.approx(np.hypot(100, 112) * 113 / 112)


@given(points=st.sets(st.tuples(*[st.integers(0, 9)] * 3), min_size=2, max_size=40))
def test_the_longest_diameter_is_the_largest_distance_of_any_two_voxels(points: set[tuple[int, int, int]]) -> None:
    indices = np.array(sorted(points))
    geometry = grid_of((10, 10, 10), (2.0, 1.0, 0.7))
    places = geometry.map_indices_to_reference(indices)
    largest = max(float(np.linalg.norm(a - b)) for a in places for b in places)
    ends = np.array(farthest_ends_lps_mm(indices, geometry))
    inner = ends + (ends[::-1] - ends) * 1e-6
    for end, kept in zip(ends, inner, strict=True):
        assert largest <= np.linalg.norm(ends[1] - ends[0]) <= largest + np.linalg.norm((2.0, 1.0, 0.7)) + 1e-6
        distances = np.abs(geometry.map_reference_to_indices(np.array([end, kept]))[:, None] - indices[None]).max(
            axis=2
        )
        assert distances[0].min() == pytest.approx(0.5, abs=1e-6)
        assert distances[1].min() <= 0.5


@pytest.mark.parametrize(
    ("size", "spacing_mm", "expected"),
    [
        ((6, 1, 1), (10.0, 0.5, 0.5), 60),  # stacked: as high as its slices
        ((1, 7, 7), (10.0, 0.5, 0.5), 7 * np.hypot(0.5, 0.5)),  # flat: the thickness does not count
    ],
)
def test_voxels_that_are_far_from_cubes_are_measured_to_their_faces(
    size: tuple[int, int, int], spacing_mm: tuple[float, float, float], expected: float
) -> None:
    lesion = lesion_of(box((2, 3, 4), np.add((2, 3, 4), size)), grid_of(SHAPE, spacing_mm))
    assert lesion.longest_diameter_mm == pytest.approx(expected)


def test_the_section_is_measured_in_its_plane() -> None:
    lesion = lesion_of(box((2, 3, 4), (12, 13, 34)))
    assert lesion.section_diameter_mm == pytest.approx(np.hypot(9, 29) * 30 / 29)
    assert lesion.section_diameter_mm < lesion.longest_diameter_mm


def test_two_parts_of_one_lesion_are_measured_as_one() -> None:
    lesion = lesion_of(box((1, 5, 5), (3, 10, 10)) | box((10, 5, 5), (14, 9, 10)))
    assert lesion.slice_range == (1, 13)
    assert lesion.largest_slice == 1
    assert lesion.longest_diameter_mm == pytest.approx(np.sqrt(12**2 + 4**2 + 4**2) * 13 / 12)


def test_kinetics_are_those_of_the_voxels_in_the_mask() -> None:
    lesion = lesion_of(box((3, 4, 5), (6, 8, 9)))
    assert lesion.kinetics.mean_signal == (100, 250, 300, 200)
    assert lesion.kinetics.early_enhancement_percent == pytest.approx(200)


def test_means_of_large_lesions_in_small_types_do_not_overflow() -> None:
    mask = np.ones((30, 60, 60), dtype=bool)
    pixels = np.stack([np.full(mask.shape, 60000 + 1000 * phase, dtype=np.uint16) for phase in range(4)])
    lesion = outlined(mask, volume_of_pixels(pixels, grid_of(mask.shape)), source="kinetic", laterality="left")
    assert lesion.kinetics.mean_signal == (60000, 61000, 62000, 63000)


def test_an_empty_mask_is_no_lesion() -> None:
    with pytest.raises(ValueError, match="empty"):
        lesion_of(np.zeros(SHAPE, dtype=bool))


def test_a_mask_that_is_not_bool_is_no_lesion() -> None:
    mask = ball(SHAPE, (10, 20, 25), 4)
    with pytest.raises(ValueError, match="bool volume"):
        Lesion(**{f: getattr(lesion_of(mask), f) for f in Lesion.__slots__} | {"mask": mask.astype(np.uint8)})
