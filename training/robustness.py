"""How far the answer of an exported file moves when the lesion is found beside its place, or longer or shorter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from pcr.crop import normalise
from pcr.lesion_box import encode_box
from training.cohorts import Patient
from training.config import Config
from training.crops import load_crop
from training.data import clinical_rows
from training.onnx_file import run_onnx
from training.transforms import Variant, misplaced

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far the probability moves, over patients."""

    median: float
    p95: float
    most: float

    @classmethod
    def of(cls, moved: npt.NDArray[np.float64]) -> Moved:
        """Summary of absolute differences [patients]."""
        median, p95 = np.percentile(moved, [50, 95])
        return cls(median=round(float(median), 4), p95=round(float(p95), 4), most=round(float(moved.max()), 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """The worst of four directions in the plane, `augmentation.shift_mm` away; and both errors of the extent."""

    displaced: Moved
    larger: Moved
    smaller: Moved


def check_robustness(path: Path, patients: Sequence[Patient], config: Config, progress: Progress) -> Robustness:
    """Run every patient through the file as she is and with each error; all clinical variables as they are known."""
    task = progress.add_task("Robustness of the exported file", total=len(patients))
    moved = []
    for patient in patients:
        moved.append(_moved(path, patient, config))
        progress.advance(task)
    displaced, larger, smaller = np.asarray(moved).T
    return Robustness(displaced=Moved.of(displaced), larger=Moved.of(larger), smaller=Moved.of(smaller))


def _moved(path: Path, patient: Patient, config: Config) -> tuple[float, float, float]:
    if patient.imaging is None:
        raise ValueError(f"{patient.patient_id} has no images")
    crop, far, longer = (
        load_crop(patient.imaging, config.crop),
        config.augmentation.shift_mm,
        1 + config.augmentation.extent,
    )
    errors = [(0.0, 0.0, 1.0), *((far * r, far * c, 1.0) for r, c in _DIRECTIONS), (0, 0, longer), (0, 0, 1 / longer)]
    variants: list[Variant] = [misplaced(crop, config.crop, *error) for error in errors]
    row = clinical_rows([patient], config.clinical.variables)
    boxes = np.stack([encode_box(variant.box, config.lesion_inputs) for variant in variants])
    feeds = {
        "image": np.stack([normalise(variant.pixels, config.normalisation) for variant in variants]),
        "clinical": np.concatenate([np.tile(row.values.numpy(), (len(variants), 1)), boxes], axis=1),
        "clinical_missing": np.concatenate([np.tile(row.missing.numpy(), (len(variants), 1)), 0 * boxes], axis=1),
    }
    probability = run_onnx(path, feeds)["probability"].astype(float)
    change = np.abs(probability - probability[0])
    return float(change[1:5].max()), float(change[5]), float(change[6])
