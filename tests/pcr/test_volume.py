"""Phases become one array whose every voxel lies where its image says."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.volume import VolumeGeometry
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from tiny_mr import (
    AXIAL,
    COLUMNS,
    CORONAL,
    GAP_MM,
    OBLIQUE,
    ROWS,
    SAGITTAL,
    SLICES,
    SPACING_MM,
    change,
    dce_of,
    dynamic,
    in_one_series,
    load_from,
    of_phase,
    save,
    set_pixels,
    signal,
)

from pcr.reasons import NotEvaluable
from pcr.study import read_inbox
from pcr.volume import DceVolume, VolumeLimits, axis_aligned_grid, load, resample, to_simpleitk

TURNS = st.floats(0.05, 1.2)


def refusal_of(folder: Path) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        load_from(folder)
    return caught.value


def check_places(volume: DceVolume) -> None:
    """Each voxel of the array is the pixel that it was, at the place that its image gives it (PS3.3 C.7.6.2.1.1)."""
    for phase, array in zip(volume.series.phases, volume.pixels, strict=True):
        for place, frame in enumerate(phase.frames):
            header = frame.header
            np.testing.assert_array_equal(array[place], pydicom.dcmread(frame.instance.path).pixel_array)
            row_mm, column_mm = header.PixelSpacing
            along_row, along_column = np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float)
            for row, column in ((0, 0), (0, header.Columns - 1), (header.Rows - 1, 0)):
                expected = np.array(header.ImagePositionPatient, dtype=float)
                expected += along_row * column_mm * column + along_column * row_mm * row
                found = volume.geometry.map_indices_to_reference(np.array([[place, row, column]]))[0]
                np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, CORONAL, OBLIQUE], ids=["axial", "sagittal", "coronal", "oblique"])
@pytest.mark.parametrize("gap_mm", [GAP_MM, -GAP_MM], ids=["rising", "falling"])
def test_every_voxel_lies_where_its_image_says(tmp_path: Path, axes, gap_mm: float) -> None:
    check_places(load_from(save(dynamic(3, axes=axes, gap_mm=gap_mm), tmp_path)))


def test_all_phases_in_one_series_lie_where_their_images_say(tmp_path: Path) -> None:
    check_places(load_from(save(in_one_series(dynamic(3, axes=OBLIQUE)), tmp_path)))


def test_phases_are_read_in_their_order(tmp_path: Path) -> None:
    volume = load_from(save(list(dynamic(3).values())[::-1], tmp_path))
    assert volume.pixels.shape == (3, SLICES, ROWS, COLUMNS)
    assert volume.pixels[:, 0, 0, 0].argsort().tolist() == [0, 1, 2]
    np.testing.assert_array_equal(volume.phase("late").array, volume.pixels[2])


def test_geometry_names_its_spacings_and_its_frame_of_reference(tmp_path: Path) -> None:
    geometry = load_from(save(dynamic(3), tmp_path)).geometry
    assert geometry.pixel_spacing == pytest.approx(SPACING_MM)
    assert geometry.spacing_between_slices == pytest.approx(GAP_MM)
    assert geometry.frame_of_reference_uid == "1.2.3.99"


def test_highdicom_reads_the_same_volume(tmp_path: Path) -> None:
    images = dynamic(3, axes=OBLIQUE)
    volume = load_from(save(images, tmp_path))
    other = hd.get_volume_from_series(of_phase(images, 1)).match_geometry(volume.geometry)
    np.testing.assert_array_equal(other.array, volume.pixels[1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_the_stored_type_is_kept(tmp_path: Path, dtype: str) -> None:
    images = dynamic(3)
    for (phase, place), image in images.items():
        set_pixels(image, (signal(phase, place) // 20).astype(dtype))
    assert load_from(save(images, tmp_path)).pixels.dtype == dtype


def test_signed_pixels_keep_their_sign(tmp_path: Path) -> None:
    images = dynamic(3)
    for image in images.values():
        set_pixels(image, np.full((ROWS, COLUMNS), -7, dtype=np.int16))
    assert (load_from(save(images, tmp_path)).pixels == -7).all()


def test_phases_of_different_types_have_one_that_holds_all(tmp_path: Path) -> None:
    images = dynamic(3)
    set_pixels(images[1, 0], np.full((ROWS, COLUMNS), -7, dtype=np.int16))
    set_pixels(images[2, 0], np.full((ROWS, COLUMNS), 65535, dtype=np.uint16))
    pixels = load_from(save(images, tmp_path)).pixels
    assert (pixels[1, 0] == -7).all()
    assert (pixels[2, 0] == 65535).all()


def test_slope_and_intercept_of_each_slice_are_applied(tmp_path: Path) -> None:
    images = dynamic(3)
    for (_, place), image in images.items():
        change(image, RescaleSlope=0.5 + place, RescaleIntercept=-10 * place)
    pixels = load_from(save(images, tmp_path)).pixels
    assert pixels.dtype == np.float32
    expected = [[signal(phase, place) * (0.5 + place) - 10 * place for place in range(SLICES)] for phase in range(3)]
    np.testing.assert_allclose(pixels, expected, rtol=1e-6)


def test_a_rescale_of_one_phase_alone_is_applied_to_that_phase_alone(tmp_path: Path) -> None:
    images = dynamic(3)
    change(of_phase(images, 1), RescaleSlope=2, RescaleIntercept=1)
    pixels = load_from(save(images, tmp_path)).pixels
    np.testing.assert_allclose(pixels[:2, 3], [signal(0, 3), 2.0 * signal(1, 3) + 1])


def test_a_rescale_that_changes_nothing_keeps_integers(tmp_path: Path) -> None:
    assert load_from(save(dynamic(3, RescaleSlope=1, RescaleIntercept=0), tmp_path)).pixels.dtype == np.uint16


@pytest.mark.parametrize("lost", [1, 4, 7])
def test_a_slice_missing_from_all_phases_is_refused(tmp_path: Path, lost: int) -> None:
    images = {key: image for key, image in dynamic(3, slices=10).items() if key[1] != lost}
    refusal = refusal_of(save(images, tmp_path))
    assert (refusal.code, "at least 1 slices" in refusal.message) == ("missing_slices", True)


def test_unequal_gaps_are_refused(tmp_path: Path) -> None:
    images = dynamic(3)
    for (_, place), image in images.items():
        image.ImagePositionPatient[2] = -40 + GAP_MM * place + (0.3 if place > 3 else 0)
    assert refusal_of(save(images, tmp_path)).code == "mixed_geometry"


def test_a_stack_that_drifts_in_its_plane_is_refused(tmp_path: Path) -> None:
    images = dynamic(3)
    for (_, place), image in images.items():
        image.ImagePositionPatient[1] = -100 + 0.4 * place
    assert refusal_of(save(images, tmp_path)).code == "mixed_geometry"


def test_positions_rounded_to_a_hundredth_are_no_unequal_gaps(tmp_path: Path) -> None:
    images = dynamic(3, gap_mm=1.1666)
    for image in images.values():
        image.ImagePositionPatient = [round(float(value), 2) for value in image.ImagePositionPatient]
    geometry = load_from(save(images, tmp_path)).geometry
    assert geometry.spacing_between_slices == pytest.approx(1.1666, abs=2e-3)


def test_one_image_that_can_not_be_decoded_refuses_the_study(tmp_path: Path) -> None:
    images = dynamic(3)
    change(images[1, 2], PixelData=images[1, 2].PixelData[:-30])
    assert refusal_of(save(images, tmp_path)).code == "corrupt_pixels"


Three = tuple[float, float, float]


def geometry_of(turns: Three, spacing: Three, first: Three = (-80, 20, -40)) -> VolumeGeometry:
    """A small oblique grid."""
    x, y, z = turns
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(about_x) @ about_y @ about_z @ np.diag(spacing)
    affine[:3, 3] = first
    return VolumeGeometry(affine=affine, spatial_shape=(5, 7, 9), coordinate_system="PATIENT")


any_geometry = st.builds(geometry_of, st.tuples(TURNS, TURNS, TURNS), st.tuples(*[st.floats(0.5, 4)] * 3))


@given(geometry=any_geometry, index=st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 8)))
def test_simpleitk_puts_every_voxel_at_the_same_place(geometry: VolumeGeometry, index: tuple[int, int, int]) -> None:
    array = np.zeros(geometry.spatial_shape, dtype=np.float32)
    array[index] = 5
    image = to_simpleitk(array, geometry)
    place = geometry.map_indices_to_reference(np.array([index]))[0]
    assert image.GetPixel(image.TransformPhysicalPointToIndex(place.tolist())) == 5


@given(geometry=any_geometry, spacing_mm=st.floats(0.7, 3))
def test_the_axis_aligned_grid_covers_the_volume_and_rises_along_lps(
    geometry: VolumeGeometry, spacing_mm: float
) -> None:
    grid = axis_aligned_grid(geometry, spacing_mm)
    corners = np.array([[i, j, k] for i in (0, 4) for j in (0, 6) for k in (0, 8)])
    inside = grid.map_reference_to_indices(geometry.map_indices_to_reference(corners).astype(float))
    assert (inside > -1e-6).all()
    assert (inside < np.array(grid.spatial_shape) + 1e-6).all()
    np.testing.assert_allclose(grid.affine[:3, :3], np.eye(3)[:, ::-1] * spacing_mm)


@given(geometry=any_geometry)
def test_resampling_onto_the_same_grid_changes_nothing(geometry: VolumeGeometry) -> None:
    array = np.arange(5 * 7 * 9, dtype=np.float32).reshape(5, 7, 9)
    for nearest in (True, False):
        np.testing.assert_allclose(resample(array, geometry, geometry, nearest=nearest), array, atol=1e-2)


@given(geometry=any_geometry, slope=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_field_that_is_linear_in_the_patient_stays_so_under_resampling(geometry: VolumeGeometry, slope) -> None:
    def field(grid: VolumeGeometry) -> np.ndarray:
        indices = np.argwhere(np.ones(grid.spatial_shape, dtype=bool))
        values = grid.map_indices_to_reference(indices) @ np.array(slope) + 2000
        return values.reshape(grid.spatial_shape).astype(np.float32)

    grid = axis_aligned_grid(geometry, 1.0)
    points = grid.map_indices_to_reference(np.argwhere(np.ones(grid.spatial_shape, dtype=bool)))
    places = geometry.map_reference_to_indices(points)
    inside = ((places > 0.01) & (places < np.array(geometry.spatial_shape) - 1.01)).all(axis=1)
    found = resample(field(geometry), geometry, grid, nearest=False).ravel()
    np.testing.assert_allclose(found[inside], field(grid).ravel()[inside], atol=0.05)


def test_resampling_gives_zero_outside() -> None:
    here, far = geometry_of((0, 0, 0), (1, 1, 1)), geometry_of((0, 0, 0), (1, 1, 1), first=(500, 0, 0))
    assert not resample(np.ones(here.spatial_shape), here, far, nearest=False).any()


def test_more_voxels_than_are_accepted_are_refused_before_any_is_read(tmp_path: Path) -> None:
    (study,) = read_inbox(save(dynamic(), tmp_path)).studies
    series = dce_of(study)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(NotEvaluable, match="too_large"):
        load(series, VolumeLimits(max_voxels=4 * SLICES * ROWS * COLUMNS - 1))


@pytest.mark.parametrize("moved_mm", [(0.4, 0.0, 0.0), (0.0, -1.1, 0.0), (0.0, 0.0, 1.2), (1.0, 1.5, -2.5)])
def test_a_phase_on_a_shifted_grid_is_brought_onto_that_of_the_early_one(tmp_path: Path, moved_mm) -> None:
    images = dynamic(3)
    for (phase, _), image in images.items():
        x, y, z = (float(v) + m * (phase == 0) for v, m in zip(image.ImagePositionPatient, moved_mm, strict=True))
        image.ImagePositionPatient = [round(v, 4) for v in (x, y, z)]
        set_pixels(image, ramp(image))
    volume = load_from(save(images, tmp_path))
    assert volume.resampled == (0,)
    np.testing.assert_allclose(volume.pixels[0, 2:-2, 2:-2, 2:-2], volume.pixels[1, 2:-2, 2:-2, 2:-2], atol=1)


def test_a_phase_of_a_coarser_grid_is_brought_onto_that_of_the_early_one(tmp_path: Path) -> None:
    images = dynamic(3)
    for image in of_phase(images, 0):
        image.PixelSpacing, image.Rows, image.Columns = [2 * SPACING_MM[0], 2 * SPACING_MM[1]], ROWS // 2, COLUMNS // 2
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [float(x) + SPACING_MM[1] / 2, float(y) + SPACING_MM[0] / 2, z]
    for image in images.values():
        set_pixels(image, ramp(image))
    volume = load_from(save(images, tmp_path))
    np.testing.assert_allclose(volume.pixels[0, :, 1:-1, 1:-1], volume.pixels[1, :, 1:-1, 1:-1], atol=1)


def ramp(image: Dataset) -> np.ndarray:
    """Signal that is linear in the patient, so that resampling must not change it."""
    rows, columns = np.mgrid[: image.Rows, : image.Columns]
    x, y, z = (float(v) for v in image.ImagePositionPatient)
    down, across = (float(v) for v in image.PixelSpacing)
    return np.rint(9000 + 20 * (x + across * columns) + 10 * (y + down * rows) + 30 * z).astype(np.uint16)


def test_a_series_that_needs_more_memory_than_is_accepted_is_refused_before_it_is_read(tmp_path: Path) -> None:
    images = dynamic()
    change(images.values(), Rows=1000, Columns=1000)
    (study,) = read_inbox(save(images, tmp_path)).studies
    with pytest.raises(NotEvaluable, match="max_memory_mib"):
        load(dce_of(study), VolumeLimits(max_memory_mib=50))


@pytest.mark.parametrize("skew", [1e-4, 5e-4])
def test_an_orientation_that_a_scanner_rounded_is_read(tmp_path: Path, skew: float) -> None:
    images = dynamic(3, ImageOrientationPatient=[1, 0, 0, skew, 1, 0])
    volume = load_from(save(images, tmp_path))
    np.testing.assert_allclose(volume.geometry.direction.T @ volume.geometry.direction, np.eye(3), atol=1e-9)
