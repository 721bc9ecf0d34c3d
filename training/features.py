"""Cells of the frozen backbone for every patient and variant, computed once and kept in the run folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pcr.crop import normalise
from training.cohorts import Patient, load_crop
from training.config import Config
from training.networks import Backbone
from training.transforms import make_variants

Advance = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedCells:
    """Inputs of the heads; axis 0 is the patient, axis 1 the variant, of which the first is the unaltered crop.

    Attributes:
        cells: float16 [patients, variants, slices, rows, columns, channels], mapped from disk.
        coverage: float32 [patients, variants, slices, rows, columns], the share of each cell inside the region.
    """

    patient_ids: tuple[str, ...]
    cells: npt.NDArray[np.float16]
    coverage: npt.NDArray[np.float32]

    @property
    def variants(self) -> int:
        """Number of variants, the unaltered crop included."""
        return int(self.cells.shape[1])

    @property
    def channels(self) -> int:
        """Features of a cell."""
        return int(self.cells.shape[-1])


def cached_cells(folder: Path, patients: Sequence[Patient], config: Config, advance: Advance) -> CachedCells:
    """Read the cells of `patients` from `folder`, or compute them first; `advance` is called once a patient.

    The cache belongs to one set of patients and settings: anything else is computed anew, never mixed.
    """
    ids = tuple(patient.patient_id for patient in patients)
    key = _key(ids, config)
    marker = folder / "key.json"
    if not (marker.is_file() and json.loads(marker.read_text("utf-8")) == key):
        folder.mkdir(parents=True, exist_ok=True)
        marker.unlink(missing_ok=True)
        _compute(folder, patients, config, advance)
        marker.write_text(json.dumps(key), "utf-8")
    return CachedCells(
        patient_ids=ids,
        cells=np.load(folder / "cells.npy", mmap_mode="r"),
        coverage=np.load(folder / "coverage.npy"),
    )


def cell_coverage(region: Tensor, rows: int, columns: int) -> Tensor:
    """Share of each cell inside the region: [..., height, width] of 0 and 1 becomes [..., rows, columns]."""
    return functional.adaptive_avg_pool2d(region.float(), (rows, columns))


def _compute(folder: Path, patients: Sequence[Patient], config: Config, advance: Advance) -> None:
    backbone = Backbone(config.network.last_block)
    cells: npt.NDArray[np.float16] | None = None
    coverages: list[npt.NDArray[np.float32]] = []
    for index, patient in enumerate(patients):
        features, coverage = _cells_of(patient, index, backbone, config)
        if cells is None:
            shape = (len(patients), *features.shape)
            cells = np.lib.format.open_memmap(folder / "cells.npy", mode="w+", dtype=np.float16, shape=shape)
        cells[index] = features
        coverages.append(coverage)
        advance()
    np.save(folder / "coverage.npy", np.stack(coverages))
    del cells  # closes the map, so that the marker is written after the data


@torch.inference_mode()
def _cells_of(
    patient: Patient, index: int, backbone: Backbone, config: Config
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    if patient.imaging is None:
        raise ValueError(f"{patient.patient_id} has no images")
    crop = load_crop(patient.imaging, config.crop.slices)
    variants = make_variants(crop, config.augmentation, (config.seed, index))
    images = [torch.from_numpy(normalise(variant.pixels, config.normalisation)) for variant in variants]
    # One at a time: the early layers of all variants together take so much memory that handing it out takes longer
    # than the arithmetic.
    features = torch.cat([backbone(image[None]) for image in images])
    regions = torch.from_numpy(np.stack([variant.region for variant in variants]))
    coverage = cell_coverage(regions, features.shape[2], features.shape[3])
    return features.half().numpy(), coverage.numpy()


def _key(ids: Sequence[str], config: Config) -> dict[str, str]:
    relevant = config.plain()
    used = [relevant[name] for name in ("seed", "crop", "normalisation", "augmentation")]
    settings = json.dumps([*used, config.network.last_block], sort_keys=True)
    return {
        "patients": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
    }
