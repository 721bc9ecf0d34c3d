"""Batches: inputs, labels and encoded clinical variables; copies drawn without hidden state."""

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
from training.config import ImbalanceSettings
from training.features import Cache

Indices = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Input of the encoder [N, ...], coverage [N, S, R, C], label [N], clinical and flags [N, K], lesion [N, L]."""

    input: Tensor
    coverage: Tensor
    label: Tensor
    clinical: Tensor
    missing: Tensor
    lesion: Tensor


@dataclass(frozen=True, slots=True)
class ClinicalRows:
    """Labels [N], encoded values [N, K] and missing flags [N, K], float32, and the sites they came from."""

    label: Tensor
    values: Tensor
    missing: Tensor
    sites: tuple[str, ...]

    def __getitem__(self, chosen: Indices) -> ClinicalRows:
        """The rows with these indices."""
        places = torch.from_numpy(chosen)
        sites = tuple(self.sites[index] for index in chosen)
        return ClinicalRows(self.label[places], self.values[places], self.missing[places], sites)

    def joined(self, other: ClinicalRows) -> ClinicalRows:
        """These rows and the other's."""
        return ClinicalRows(
            torch.cat([self.label, other.label]),
            torch.cat([self.values, other.values]),
            torch.cat([self.missing, other.missing]),
            self.sites + other.sites,
        )


def clinical_rows(patients: Sequence[Patient], variables: Sequence[ClinicalVariable]) -> ClinicalRows:
    """Encode labelled patients; the encoding is the application's own."""
    encoded = [encode(patient.clinical, variables) for patient in patients]
    shape = (len(patients), len(variables))
    return ClinicalRows(
        label=torch.tensor([float(bool(patient.pcr)) for patient in patients]),
        values=torch.from_numpy(np.asarray([record.values for record in encoded], np.float32).reshape(shape)),
        missing=torch.from_numpy(np.asarray([record.missing for record in encoded], np.float32).reshape(shape)),
        sites=tuple(patient.site for patient in patients),
    )


class CaseDataset(Dataset[Batch]):
    """Cases by (patient index, copy); whole batches are gathered at once."""

    def __init__(
        self, inputs: Tensor | npt.NDArray[np.float16], cache: Cache, rows: ClinicalRows, lesion: Tensor
    ) -> None:
        self.inputs = inputs
        self.cache = cache
        self.rows = rows
        self.lesion = lesion

    def __len__(self) -> int:
        return len(self.rows.label)

    def __getitems__(self, places: Sequence[tuple[int, int]]) -> Batch:
        """The batch of these places."""
        patients, copies = (np.asarray(axis) for axis in zip(*places, strict=True))
        rows = self.rows[patients]
        inputs = self.inputs[patients, copies]
        if not isinstance(inputs, Tensor):
            inputs = torch.from_numpy(inputs.astype(np.float32))
        return Batch(
            input=inputs,
            coverage=torch.from_numpy(self.cache.coverage[patients, copies]),
            label=rows.label,
            clinical=rows.values,
            missing=rows.missing,
            lesion=self.lesion[patients, copies],
        )

    def cases(self, patients: Indices, copy: int) -> Batch:
        """All of `patients` in one copy."""
        return self.__getitems__([(int(patient), copy) for patient in patients])


class CopySampler(Sampler[tuple[int, int]]):
    """As many cases as there are patients an epoch, in an order and copies that follow from seed and epoch alone.

    So a training that was stopped and goes on sees what an unbroken one would have seen.
    """

    def __init__(self, patients: Indices, copies: Indices, seed: int) -> None:
        self.patients = patients
        self.copies = copies
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.patients)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = self.order(generator)
        copies = generator.choice(self.copies, size=len(order))
        return iter([(int(patient), int(copy)) for patient, copy in zip(order, copies, strict=True)])

    def order(self, generator: np.random.Generator) -> Indices:
        """Every patient once."""
        return generator.permutation(self.patients)


class BalancedSampler(CopySampler):
    """Draws responders and non-responders equally often, with replacement."""

    def __init__(self, patients: Indices, copies: Indices, seed: int, label: Tensor) -> None:
        super().__init__(patients, copies, seed)
        self.label = label.numpy()

    def order(self, generator: np.random.Generator) -> Indices:
        """As many draws as there are patients, half of them responders."""
        responds = self.label[self.patients] > 0.5
        weight = np.where(responds, 0.5 / responds.sum(), 0.5 / (~responds).sum())
        return generator.choice(self.patients, size=len(self.patients), p=weight)


def training_loader(
    dataset: CaseDataset, patients: Indices, copies: Indices, batch_size: int, seed: int, imbalance: ImbalanceSettings
) -> DataLoader[Batch]:
    """Shuffled batches over `patients`, each in one of `copies`."""
    sampler = (
        BalancedSampler(patients, copies, seed, dataset.rows.label)
        if imbalance.sampling == "balanced"
        else CopySampler(patients, copies, seed)
    )
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, collate_fn=_as_it_is)


def plain_loader(dataset: CaseDataset, patients: Indices, batch_size: int) -> DataLoader[Batch]:
    """The plain copies of `patients`, in order."""
    places = [(int(patient), 0) for patient in patients]
    return DataLoader(dataset, batch_size=batch_size, sampler=places, collate_fn=_as_it_is)


def whole_batch(rows: ClinicalRows) -> DataLoader[tuple[Tensor, ...]]:
    """The clinical rows as one batch of (label, values, missing)."""
    return DataLoader(TensorDataset(rows.label, rows.values, rows.missing), batch_size=len(rows.label))


def _as_it_is(batch: Batch) -> Batch:
    return batch
