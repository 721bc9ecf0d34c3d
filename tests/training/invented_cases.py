"""Invented cases for the networks, and patients for the folds, without any file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from pcr.clinical import ClinicalRecord
from training.cohorts import Imaging, Layout, Patient
from training.config import Config
from training.data import CaseDataset, ClinicalRows
from training.features import Cache
from training.networks import Network
from training.splits import Split
from training.unit import make_head

PATIENTS = 30
COPIES = 3
CELLS = (2, 4, 4)
FIT, STOP, HELD_OUT = np.arange(16), np.arange(16, 24), np.arange(24, PATIENTS)

_NO_FILES = Imaging(
    layout=Layout.REDUCED, phases=(Path(), Path(), Path()), region=Path(), shape=(8, 32, 32), spacing_mm=(5, 2.5, 2.5)
)


def make_cases(config: Config) -> CaseDataset:
    """Cases whose tumour is a quarter of the window: its cells are marked, and tell who responds, with noise."""
    generator = np.random.default_rng(1)
    coverage = np.zeros((PATIENTS, COPIES, *CELLS), np.float32)
    for place in np.ndindex(PATIENTS, COPIES):
        row, column = generator.integers(0, 3, 2)
        coverage[place][:, row : row + 2, column : column + 2] = 1
    rows = make_rows(PATIENTS)
    cells = generator.normal(size=(*coverage.shape, config.network.components)).astype(np.float32)
    cells[..., 0] += 2 * coverage
    cells[..., 1] += (rows.label.numpy()[:, None, None, None, None] - 0.5) * coverage
    boxes_mm = generator.uniform(10, 60, (PATIENTS, COPIES, 3)).astype(np.float32)
    cache = Cache(inputs=cells.astype(np.float16), coverage=coverage, boxes_mm=boxes_mm)
    return CaseDataset(torch.from_numpy(cells), cache, rows, cache.lesion(config.lesion))


def make_patients(count: int, imaged: int, seed: int = 4) -> tuple[Patient, ...]:
    """Patients of sites A to D, of whom every third responds; D is small. The last ones have rows alone, some of them
    of site E. Age and menopausal status tell a little of who responds; receptor status is not known.
    """
    generator = np.random.default_rng(seed)
    label = np.arange(count) % 3 == 0
    age = generator.normal(np.where(label, 46, 52), 9).clip(20, 90)
    post = generator.random(count) < np.where(label, 0.3, 0.6)
    sites = [*("ABCABCABCD"[index % 10] for index in range(imaged)), *("ABCDE"[i % 5] for i in range(count - imaged))]
    return tuple(
        Patient(
            patient_id=f"P{index:04d}",
            dataset="ISPY2",
            site=sites[index],
            pcr=bool(label[index]),
            clinical=ClinicalRecord(age=float(age[index]), menopausal_status="post" if post[index] else "pre"),
            imaging=_NO_FILES if index < imaged else None,
            timing=None,
        )
        for index in range(count)
    )


def make_rows(count: int, seed: int = 2) -> ClinicalRows:
    """Rows of age, HR and HER2, of which every third responds; non-responders are more often HR positive."""
    generator = np.random.default_rng(seed)
    label = np.arange(count) % 3 == 0
    age, her2 = generator.normal(size=count), generator.random(count) < 0.3
    hr = generator.random(count) < np.where(label, 0.3, 0.7)
    values = torch.from_numpy(np.stack([age, hr, her2], axis=1)).float()
    return ClinicalRows(torch.from_numpy(label).float(), values, torch.zeros_like(values), ("A",) * count)


def make_split() -> Split:
    """One split of the cases, with a dozen rows that have no images."""
    return Split(fold="0", member=0, fit=FIT, stop=STOP, held_out=HELD_OUT, rows_only=make_rows(12, seed=3))


def make_network(config: Config) -> Network:
    """An untrained network on components, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network(nn.Identity(), make_head(config))
