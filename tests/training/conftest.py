"""A small made-up cohort in the layout of MAMA-MIA, and settings that train on it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from rich.progress import Progress

from training.cohorts import Cohort, read_cohort
from training.config import Config, read_config
from training.crossval import crossval
from training.runfolder import RunFolder

GRID = 32
SLICES = 8
SPACING_MM = (2.5, 2.5, 5.0)
IMAGED = 24
ROWS_ONLY = 16


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """I-SPY 2 with images, rows only and an unknown label; I-SPY 1 patients whose files are no images at all."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def own_cohort_folder(tmp_path: Path) -> Path:
    """The same, to be damaged by a test."""
    return write_cohort(tmp_path / "cohort")


@pytest.fixture(scope="session")
def config() -> Config:
    default = read_config(Path(__file__).parents[2] / "training" / "configs" / "default.yaml")
    plain = default.plain()
    plain["folds"] = 2
    plain["bootstrap"] = 50
    plain["crop"] |= {"grid": GRID, "slices": SLICES}
    plain["augmentation"] |= {"variants": 1}
    plain["network"] |= {"last_block": 4, "projection": 3, "attention_hidden": 4}
    for step in plain["steps"].values():
        step |= {"epochs": 2, "batch_size": 6}
    return Config.model_validate(plain)


@pytest.fixture(scope="session")
def cohort(cohort_folder: Path) -> Cohort:
    return read_cohort(cohort_folder, "ISPY2")


@pytest.fixture(scope="session")
def finished(cohort: Cohort, config: Config, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run folder of an unbroken crossval; not to be written to."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    crossval(cohort, config, run, Progress(disable=True))
    return run


@pytest.fixture(scope="session")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(config.plain()), "utf-8")
    return path


def write_cohort(folder: Path) -> Path:
    """Write the cohort; responders have smaller tumours and are more often receptor negative."""
    generator = np.random.default_rng(7)
    rows = [_row(f"ISPY2_{index:04d}", "ISPY2", index, generator) for index in range(IMAGED + ROWS_ONLY)]
    rows.append(_row("ISPY2_9999", "ISPY2", 0, generator) | {"pcr": np.nan})
    rows += [_row(f"ISPY1_{index:04d}", "ISPY1", index, generator) for index in range(4)]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder, rows)
    (folder / "segmentations" / "expert").mkdir(parents=True)
    for row in rows[:IMAGED]:
        write_images(folder, str(row["patient_id"]), bool(row["pcr"]), generator)
    for row in rows[-4:]:
        images = folder / "images" / str(row["patient_id"])
        images.mkdir(parents=True)
        for name in ("0000", "0001", "0002"):
            (images / f"{str(row['patient_id']).lower()}_{name}.nii.gz").write_bytes(b"not to be read")
        region = folder / "segmentations" / "expert" / f"{str(row['patient_id']).lower()}.nii.gz"
        region.write_bytes(b"not to be read")
    geometry = [{"patient_id": row["patient_id"], "phase_early": 2, "phase_late": 6} for row in rows]
    pd.DataFrame(geometry).to_csv(folder / "geometry.csv", index=False)
    return folder


def write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the clinical table."""
    pd.DataFrame(rows).to_excel(folder / "clinical_and_imaging_info.xlsx", index=False)


def write_images(
    folder: Path, patient_id: str, responder: bool, generator: np.random.Generator, slices: int = SLICES
) -> None:
    """Write three phases and a box for one patient, stored as columns, rows, slices."""
    half = 4 if responder else 7
    low, high = GRID // 2 - half, GRID // 2 + half
    region = np.zeros((GRID, GRID, slices), dtype=np.uint8)
    region[low:high, low:high] = 1
    images = folder / "images" / patient_id
    images.mkdir(parents=True, exist_ok=True)
    for phase, gain in enumerate((20, 150, 120)):
        pixels = generator.integers(20, 50, region.shape) + gain * region
        _save(pixels.astype(np.uint8), images / f"{patient_id.lower()}_{phase:04d}.nii.gz")
    _save(region, folder / "segmentations" / "expert" / f"{patient_id.lower()}.nii.gz")


def _save(voxels: np.ndarray, path: Path) -> None:
    nib.Nifti1Image(voxels, np.diag([*SPACING_MM, 1.0])).to_filename(path)


def _row(patient_id: str, dataset: str, index: int, generator: np.random.Generator) -> dict[str, Any]:
    responder = index % 3 == 0
    return {
        "patient_id": patient_id,
        "dataset": dataset,
        "site": "Site A",
        "pcr": float(responder),
        "age": float(generator.integers(30, 70)),
        "hr": float(generator.random() < (0.3 if responder else 0.7)),
        "her2": float(generator.random() < 0.3),
        "menopause": "post",
        "acquisition_times": str([0, 100, 190, 280, 370, 460, 550]),
    }
