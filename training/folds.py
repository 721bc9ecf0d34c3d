"""Deterministic patient-level folds: balanced in label and receptor subtype, or by site."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from training.cohorts import Patient

SMALL_SITES = "small sites"


def assign_folds(patients: Sequence[Patient], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """The fold in which each patient is held out, int [patients] in 0 .. folds - 1.

    It depends on the set of patients and the seed, not on their order.

    Raises:
        ValueError: a label has fewer patients than there are folds.
    """
    order = sorted(range(len(patients)), key=lambda index: patients[index].patient_id)
    strata = np.asarray([f"{patients[index].pcr} {patients[index].receptor_subtype}" for index in order])
    positive = np.asarray([bool(patients[index].pcr) for index in order])
    for label in (True, False):
        if (positive == label).sum() < folds:
            raise ValueError(f"{(positive == label).sum()} patients with pcr={label} can not fill {folds} folds")
        strata = _join_rare(strata, positive == label, folds)
    held_out = np.empty(len(patients), dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, test) in enumerate(splitter.split(strata, strata)):
        held_out[np.asarray(order)[test]] = fold
    return held_out


def site_folds(patients: Sequence[Patient], least: int) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Each site's name with the indices of its patients, rising, sites in alphabetical order.

    Sites with fewer than `least` patients are held out together, as the last fold. An unknown site counts as one.

    Raises:
        ValueError: there is but one fold, so that nobody would be left to train on.
    """
    sites = np.asarray([patient.site for patient in patients])
    names, counts = np.unique(sites, return_counts=True)
    folds = [(str(name), np.flatnonzero(sites == name)) for name in names[counts >= least]]
    small = np.flatnonzero(np.isin(sites, names[counts < least]))
    if small.size:
        folds.append((SMALL_SITES, small))
    if len(folds) < 2:
        raise ValueError(f"{len(names)} sites, of which {len(folds)} can be held out: two are needed")
    return folds


def _join_rare(strata: npt.NDArray[np.str_], among: npt.NDArray[np.bool_], folds: int) -> npt.NDArray[np.str_]:
    """Strata with fewer patients than folds join the largest stratum of the same label: they can not be balanced."""
    names, counts = np.unique(strata[among], return_counts=True)
    return np.where(among & np.isin(strata, names[counts < folds]), names[counts.argmax()], strata)
