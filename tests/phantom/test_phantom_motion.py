"""A patient who moves between phases: voxels follow her, the truth stays where she lay at first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_samples import LESION, SMALL, TINY

from phantom import Phantom, PhantomSpec, simulate

STILL = (0.0, 0.0, 0.0)
QUIET = PhantomSpec(seed=7, grid=TINY, lesion=LESION, noise_sd=0, coil_bias=0, phase_times_s=(0.0, 129.0, 219.0))


def test_voxels_move_with_the_patient_by_whole_voxels_as_if_shifted() -> None:
    by_row, by_column = TINY.pixel_spacing_mm
    still = simulate(QUIET)
    moved = simulate(replace(QUIET, motion_mm=(STILL, (by_column, -2 * by_row, 0.0), STILL)))
    assert np.allclose(moved.voxels[1, :, :-2, 1:], still.voxels[1, :, 2:, :-1], atol=1)
    assert np.array_equal(moved.voxels[[0, 2]], still.voxels[[0, 2]])


@settings(max_examples=3)
@given(st.tuples(*[st.floats(-9, 9)] * 3), st.tuples(*[st.floats(-6, 6)] * 3))
def test_truth_is_of_the_patient_at_rest(shift: tuple[float, float, float], turn: tuple[float, float, float]) -> None:
    spec = replace(QUIET, motion_mm=(STILL, shift, STILL), rotation_deg=(STILL, STILL, turn))
    assert simulate(spec).lesion == simulate(QUIET).lesion


def test_a_moved_lesion_is_where_it_was_moved_to(phantom: Phantom) -> None:
    shift = np.array([5.0, -4.0, 7.5])
    moved = simulate(replace(phantom.spec, motion_mm=(STILL, STILL, tuple(shift), STILL, STILL)))
    bright = phantom.voxels[2].astype(float) * phantom.lesion_mask
    index = np.round(phantom.geometry.map_reference_to_indices(np.array([phantom.lesion.centroid_lps_mm + shift])))[0]
    assert moved.voxels[2][tuple(index.astype(int))] > 0.6 * bright.max()
    assert SMALL.slice_spacing_mm == 7.5


def test_without_rotation_or_shift_motion_changes_nothing(phantom: Phantom) -> None:
    assert np.array_equal(simulate(replace(phantom.spec, motion_mm=(STILL,) * 5)).voxels, phantom.voxels)
