"""The cohort reader: what it reads of both layouts, what it never opens, what it warns of and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pcr.lesion_box import lesion_box
from tests.training.invented_cohorts import (
    CROP,
    FULL_IMAGED,
    FULL_SHAPE,
    FULL_SPACING_MM,
    GAINS,
    IMAGED,
    LESION_RADIUS_MM,
    ROWS_ONLY,
    SLICES,
    STORED_GRID,
    TARGETS,
    write_images,
)
from training.cohorts import (
    TABLE,
    Cohort,
    CohortError,
    Crop,
    Imaging,
    Layout,
    check_crops,
    datasets_of,
    load_crop,
    read_cohort,
)
from training.crops import read_region
from training.imaging import GEOMETRY

REAL = Path(__file__).parents[3] / "shared" / "data" / "cohort"


def read(folder: Path, dataset: str = "ISPY2") -> Cohort:
    return read_cohort(folder, dataset, TARGETS)


def first_images(folder: Path, dataset: str = "ISPY2") -> Imaging:
    imaging = read(folder, dataset).imaged[0].imaging
    assert imaging is not None
    return imaging


def change_row(folder: Path, patient_id: str, **cells: object) -> None:
    table = pd.read_excel(folder / TABLE).astype(object)
    for column, value in cells.items():
        table.loc[table["patient_id"] == patient_id, column] = value
    table.to_excel(folder / TABLE, index=False)


def rewrite(path: Path, change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
    """Write a file anew with changed voxels and affine."""
    image = nib.load(path)
    voxels, affine = change(np.asarray(image.dataobj), image.affine)
    nib.Nifti1Image(voxels, affine).to_filename(path)


# The table


def test_rows_without_images_are_kept_for_the_clinical_part(cohort_folder: Path) -> None:
    cohort = read(cohort_folder)
    assert (len(cohort.imaged), len(cohort.rows_only)) == (IMAGED, ROWS_ONLY)


def test_an_unknown_label_is_left_out_and_not_negative(cohort_folder: Path) -> None:
    cohort = read(cohort_folder)
    assert next(p for p in cohort.patients if p.patient_id == "ISPY2_9999").pcr is None
    assert "ISPY2_9999" not in {p.patient_id for p in cohort.labelled}


def test_rows_of_another_data_set_are_not_read(own_cohort_folder: Path) -> None:
    change_row(own_cohort_folder, "ISPY1_0001", hr=7.0, acquisition_times="[0, 0]")
    assert {p.dataset for p in read(own_cohort_folder).patients} == {"ISPY2"}


def test_blanks_behind_a_site_are_no_part_of_its_name(cohort_folder: Path) -> None:
    assert {p.site for p in read(cohort_folder).patients} == {"Site A", "Site B", "Site C"}


def test_a_damaged_table_is_refused(own_cohort_folder: Path) -> None:
    (own_cohort_folder / TABLE).write_bytes(b"junk")
    with pytest.raises(CohortError, match="can not be read"):
        read(own_cohort_folder)


def test_an_unknown_data_set_is_refused_with_the_names_that_are_there(cohort_folder: Path) -> None:
    with pytest.raises(CohortError, match="no row of data set DUKE; it has ISPY1, ISPY2"):
        read(cohort_folder, "DUKE")


def test_data_sets_that_have_images_are_named(own_full_cohort_folder: Path, cohort_folder: Path) -> None:
    change_row(own_full_cohort_folder, f"DUKE_{FULL_IMAGED:03d}", dataset="NACT")
    assert datasets_of(own_full_cohort_folder) == ("DUKE",)
    assert datasets_of(cohort_folder) == ("ISPY1", "ISPY2")


def test_a_cohort_without_images_has_to_be_named(own_cohort_folder: Path) -> None:
    shutil.rmtree(own_cohort_folder / "images")
    with pytest.raises(CohortError, match="has no images; name the data set"):
        datasets_of(own_cohort_folder)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"hr": 2.0}, "ISPY2_0001: hr is 2"),
        ({"pcr": 0.5}, "ISPY2_0001: pcr is 0.5"),
        ({"age": 500.0}, "ISPY2_0001: .*age"),
        ({"age": "old"}, "ISPY2_0001: age"),
    ],
)
def test_rows_that_can_not_be_true_are_refused(own_cohort_folder: Path, cells: dict[str, object], message: str) -> None:
    change_row(own_cohort_folder, "ISPY2_0001", **cells)
    with pytest.raises(CohortError, match=message):
        read(own_cohort_folder)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"tumor_subtype": "triple_negative", "hr": 1.0}, "tumor_subtype contradicts hr and her2"),
        ({"er": 1.0, "hr": 0.0}, "hr contradicts er and pr, and all three count as unknown"),
        ({"menopause": "unsure"}, "menopause 'unsure' is not understood"),
        ({"acquisition_times": "[0, 90, 90]"}, "acquisition_times do not rise"),
        ({"acquisition_times": "soon"}, "acquisition_times are no list"),
        ({"acquisition_times": np.nan}, "the times of its phases are unknown"),
        ({"pcr": np.nan}, "images without a label"),
    ],
)
def test_what_can_count_as_unknown_is_warned_of(
    own_cohort_folder: Path, cells: dict[str, object], message: str
) -> None:
    change_row(own_cohort_folder, "ISPY2_0001", **cells)
    assert any(message in warning and "ISPY2_0001" in warning for warning in read(own_cohort_folder).warnings)


def test_a_sound_cohort_has_no_warnings(cohort_folder: Path, full_cohort_folder: Path) -> None:
    assert read(cohort_folder).warnings == read(full_cohort_folder, "DUKE").warnings == ()


def test_two_rows_for_one_patient_are_refused(own_cohort_folder: Path) -> None:
    table = pd.read_excel(own_cohort_folder / TABLE)
    twice = table[table["patient_id"] == "ISPY2_0001"].assign(pcr=1.0)
    pd.concat([table, twice]).to_excel(own_cohort_folder / TABLE, index=False)
    with pytest.raises(CohortError, match=r"ISPY2_0001: 2 rows in .*, with different labels"):
        read(own_cohort_folder)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="has no clinical_and_imaging_info"):
        read(tmp_path)


# Files of either layout


def test_all_findings_are_listed_at_once(own_cohort_folder: Path) -> None:
    (own_cohort_folder / "images" / "ISPY2_0003" / "ispy2_0003_0001.nii.gz").unlink()
    (own_cohort_folder / "segmentations" / "expert" / "ispy2_0005.nii.gz").unlink()
    change_row(own_cohort_folder, "ISPY2_0001", hr=2.0, age=500.0)
    listed = (
        r"(?s)4 errors.*_0001: hr.*_0001: .*age.*_0003: files are missing: ispy2_0003_0001.*_0005: files are missing"
    )
    with pytest.raises(CohortError, match=listed):
        read(own_cohort_folder)


def test_phases_of_different_shape_are_refused(own_cohort_folder: Path) -> None:
    path = own_cohort_folder / "images" / "ISPY2_0000" / "ispy2_0000_0002.nii.gz"
    rewrite(path, lambda voxels, affine: (voxels[..., :5], affine))
    with pytest.raises(CohortError, match=r"ISPY2_0000: ispy2_0000_0002\.nii\.gz has shape"):
        read(own_cohort_folder)


def test_a_region_of_another_orientation_is_refused(own_full_cohort_folder: Path) -> None:
    path = own_full_cohort_folder / "segmentations" / "expert" / "duke_000.nii.gz"
    rewrite(path, lambda voxels, affine: (voxels, np.diag([-1.0, 1, 1, 1]) @ affine))
    with pytest.raises(CohortError, match=r"DUKE_000: duke_000\.nii\.gz lies elsewhere than duke_000_0000\.nii\.gz"):
        read(own_full_cohort_folder, "DUKE")


def test_affines_that_differ_by_rounding_are_one_geometry(own_full_cohort_folder: Path) -> None:
    path = own_full_cohort_folder / "segmentations" / "expert" / "duke_000.nii.gz"
    rewrite(path, lambda voxels, affine: (voxels, affine + 1e-4))
    assert len(read(own_full_cohort_folder, "DUKE").imaged) == FULL_IMAGED


def test_a_file_that_is_no_image_is_refused(own_cohort_folder: Path) -> None:
    (own_cohort_folder / "images" / "ISPY2_0000" / "ispy2_0000_0001.nii.gz").write_bytes(b"no image")
    with pytest.raises(CohortError, match=r"ISPY2_0000: ispy2_0000_0001\.nii\.gz can not be read"):
        read(own_cohort_folder)


def test_an_empty_region_is_refused(own_cohort_folder: Path) -> None:
    path = own_cohort_folder / "segmentations" / "expert" / "ispy2_0000.nii.gz"
    rewrite(path, lambda voxels, affine: (0 * voxels, affine))
    with pytest.raises(CohortError, match="region is empty"):
        load_crop(first_images(own_cohort_folder), CROP)


# The reduced pack


def test_early_and_late_times_are_those_of_the_geometry(cohort_folder: Path) -> None:
    timing = read(cohort_folder).imaged[0].timing
    assert timing is not None
    assert (timing.first_post_s, timing.early_s, timing.late_s) == (100, 190, 550)


def test_a_stored_crop_is_read_as_it_is_with_rows_before_columns(own_cohort_folder: Path) -> None:
    path = own_cohort_folder / "images" / "ISPY2_0000" / "ispy2_0000_0001.nii.gz"
    columns, rows, slices = np.indices((STORED_GRID, STORED_GRID, SLICES))
    ramp = (columns + 3 * rows + 7 * slices).astype(np.int16)
    rewrite(path, lambda voxels, affine: (ramp, affine))
    imaging = first_images(own_cohort_folder)
    crop = load_crop(imaging, CROP)
    assert imaging.layout is Layout.REDUCED
    assert np.array_equal(crop.pixels[1], ramp.transpose(2, 1, 0))
    assert crop.region.shape == (SLICES, STORED_GRID, STORED_GRID)
    assert crop.spacing_mm == (5.0, 2.5, 2.5)


def test_missing_slices_are_repeated_evenly(own_cohort_folder: Path) -> None:
    write_images(own_cohort_folder, "ISPY2_0000", True, np.random.default_rng(0), slices=5)
    imaging = first_images(own_cohort_folder)
    few, many = (load_crop(imaging, CROP.model_copy(update={"slices": n})).pixels for n in (5, 8))
    assert np.array_equal(many, few[:, np.round(np.linspace(0, 4, 8)).astype(int)])


@pytest.mark.parametrize(("slices", "gaps"), [(8, 7), (2, 1), (1, 1)])
def test_the_box_of_a_stored_crop_goes_beyond_the_slices_that_were_stored(
    own_cohort_folder: Path, slices: int, gaps: int
) -> None:
    write_images(own_cohort_folder, "ISPY2_0000", True, np.random.default_rng(0), slices=slices)
    box = load_crop(first_images(own_cohort_folder), CROP).box
    assert box.slices_mm == pytest.approx(gaps * 5.0 / 0.7)
    assert (box.rows_mm, box.columns_mm) == (8 * 2.5, 8 * 2.5)


def test_stored_crops_of_another_size_are_all_named(cohort_folder: Path) -> None:
    cohort = read(cohort_folder)
    check_crops(cohort, CROP)
    with pytest.raises(CohortError, match=r"(?s)24 errors.*ISPY2_0000: stored crop of 32 x 32 pixels over 80 x 80 mm"):
        check_crops(cohort, CROP.model_copy(update={"grid": 48}))


def test_phases_that_are_no_acquisition_have_no_times(own_cohort_folder: Path) -> None:
    change_row(own_cohort_folder, "ISPY2_0000", acquisition_times="[0, 100, 190]")
    cohort = read(own_cohort_folder)
    assert cohort.imaged[0].timing is None
    assert any("geometry.csv names phases 2 and 6 of 3 acquisition times" in warning for warning in cohort.warnings)


def test_three_images_without_a_row_in_the_geometry_are_a_reduced_pack(own_cohort_folder: Path) -> None:
    (own_cohort_folder / GEOMETRY).unlink()
    imaging = read(own_cohort_folder).imaged[0].imaging
    assert imaging is not None and imaging.layout is Layout.REDUCED


# The full release


def full_crop(folder: Path) -> Crop:
    return load_crop(first_images(folder, "DUKE"), CROP)


def test_early_and_late_of_a_full_release_are_nearest_to_their_targets(full_cohort_folder: Path) -> None:
    patient = read(full_cohort_folder, "DUKE").imaged[0]
    assert patient.imaging is not None and patient.timing is not None
    assert [path.name for path in patient.imaging.phases] == [f"duke_000_{k:04d}.nii.gz" for k in (0, 2, 4)]
    assert (patient.timing.first_post_s, patient.timing.early_s, patient.timing.late_s) == (100, 190, 550)


def test_a_full_release_is_cut_like_a_stored_crop(full_cohort_folder: Path) -> None:
    crop = full_crop(full_cohort_folder)
    assert crop.pixels.shape == (3, SLICES, STORED_GRID, STORED_GRID)
    assert crop.spacing_mm[1:] == (2.5, 2.5)
    middle = slice(STORED_GRID // 2 - 2, STORED_GRID // 2 + 2)
    inside = crop.pixels[:, :, middle, middle].mean(axis=(1, 2, 3))
    assert inside == pytest.approx([110 + GAINS[index] for index in (0, 2, 4)], abs=5)


def test_the_region_of_a_full_release_is_sampled_with_its_pixels(full_cohort_folder: Path) -> None:
    crop = full_crop(full_cohort_folder)
    section_mm2 = crop.region[SLICES // 2].sum() * 2.5**2
    assert section_mm2 == pytest.approx(np.pi * LESION_RADIUS_MM**2, rel=0.1)


def test_slices_of_a_full_release_are_spread_over_the_middle_of_the_tumour(full_cohort_folder: Path) -> None:
    # The ball spans slices 5 to 13; 70 % of that are 6.2 to 11.8.
    assert full_crop(full_cohort_folder).spacing_mm[0] == pytest.approx((12 - 6) * FULL_SPACING_MM[2] / (SLICES - 1))


def test_the_box_of_a_full_release_is_that_of_the_whole_region(full_cohort_folder: Path) -> None:
    imaging = first_images(full_cohort_folder, "DUKE")
    assert imaging.layout is Layout.FULL
    assert imaging.shape == FULL_SHAPE[::-1]
    assert load_crop(imaging, CROP).box == lesion_box(read_region(imaging), FULL_SPACING_MM[::-1])


def test_images_and_times_that_differ_in_number_are_refused(own_full_cohort_folder: Path) -> None:
    change_row(own_full_cohort_folder, "DUKE_000", acquisition_times="[0, 100, 190, 280]")
    with pytest.raises(CohortError, match="DUKE_000: 5 images, but 4 acquisition times"):
        read(own_full_cohort_folder, "DUKE")


def test_phases_that_can_not_be_told_apart_are_not_guessed(own_full_cohort_folder: Path) -> None:
    change_row(own_full_cohort_folder, "DUKE_000", acquisition_times=np.nan)
    cohort = read(own_full_cohort_folder, "DUKE")
    assert cohort.patients[0].imaging is None
    assert "images left out: no acquisition times to choose early and late phase by: DUKE_000" in cohort.warnings


def test_three_phases_need_no_times(own_full_cohort_folder: Path) -> None:
    change_row(own_full_cohort_folder, "DUKE_000", acquisition_times=np.nan)
    for index in (3, 4):
        (own_full_cohort_folder / "images" / "DUKE_000" / f"duke_000_{index:04d}.nii.gz").unlink()
    assert len(read(own_full_cohort_folder, "DUKE").imaged) == FULL_IMAGED


# The real pack


def test_the_real_cohort_has_198_patients_with_images() -> None:
    if not REAL.is_dir():
        pytest.skip("../shared/data/cohort is absent")
    cohort = read(REAL)
    check_crops(cohort, CROP.model_copy(update={"grid": 96}))
    assert (len(cohort.imaged), sum(bool(p.pcr) for p in cohort.imaged), len(cohort.labelled)) == (198, 64, 980)
