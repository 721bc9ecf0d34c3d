"""Batches for the heads: cached cells, labels and encoded clinical variables; variants drawn without hidden state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from pcr.clinical import encode
from pcr.manifest import ClinicalVariable
from training.cohorts import Patient
from training.features import CachedCells


class Batch(NamedTuple):
    """One batch: cells [N, S, R, C, F], coverage [N, S, R, C], label [N], clinical and its missing flags [N, K]."""

    cells: Tensor
    coverage: Tensor
    label: Tensor
    clinical: Tensor
    missing: Tensor


@dataclass(frozen=True, slots=True)
class ClinicalRows:
    """Labels [N], encoded values [N, K] and missing flags [N, K], float32."""

    label: Tensor
    values: Tensor
    missing: Tensor


def clinical_rows(patients: Sequence[Patient], variables: Sequence[ClinicalVariable]) -> ClinicalRows:
    """Encode labelled patients; the encoding is the application's own."""
    encoded = [encode(patient.clinical, variables) for patient in patients]
    return ClinicalRows(
        label=torch.tensor([float(bool(patient.pcr)) for patient in patients]),
        values=torch.from_numpy(np.stack([record.values for record in encoded])),
        missing=torch.from_numpy(np.stack([record.missing for record in encoded])),
    )


class CellDataset(Dataset[Batch]):
    """Single cases by (patient index, variant)."""

    def __init__(self, cached: CachedCells, rows: ClinicalRows) -> None:
        self.cached = cached
        self.rows = rows

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        """The case of one patient in one variant, without a batch axis."""
        patient, variant = place
        return Batch(
            cells=torch.from_numpy(np.array(self.cached.cells[patient, variant], dtype=np.float32)),
            coverage=torch.from_numpy(self.cached.coverage[patient, variant]),
            label=self.rows.label[patient],
            clinical=self.rows.values[patient],
            missing=self.rows.missing[patient],
        )


class VariantSampler(Sampler[tuple[int, int]]):
    """Every patient once an epoch, in an order and variant that follow from seed and epoch alone.

    So a training that was stopped and goes on sees what an unbroken one would have seen.
    """

    def __init__(self, patients: npt.NDArray[np.int64], variants: int, seed: int) -> None:
        self.patients = patients
        self.variants = variants
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.patients)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(self.patients)
        variants = generator.integers(self.variants, size=len(order))
        return iter([(int(patient), int(variant)) for patient, variant in zip(order, variants, strict=True)])


def training_loader(
    dataset: CellDataset, patients: npt.NDArray[np.int64], batch_size: int, seed: int
) -> DataLoader[Batch]:
    """Shuffled batches over `patients` with a random variant each."""
    sampler = VariantSampler(patients, dataset.cached.variants, seed)
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler)


def whole_batch(rows: ClinicalRows) -> DataLoader[tuple[Tensor, ...]]:
    """The clinical rows as one batch of (label, values, missing)."""
    return DataLoader(TensorDataset(rows.label, rows.values, rows.missing), batch_size=len(rows.label))


def cases(dataset: CellDataset, patients: Sequence[int] | npt.NDArray[np.int64], variant: int) -> Batch:
    """All `patients` in one variant as one batch."""
    singles = [dataset[int(patient), variant] for patient in patients]
    return Batch(*(torch.stack(list(field)) for field in zip(*singles, strict=True)))
