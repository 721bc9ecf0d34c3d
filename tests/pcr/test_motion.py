"""Motion between phases: measured against the first post-contrast phase, taken back where the images bear it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from highdicom.volume import VolumeGeometry
from hypothesis import given
from hypothesis import strategies as st
from lesion_phantoms import CHEST, PHANTOMS
from scipy.spatial.transform import Rotation
from volumes import grid_of, volume_of_phantom, volume_of_pixels

from pcr.kinetic_localizer import LocalizerSettings, find_lesion
from pcr.motion import Motion, MotionSettings, PhaseMotion, motion_warnings
from pcr.motion_correction import correct_motion
from pcr.motion_measurement import measure_motion
from pcr.volume import DceVolume
from phantom import GridSpec, Phantom, simulate

Point = tuple[float, float, float]
STILL: Point = (0.0, 0.0, 0.0)
# Pre, first and early post-contrast, late.
SPEC = replace(PHANTOMS["left washout"], grid=CHEST.coarser(1.2), phase_times_s=(0.0, 129.0, 219.0, 549.0))
SHIFT: Point = (-2.0, 3.0, 4.0)


@cache
def lying(shift_mm: Point, grid: GridSpec = SPEC.grid, turn_deg: Point = STILL) -> Phantom:
    """The patient moved and turned, in all phases alike."""
    return simulate(replace(SPEC, grid=grid, motion_mm=(shift_mm,) * 4, rotation_deg=(turn_deg,) * 4))


def moved(phase: int, shift_mm: Point, grid: GridSpec = SPEC.grid, turn_deg: Point = STILL) -> DceVolume:
    """The patient moved and turned in one phase."""
    volume = volume_of_phantom(lying(STILL, grid))
    pixels = volume.pixels.copy()
    pixels[phase] = lying(shift_mm, grid, turn_deg).voxels[phase]
    return replace(volume, pixels=pixels)


@pytest.fixture
def still() -> DceVolume:
    return volume_of_phantom(lying(STILL))


@pytest.mark.parametrize("phase", [0, 3])
def test_a_displacement_is_measured_within_a_millimetre(phase: int) -> None:
    found = measure_motion(moved(phase, SHIFT)).of(phase)
    assert found.mean_mm == pytest.approx(np.linalg.norm(SHIFT), abs=1)
    assert found.moved


SAGITTAL = GridSpec(
    slices=70,
    rows=64,
    columns=80,
    pixel_spacing_mm=(3.0, 2.6),
    slice_spacing_mm=4.0,
    centre_lps_mm=CHEST.centre_lps_mm,
    orientation="sagittal",
)


@pytest.mark.parametrize("grid", [replace(SPEC.grid, tilt_deg=20.0), SAGITTAL], ids=["oblique", "sagittal"])
def test_the_displacement_is_in_patient_coordinates_however_the_slices_lie(grid: GridSpec) -> None:
    found = measure_motion(moved(0, SHIFT, grid)).of(0).transform
    nipple = np.array([*lying(STILL).anatomy.breasts[0].nipple_mm, 1.0])
    # The nipple is the place where a turn that was not there shows most.
    assert (found @ nipple - nipple)[:3] == pytest.approx(SHIFT, abs=1.5)


def test_a_turn_is_measured_where_the_breasts_are() -> None:
    found = measure_motion(moved(0, STILL, turn_deg=(0.0, 0.0, 3.0))).of(0).transform
    assert np.rad2deg(np.arctan2(found[1, 0], found[0, 0])) == pytest.approx(3, abs=0.3)


def test_a_patient_who_lies_still_has_not_moved_and_keeps_every_pixel(still: DceVolume) -> None:
    before = still.pixels.copy()
    motion = measure_motion(still)
    corrected = correct_motion(still, motion)
    assert max(phase.p95_mm for phase in motion.phases) < 1
    assert motion.max_mm == 0
    assert corrected.motion is not None and not corrected.motion.corrected
    assert np.array_equal(corrected.pixels, before)


def test_the_same_images_give_the_same_motion() -> None:
    volume = moved(0, SHIFT)
    first, second = (measure_motion(volume).of(0) for _ in range(2))
    assert np.array_equal(first.transform, second.transform)
    assert (first.p95_mm, first.similarity_gain) == (second.p95_mm, second.similarity_gain)


def test_only_the_phase_that_moved_is_corrected(still: DceVolume) -> None:
    volume = moved(0, SHIFT)
    before = volume.pixels.copy()
    corrected = correct_motion(volume, measure_motion(volume))
    assert [phase.corrected for phase in corrected.motion.phases] == [True, False, False, False]
    assert np.array_equal(corrected.pixels[1:], before[1:])
    assert corrected.pixels.dtype == before.dtype
    body = lying(STILL).voxels[0] > 60
    wrong = [np.abs(phase.astype(float) - still.pixels[0])[body].mean() for phase in (before[0], corrected.pixels[0])]
    assert wrong[1] < 0.5 * wrong[0]


def test_the_early_phase_stays_since_the_outline_is_drawn_on_its_images() -> None:
    volume = moved(2, SHIFT)
    before = volume.pixels.copy()
    motion = correct_motion(volume, measure_motion(volume)).motion
    assert motion.reference == 1
    assert motion.of(2).p95_mm == pytest.approx(np.linalg.norm(SHIFT), abs=1)
    assert [phase.corrected for phase in motion.phases] == [True, True, False, True]
    assert np.array_equal(volume.pixels[2], before[2])


ANGLES = st.tuples(*[st.floats(-5, 5)] * 3)
SHIFTS = st.tuples(*[st.floats(-4, 4)] * 3)


@given(st.tuples(*[st.floats(-180, 180)] * 3), ANGLES, SHIFTS, ANGLES, SHIFTS)
def test_every_phase_comes_to_lie_as_the_early_one_whatever_the_axes(
    axes_deg: Point, turn_deg: Point, shift_mm: Point, early_turn_deg: Point, early_shift_mm: Point
) -> None:
    """A ramp along the patient, which linear interpolation keeps exactly; the early phase moved too."""

    def rigid(angles_deg: Point, translation_mm: Point) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
        matrix[:3, 3] = translation_mm
        return matrix

    def signal(points: np.ndarray, place: np.ndarray) -> np.ndarray:
        return (points @ np.linalg.inv(place).T) @ [1.0, 2.0, -3.0, 500.0]

    geometry = VolumeGeometry(
        rigid(axes_deg, (5.0, -3.0, 2.0)) @ np.diag([3.0, 2.0, 1.5, 1.0]), (12, 16, 20), "PATIENT"
    )
    indices = np.indices(geometry.spatial_shape).reshape(3, -1).T
    points = np.c_[geometry.map_indices_to_reference(indices.astype(float)), np.ones(len(indices))]
    places = [rigid(turn_deg, shift_mm), np.eye(4), rigid(early_turn_deg, early_shift_mm), np.eye(4)]
    pixels = np.array([signal(points, place).reshape(geometry.spatial_shape) for place in places], dtype=np.float32)
    phases = [
        PhaseMotion(index=index, mean_mm=2.0, p95_mm=2.0, similarity_gain=1.0, transform=place)
        for index, place in enumerate(places)
    ]
    corrected = correct_motion(volume_of_pixels(pixels, geometry), Motion(reference=1, phases=tuple(phases)))
    between = places[0] @ np.linalg.inv(places[2])
    sources = geometry.map_reference_to_indices((points @ between.T)[:, :3])
    seen = ((sources >= 0) & (sources <= np.array(geometry.spatial_shape) - 1)).all(axis=1)
    assert corrected.pixels[0].ravel()[seen] == pytest.approx(signal(points, places[2])[seen], abs=0.05)


def test_correction_brings_the_outline_of_the_lesion_back(still: DceVolume) -> None:
    def error(volume: DceVolume) -> int:
        return int((find_lesion(volume, LocalizerSettings()).mask ^ truth).sum())

    truth = find_lesion(still, LocalizerSettings()).mask
    volume = moved(0, (0.0, 0.0, 12.0))
    left = error(volume)
    assert error(correct_motion(volume, measure_motion(volume))) < 0.7 * left


@pytest.mark.parametrize("fill", [0, 500])
def test_a_phase_without_any_contrast_is_not_measurable_and_is_left_alone(still: DceVolume, fill: int) -> None:
    pixels = still.pixels.copy()
    pixels[0] = fill
    volume = replace(still, pixels=pixels)
    motion = correct_motion(volume, measure_motion(volume)).motion
    assert motion.of(0).mean_mm is None and not motion.of(0).corrected
    assert "phase 1 of the dynamic series could not be measured" in motion_warnings(motion, 3.0)[0]
    assert (pixels[0] == fill).all()


@pytest.mark.parametrize("shape", [(10, 40, 50), (2, 8, 8)])
def test_images_without_a_breast_are_not_measurable(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 20, (4, *shape), dtype=np.uint16)
    for pixels in (noise, np.zeros_like(noise)):
        motion = measure_motion(volume_of_pixels(pixels, grid_of(shape, (3, 3, 3))))
        assert motion.max_mm == 0


def of_phases(*p95_mm: float | None, corrected: bool) -> Motion:
    """Phases of which the first is the reference and the others moved so far."""
    others = [
        PhaseMotion.unmeasured(index)
        if mm is None
        else PhaseMotion(
            index=index, mean_mm=mm, p95_mm=mm, similarity_gain=0.1, transform=np.eye(4), corrected=corrected
        )
        for index, mm in enumerate(p95_mm, start=1)
    ]
    return Motion(reference=0, phases=(PhaseMotion.none(0), *others))


@pytest.mark.parametrize(("corrected", "said"), [(True, "brought together"), (False, "can be wrong")])
def test_motion_past_the_limit_is_said_with_phase_and_mm_and_what_follows(corrected: bool, said: str) -> None:
    (sentence,) = motion_warnings(of_phases(2.9, 4.26, corrected=corrected), 3.0)
    assert "phase 3" in sentence and "4.3 mm" in sentence and said in sentence


def test_what_makes_the_images_no_more_alike_is_no_motion() -> None:
    phase = replace(of_phases(2.0, corrected=False).of(1), similarity_gain=0.001)
    motion = Motion(reference=0, phases=(PhaseMotion.none(0), phase))
    assert motion.max_mm == 0
    assert motion_warnings(motion, 1.0) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MotionSettings(warn_mm=0),
        lambda: PhaseMotion(index=0, mean_mm=1.0, p95_mm=None, similarity_gain=None, transform=None),
        lambda: Motion(reference=0, phases=(PhaseMotion.none(1),)),
        lambda: Motion(reference=1, phases=(PhaseMotion.none(0),)),
    ],
)
def test_motion_that_can_not_be_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"motion|warn_mm|in order"):
        wrong()
