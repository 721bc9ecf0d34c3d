"""Resampling plane by plane gives what ITK gives, however the axes of the source lie along those of the target."""

import numpy as np
from highdicom import CoordinateSystemNames
from highdicom.volume import VolumeGeometry
from hypothesis import given
from hypothesis import strategies as st

from pcr.aligned_resampling import resample_linearly
from pcr.volume import resample

SPACINGS = st.tuples(*[st.floats(0.5, 3.0)] * 3)


def _geometry(
    shape: tuple[int, ...], order: list[int], signs: tuple[int, ...], spacing: tuple[float, ...], origin: list[float]
) -> VolumeGeometry:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) * signs)[:, order] * spacing
    affine[:3, 3] = origin
    return VolumeGeometry(affine, shape, coordinate_system=CoordinateSystemNames.PATIENT)


@given(
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from((-1, 1))] * 3),
    SPACINGS,
    SPACINGS,
    st.lists(st.floats(-6.0, 6.0), min_size=3, max_size=3),
)
def test_any_turn_flip_shift_and_spacing_gives_the_values_of_itk(order, signs, spacing, target_spacing, shift) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 7, 6)).astype(np.uint16)
    source = _geometry(pixels.shape, order, signs, spacing, [0.0, 0.0, 0.0])
    target = _geometry((8, 6, 9), [2, 1, 0], (1, 1, 1), target_spacing, shift)
    itk = resample(pixels, source, target, nearest=False)
    np.testing.assert_allclose(resample_linearly(pixels, source, target), itk, rtol=1e-5, atol=1e-2)


def test_a_tilted_source_is_resampled_too() -> None:
    pixels = np.arange(5 * 7 * 6, dtype=np.uint16).reshape(5, 7, 6)
    target = _geometry((8, 6, 9), [2, 1, 0], (1, 1, 1), (1.0, 1.0, 1.0), [0.0, 0.0, 0.0])
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    upright = _geometry(pixels.shape, [2, 1, 0], (1, 1, 1), (1.0, 1.0, 1.0), [0.0, 0.0, 0.0])
    tilted = VolumeGeometry(tilt @ upright.affine, pixels.shape, coordinate_system=CoordinateSystemNames.PATIENT)
    itk = resample(pixels, tilted, target, nearest=False)
    np.testing.assert_array_equal(resample_linearly(pixels, tilted, target), itk)
    assert itk.any()
