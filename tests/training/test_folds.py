"""Folds: every patient held out once, the same for the same seed, balanced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.cohorts import read_cohort
from training.folds import assign_folds


def test_each_patient_is_held_out_in_one_fold_whatever_the_order(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2").imaged
    folds = assign_folds(patients, 4, seed=1)
    assert set(folds) == {0, 1, 2, 3}
    assert np.array_equal(assign_folds(patients[::-1], 4, seed=1)[::-1], folds)


def test_folds_share_the_responders_evenly(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2").imaged
    folds = assign_folds(patients, 4, seed=1)
    responders = [sum(bool(p.pcr) for p, f in zip(patients, folds, strict=True) if f == fold) for fold in range(4)]
    assert max(responders) - min(responders) <= 1


def test_another_seed_gives_other_folds(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2").imaged
    assert not np.array_equal(assign_folds(patients, 4, seed=1), assign_folds(patients, 4, seed=2))


def test_too_few_responders_are_refused(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2").imaged
    with pytest.raises(ValueError, match="can not fill 9 folds"):
        assign_folds(patients, 9, seed=1)
