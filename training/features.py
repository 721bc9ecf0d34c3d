"""What the networks read of every patient and copy, computed once and kept in the run folder.

A frozen backbone leaves its cells, a fine-tuned one the normalised images; with them go how much of each cell the
tumour region covers and the sides of the lesion's box.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pcr.crop import normalise
from pcr.lesion_box import LesionBox, encode_box
from pcr.manifest import LesionVariable
from training.backbones import Backbone, make_backbone
from training.cohorts import Patient
from training.config import Config
from training.crops import load_crop
from training.threads import one_thread
from training.transforms import make_variants

Advance = Callable[[int], None]

_PATIENTS_A_TASK = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Inputs of patients; axis 0 is the patient, axis 1 the copy: the plain one, the shifted, the altered ones.

    Attributes:
        inputs: float16, mapped from disk: cells [patients, copies, slices, rows, columns, channels], or normalised
            images [patients, copies, 3, slices, height, width] for a backbone that is fine-tuned.
        coverage: float32 [patients, copies, slices, rows, columns], the share of each cell inside the region.
        boxes_mm: float32 [patients, copies, 3], sides of the lesion's box through slices, along rows and columns.
    """

    inputs: npt.NDArray[np.float16]
    coverage: npt.NDArray[np.float32]
    boxes_mm: npt.NDArray[np.float32]

    @classmethod
    def read(cls, folder: Path) -> Cache:
        """Map what `prepare_cache` left in `folder`."""
        return cls(
            inputs=np.load(folder / "inputs.npy", mmap_mode="r"),
            coverage=np.load(folder / "coverage.npy", mmap_mode="r"),
            boxes_mm=np.load(folder / "boxes_mm.npy"),
        )

    def lesion(self, variables: Sequence[LesionVariable]) -> Tensor:
        """Encoded lesion variables, float32 [patients, copies, L]."""
        boxes = [LesionBox(slices_mm=s, rows_mm=r, columns_mm=c) for s, r, c in self.boxes_mm.reshape(-1, 3).tolist()]
        encoded = np.stack([encode_box(box, variables) for box in boxes])
        return torch.from_numpy(encoded).reshape(*self.boxes_mm.shape[:2], len(variables))


def cache_name(patients: Sequence[Patient], config: Config) -> str:
    """Folder of the cache: it tells backbone, patients and settings, so nothing is ever mixed."""
    plain = config.plain()
    network = config.network
    used = [plain[name] for name in ("seed", "crop", "normalisation", "augmentation")]
    text = json.dumps([*used, [patient.patient_id for patient in patients]], sort_keys=True)
    return f"{network.backbone}-{network.backbone_training}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def prepare_cache(folder: Path, patients: Sequence[Patient], config: Config, workers: int, advance: Advance) -> None:
    """Compute the cache of `patients` unless it is there; `advance` is called with the number that were done."""
    marker = folder / "complete"
    if marker.is_file():
        advance(len(patients))
        return
    folder.mkdir(parents=True, exist_ok=True)
    places = np.array_split(np.arange(len(patients)), max(1, len(patients) // _PATIENTS_A_TASK))
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    tasks = (joblib.delayed(_compute)([(int(i), patients[i]) for i in some], config) for some in places)
    inputs: npt.NDArray[np.float16] | None = None
    coverages, boxes = [], []
    for some, computed in zip(places, parallel(tasks), strict=True):
        for index, case in zip(some, computed, strict=True):
            if inputs is None:
                shape = (len(patients), *case.inputs.shape)
                inputs = np.lib.format.open_memmap(folder / "inputs.npy", mode="w+", dtype=np.float16, shape=shape)
            inputs[index] = case.inputs
            coverages.append(case.coverage)
            boxes.append(case.boxes_mm)
        advance(len(some))
    np.save(folder / "coverage.npy", np.stack(coverages))
    np.save(folder / "boxes_mm.npy", np.stack(boxes))
    del inputs  # closes the map, so that the marker is written after the data
    marker.touch()


def cell_coverage(region: Tensor, cells: Sequence[int]) -> Tensor:
    """Share of each cell inside the region: 0 and 1 of [N, slices, height, width] become [N, *cells]."""
    return functional.adaptive_avg_pool3d(region.float()[:, None], tuple(cells))[:, 0]


def _compute(places: Sequence[tuple[int, Patient]], config: Config) -> list[Cache]:
    """What is cached of some patients, given with their places in the cohort, which seed their copies."""
    with one_thread(), torch.inference_mode():
        backbone = make_backbone(config.network.backbone).frozen()
        return [_compute_one(index, patient, backbone, config) for index, patient in places]


def _compute_one(index: int, patient: Patient, backbone: Backbone, config: Config) -> Cache:
    if patient.imaging is None:
        raise ValueError(f"{patient.patient_id} has no images")
    crop = load_crop(patient.imaging, config.crop)
    variants = make_variants(crop, config.crop, config.augmentation, (config.seed, index))
    images = [torch.from_numpy(normalise(variant.pixels, config.normalisation)) for variant in variants]
    keeps_cells = config.network.backbone_training == "frozen"
    # One at a time: the early layers of all copies together take so much memory that handing it out takes longer than
    # the arithmetic.
    cells = torch.cat([backbone(image[None]) for image in (images if keeps_cells else images[:1])])
    regions = torch.from_numpy(np.stack([variant.region for variant in variants]))
    return Cache(
        inputs=(cells if keeps_cells else torch.stack(images)).half().numpy(),
        coverage=cell_coverage(regions, cells.shape[1:4]).numpy(),
        boxes_mm=np.asarray([_sides(variant.box) for variant in variants], dtype=np.float32),
    )


def _sides(box: LesionBox) -> tuple[float, float, float]:
    return box.slices_mm, box.rows_mm, box.columns_mm
