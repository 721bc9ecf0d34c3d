"""Who is trained on, who stops the training and who is judged: nested folds of patients, and folds of sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.cohorts import Patient
from training.config import Config
from training.data import ClinicalRows, Indices
from training.folds import assign_folds, site_folds


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Indices of imaged patients, and the rows without images that the clinical part may learn from.

    Attributes:
        fold, member: what it is called; the patients of a fold are judged by all its members.
        fit: patients that weights and statistics are fitted on.
        stop: the inner validation: stops the training and chooses among attempts.
        held_out: patients that are judged.
    """

    fold: str
    member: int
    fit: Indices
    stop: Indices
    held_out: Indices
    rows_only: ClinicalRows

    def __post_init__(self) -> None:
        parts = np.concatenate([self.fit, self.stop, self.held_out])
        if len(np.unique(parts)) < len(parts):
            raise ValueError(f"fold {self.fold}, member {self.member}: a patient is in two of fit, stop and held_out")


def nested_splits(patients: Sequence[Patient], rows_only: ClinicalRows, config: Config) -> list[Split]:
    """Every outer fold with every inner fold as its stop set: over the members of a fold the stop sets are all of
    the patients that the fold does not judge."""
    held_out = assign_folds(patients, config.folds, config.seed)
    return [
        split
        for fold in range(config.folds)
        for split in _members(str(fold), held_out == fold, patients, rows_only, config)
    ]


def site_splits(patients: Sequence[Patient], rows_only: ClinicalRows, config: Config) -> list[Split]:
    """Every site held out in turn, its rows without images too; each with the first inner fold as its stop set."""
    splits = []
    sites = np.asarray(rows_only.sites)
    known = {patient.site for patient in patients}
    for name, indices in site_folds(patients, config.smallest_site):
        mask = np.isin(np.arange(len(patients)), indices)
        mine = {patients[index].site for index in indices}
        # Sites without any image are no site of the comparison; their rows stay.
        others = np.flatnonzero(~np.isin(sites, list(mine & known)))
        splits.append(_members(name, mask, patients, rows_only[others], config)[0])
    return splits


def _members(
    fold: str, judged: np.ndarray, patients: Sequence[Patient], rows_only: ClinicalRows, config: Config
) -> list[Split]:
    train = np.flatnonzero(~judged)
    inner = assign_folds([patients[index] for index in train], config.members, config.seed + 1)
    return [
        Split(
            fold=fold,
            member=member,
            fit=train[inner != member],
            stop=train[inner == member],
            held_out=np.flatnonzero(judged),
            rows_only=rows_only,
        )
        for member in range(config.members)
    ]
