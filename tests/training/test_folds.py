"""Folds: every patient held out once, the same for the same seed, balanced; or site by site."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcr.clinical import ClinicalRecord
from tests.training.invented_cohorts import TARGETS
from training.cohorts import Patient, read_cohort
from training.folds import SMALL_SITES, assign_folds, site_folds

FOLDS = 4
ALL = list("AAAAABBBBBBBCC")


def patient(
    number: int, pcr: bool = False, hr: bool | None = None, her2: bool | None = None, site: str = "A"
) -> Patient:
    return Patient(
        patient_id=f"P{number:03d}",
        dataset="ISPY2",
        site=site,
        pcr=pcr,
        clinical=ClinicalRecord(hr=hr, her2=her2),
        imaging=None,
        timing=None,
    )


receptor = st.sampled_from([True, False, None])
# A few of each label are always there, so that the folds can be filled.
drawn = st.lists(st.tuples(st.booleans(), receptor, receptor), max_size=60)
cohorts = drawn.map(lambda kinds: kinds + [(True, True, True), (False, True, True)] * FOLDS).map(
    lambda kinds: [patient(number, *kind) for number, kind in enumerate(kinds)]
)


@given(patients=cohorts, seed=st.integers(0, 1000), data=st.data())
def test_the_order_of_patients_does_not_matter(patients: list[Patient], seed: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(patients))
    folds = dict(zip((p.patient_id for p in patients), assign_folds(patients, FOLDS, seed), strict=True))
    again = dict(zip((p.patient_id for p in shuffled), assign_folds(shuffled, FOLDS, seed), strict=True))
    assert folds == again


@given(patients=cohorts, seed=st.integers(0, 1000))
def test_every_patient_is_held_out_once_in_folds_of_one_size(patients: list[Patient], seed: int) -> None:
    folds = assign_folds(patients, FOLDS, seed)
    sizes = [int((folds == fold).sum()) for fold in range(FOLDS)]
    assert sum(sizes) == len(patients)
    assert max(sizes) - min(sizes) <= 1


@given(patients=cohorts, seed=st.integers(0, 1000))
def test_folds_share_the_responders_evenly(patients: list[Patient], seed: int) -> None:
    folds = assign_folds(patients, FOLDS, seed)
    label = np.asarray([bool(p.pcr) for p in patients])
    responders = [int(label[folds == fold].sum()) for fold in range(FOLDS)]
    # Each receptor subtype is even by itself, so the sum over the nine may differ by a few.
    assert max(responders) - min(responders) <= len({p.receptor_subtype for p in patients})


def test_subtypes_are_shared_evenly() -> None:
    patients = [patient(number, number % 2 == 0, number % 4 < 2, False) for number in range(32)]
    folds = assign_folds(patients, FOLDS, seed=1)
    kinds = Counter((int(fold), p.pcr, p.receptor_subtype) for fold, p in zip(folds, patients, strict=True))
    assert set(kinds.values()) == {2}


def test_another_seed_gives_other_folds(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2", TARGETS).imaged
    assert not np.array_equal(assign_folds(patients, 4, seed=1), assign_folds(patients, 4, seed=2))


def test_too_few_responders_are_refused(cohort_folder: Path) -> None:
    patients = read_cohort(cohort_folder, "ISPY2", TARGETS).imaged
    with pytest.raises(ValueError, match="can not fill 9 folds"):
        assign_folds(patients, 9, seed=1)


@given(sites=st.permutations(ALL))
def test_every_patient_is_in_the_fold_of_her_site(sites: list[str]) -> None:
    folds = site_folds([patient(number, site=site) for number, site in enumerate(sites)], least=5)
    assert [(name, {sites[index] for index in indices}) for name, indices in folds] == [
        ("A", {"A"}),
        ("B", {"B"}),
        (SMALL_SITES, {"C"}),
    ]
    assert sorted(np.concatenate([indices for _, indices in folds])) == list(range(len(ALL)))


def test_without_small_sites_there_is_no_fold_of_them() -> None:
    folds = site_folds([patient(number, site=site) for number, site in enumerate(ALL)], least=1)
    assert [name for name, _ in folds] == ["A", "B", "C"]


@pytest.mark.parametrize("least", [1, 9])
def test_one_fold_of_sites_is_refused(least: int) -> None:
    patients = [patient(number) for number in range(6)]
    with pytest.raises(ValueError, match="two are needed"):
        site_folds(patients, least)
