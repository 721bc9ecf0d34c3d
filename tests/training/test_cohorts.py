"""The cohort reader: what it reads, what it never opens, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.conftest import GRID, IMAGED, ROWS_ONLY, write_images
from training.cohorts import TABLE, CohortError, load_crop, read_cohort


def test_rows_without_images_are_kept_for_the_clinical_part(cohort_folder: Path) -> None:
    cohort = read_cohort(cohort_folder, "ISPY2")
    assert (len(cohort.imaged), len(cohort.rows_only)) == (IMAGED, ROWS_ONLY)


def test_an_unknown_label_is_left_out_and_not_negative(cohort_folder: Path) -> None:
    cohort = read_cohort(cohort_folder, "ISPY2")
    assert next(p for p in cohort.patients if p.patient_id == "ISPY2_9999").pcr is None
    assert "ISPY2_9999" not in {p.patient_id for p in cohort.labelled}


def test_rows_of_another_data_set_are_not_read(cohort_folder: Path) -> None:
    assert {p.dataset for p in read_cohort(cohort_folder, "ISPY2").patients} == {"ISPY2"}


def test_a_crop_has_rows_before_columns(cohort_folder: Path) -> None:
    patient = read_cohort(cohort_folder, "ISPY2").imaged[0]
    assert patient.imaging is not None
    crop = load_crop(patient.imaging, 8)
    assert crop.pixels.shape == (3, 8, GRID, GRID)
    assert crop.spacing_mm == (5.0, 2.5, 2.5)


def test_early_and_late_times_are_those_of_the_geometry(cohort_folder: Path) -> None:
    timing = read_cohort(cohort_folder, "ISPY2").imaged[0].timing
    assert timing is not None
    assert (timing.first_post_s, timing.early_s, timing.late_s) == (100, 190, 550)


def test_missing_slices_are_repeated_evenly(own_cohort_folder: Path) -> None:
    write_images(own_cohort_folder, "ISPY2_0000", True, np.random.default_rng(0), slices=5)
    patient = read_cohort(own_cohort_folder, "ISPY2").imaged[0]
    assert patient.imaging is not None
    few, many = load_crop(patient.imaging, 5).pixels, load_crop(patient.imaging, 8).pixels
    assert np.array_equal(many, few[:, np.round(np.linspace(0, 4, 8)).astype(int)])


def test_a_missing_phase_is_named(own_cohort_folder: Path) -> None:
    (own_cohort_folder / "images" / "ISPY2_0003" / "ispy2_0003_0001.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"ISPY2_0003: files are missing: ispy2_0003_0001"):
        read_cohort(own_cohort_folder, "ISPY2")


def test_all_findings_are_listed_at_once(own_cohort_folder: Path) -> None:
    for name in ("0003", "0005"):
        (own_cohort_folder / "segmentations" / "expert" / f"ispy2_{name}.nii.gz").unlink()
    with pytest.raises(CohortError, match=r"(?s)2 of 41.*ISPY2_0003.*ISPY2_0005"):
        read_cohort(own_cohort_folder, "ISPY2")


def test_phases_of_different_shape_are_refused(own_cohort_folder: Path) -> None:
    other = own_cohort_folder / "images" / "ISPY2_0000" / "ispy2_0000_0002.nii.gz"
    write_images(own_cohort_folder, "ISPY2_9000", True, np.random.default_rng(0), slices=5)
    other.write_bytes((own_cohort_folder / "images" / "ISPY2_9000" / "ispy2_9000_0002.nii.gz").read_bytes())
    patient = read_cohort(own_cohort_folder, "ISPY2").imaged[0]
    assert patient.imaging is not None
    with pytest.raises(CohortError, match="differ in shape"):
        load_crop(patient.imaging, 8)


def test_an_empty_region_is_refused(own_cohort_folder: Path) -> None:
    region = own_cohort_folder / "segmentations" / "expert" / "ispy2_0000.nii.gz"
    import nibabel as nib

    nib.Nifti1Image(np.zeros((GRID, GRID, 8), dtype=np.uint8), np.eye(4)).to_filename(region)
    patient = read_cohort(own_cohort_folder, "ISPY2").imaged[0]
    assert patient.imaging is not None
    with pytest.raises(CohortError, match="region is empty"):
        load_crop(patient.imaging, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hr": 2.0}, "hr is 2"),
        ({"tumor_subtype": "triple_negative", "hr": 1.0}, "subtype triple_negative contradicts"),
        ({"er": 1.0, "hr": 0.0}, "hr contradicts er and pr"),
        ({"age": 500.0}, "ISPY2_0001: .*age"),
    ],
)
def test_contradictory_rows_are_refused(own_cohort_folder: Path, change: dict[str, object], message: str) -> None:
    table = pd.read_excel(own_cohort_folder / TABLE).astype(object)
    for column, value in change.items():
        table.loc[table["patient_id"] == "ISPY2_0001", column] = value
    table.to_excel(own_cohort_folder / TABLE, index=False)
    with pytest.raises(CohortError, match=message):
        read_cohort(own_cohort_folder, "ISPY2")


def test_two_rows_for_one_patient_are_refused(own_cohort_folder: Path) -> None:
    table = pd.read_excel(own_cohort_folder / TABLE)
    twice = table[table["patient_id"] == "ISPY2_0001"].assign(pcr=1.0)
    pd.concat([table, twice]).to_excel(own_cohort_folder / TABLE, index=False)
    with pytest.raises(CohortError, match="more than one row for ISPY2_0001"):
        read_cohort(own_cohort_folder, "ISPY2")


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="has no clinical_and_imaging_info"):
        read_cohort(tmp_path, "ISPY2")


def test_the_real_cohort_has_198_patients_with_images() -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "cohort"
    if not folder.is_dir():
        pytest.skip("../shared/data/cohort is absent")
    cohort = read_cohort(folder, "ISPY2")
    assert (len(cohort.imaged), sum(bool(p.pcr) for p in cohort.imaged), len(cohort.labelled)) == (198, 64, 980)
