"""Small invented cohorts in both layouts of MAMA-MIA: a reduced pack and a full release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from training.config import CropSettings
from training.phase_choice import PhaseTargets

# The reduced pack: 80 mm, of which the network sees 60 mm.
GRID = 24
STORED_GRID = 32
SLICES = 8
SPACING_MM = (2.5, 2.5, 5.0)
IMAGED = 24
ROWS_ONLY = 16
TIMES_S = [0, 100, 190, 280, 370, 460, 550]

# The full release: columns, rows and slices differ in number and spacing.
FULL_SHAPE = (64, 56, 20)
FULL_SPACING_MM = (1.25, 2.0, 2.5)
FULL_TIMES_S = [0, 100, 190, 370, 550]
FULL_IMAGED = 6
LESION_CENTRE = (40, 28, 9)
LESION_RADIUS_MM = 12.0
GAINS = (0, 150, 120, 110, 100)

CROP = CropSettings(window_mm=60, grid=GRID, margin_mm=10, slices=SLICES, extent_fraction=0.7)
TARGETS = PhaseTargets(early_s=120, late_s=440, injection_before_first_post_s=30)


def write_cohort(folder: Path) -> Path:
    """Write a reduced pack; responders have smaller tumours and are more often receptor negative.

    It holds I-SPY 2 with images, rows only and an unknown label; I-SPY 1 patients whose files are no images at all.
    """
    generator = np.random.default_rng(7)
    rows = [_row(f"ISPY2_{index:04d}", "ISPY2", index, generator) for index in range(IMAGED + ROWS_ONLY)]
    rows.append(_row("ISPY2_9999", "ISPY2", 0, generator) | {"pcr": np.nan})
    rows += [_row(f"ISPY1_{index:04d}", "ISPY1", index, generator) for index in range(4)]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder, rows)
    for row in rows[:IMAGED]:
        write_images(folder, str(row["patient_id"]), bool(row["pcr"]), generator)
    for row in rows[-4:]:
        _write_no_images(folder, str(row["patient_id"]))
    geometry = [{"patient_id": row["patient_id"], "phase_early": 2, "phase_late": 6} for row in rows]
    pd.DataFrame(geometry).to_csv(folder / "geometry.csv", index=False)
    return folder


def write_full_cohort(folder: Path) -> Path:
    """Write a full release of a data set that is called DUKE; the last patient has a row alone."""
    generator = np.random.default_rng(8)
    rows = [_row(f"DUKE_{index:03d}", "DUKE", index, generator) for index in range(FULL_IMAGED + 1)]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder, [row | {"acquisition_times": str(FULL_TIMES_S)} for row in rows])
    for row in rows[:FULL_IMAGED]:
        write_volumes(folder, str(row["patient_id"]), generator)
    return folder


def write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the clinical table."""
    pd.DataFrame(rows).to_excel(folder / "clinical_and_imaging_info.xlsx", index=False)


def write_images(
    folder: Path, patient_id: str, responder: bool, generator: np.random.Generator, slices: int = SLICES
) -> None:
    """Write three phases and a box for one patient of a reduced pack, stored as columns, rows, slices."""
    half = 4 if responder else 7
    low, high = STORED_GRID // 2 - half, STORED_GRID // 2 + half
    region = np.zeros((STORED_GRID, STORED_GRID, slices), dtype=np.uint8)
    region[low:high, low:high] = 1
    phases = [generator.integers(20, 50, region.shape) + gain * region for gain in (20, 150, 120)]
    _write_patient(folder, patient_id, phases, region, SPACING_MM)


def write_volumes(folder: Path, patient_id: str, generator: np.random.Generator) -> None:
    """Write all phases and a ball of a contour for one patient of a full release, stored as columns, rows, slices."""
    places = np.meshgrid(*(np.arange(size) for size in FULL_SHAPE), indexing="ij")
    distances_mm = [(p - c) * mm for p, c, mm in zip(places, LESION_CENTRE, FULL_SPACING_MM, strict=True)]
    region = (np.linalg.norm(distances_mm, axis=0) <= LESION_RADIUS_MM).astype(np.uint8)
    phases = [generator.integers(100, 120, region.shape) + gain * region for gain in GAINS]
    _write_patient(folder, patient_id, phases, region, FULL_SPACING_MM)


def _write_patient(
    folder: Path,
    patient_id: str,
    phases: list[np.ndarray],
    region: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> None:
    images, regions = folder / "images" / patient_id, folder / "segmentations" / "expert"
    images.mkdir(parents=True, exist_ok=True)
    regions.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing_mm, 1.0])
    for index, phase in enumerate(phases):
        voxels = phase.astype(np.uint8 if phase.max() < 256 else np.int16)
        nib.Nifti1Image(voxels, affine).to_filename(images / f"{patient_id.lower()}_{index:04d}.nii.gz")
    nib.Nifti1Image(region, affine).to_filename(regions / f"{patient_id.lower()}.nii.gz")


def _write_no_images(folder: Path, patient_id: str) -> None:
    images = folder / "images" / patient_id
    images.mkdir(parents=True)
    for name in ("0000", "0001", "0002"):
        (images / f"{patient_id.lower()}_{name}.nii.gz").write_bytes(b"not to be read")
    (folder / "segmentations" / "expert" / f"{patient_id.lower()}.nii.gz").write_bytes(b"not to be read")


def _row(patient_id: str, dataset: str, index: int, generator: np.random.Generator) -> dict[str, Any]:
    responder = index % 3 == 0
    return {
        "patient_id": patient_id,
        "dataset": dataset,
        # The real table has blanks behind the names.
        "site": f"Site {'ABC'[index // 3 % 3]} ",
        "pcr": float(responder),
        "age": float(generator.integers(30, 70)),
        "hr": float(generator.random() < (0.3 if responder else 0.7)),
        "her2": float(generator.random() < 0.3),
        "menopause": "post",
        "acquisition_times": str(TIMES_S),
    }
