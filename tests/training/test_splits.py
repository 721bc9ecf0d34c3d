"""Splits: no patient is on two sides of one, everybody is judged, and a site that is left out is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.training.invented_cases import make_patients, make_rows
from training.cohorts import Patient
from training.config import Config
from training.data import ClinicalRows, clinical_rows
from training.splits import Split, nested_splits, site_splits

IMAGED = 90
PATIENTS = make_patients(140, IMAGED)[:IMAGED]


@pytest.fixture(scope="module")
def settings(config: Config) -> Config:
    return config.model_copy(update={"folds": 5, "members": 4, "smallest_site": 15})


@pytest.fixture(scope="module")
def rows_only(config: Config) -> ClinicalRows:
    return clinical_rows(make_patients(140, IMAGED)[IMAGED:], config.clinical.variables)


@pytest.fixture(scope="module")
def nested(settings: Config, rows_only: ClinicalRows) -> list[Split]:
    return nested_splits(PATIENTS, rows_only, settings)


@pytest.fixture(scope="module")
def by_site(settings: Config, rows_only: ClinicalRows) -> list[Split]:
    return site_splits(PATIENTS, rows_only, settings)


def sites_of(patients: Sequence[Patient], indices: np.ndarray) -> set[str]:
    return {patients[index].site for index in indices}


@pytest.mark.parametrize("kind", ["nested", "by_site"])
def test_no_patient_is_in_two_parts_of_a_split_and_all_are_in_one(kind: str, request: pytest.FixtureRequest) -> None:
    for split in request.getfixturevalue(kind):
        assert sorted(np.concatenate([split.fit, split.stop, split.held_out])) == list(range(IMAGED))


def test_over_the_folds_every_patient_is_held_out_once_and_by_all_members_alike(nested: list[Split]) -> None:
    for member in range(4):
        held_out = [split.held_out for split in nested if split.member == member]
        assert len(held_out) == 5
        assert sorted(np.concatenate(held_out)) == list(range(IMAGED))
    assert all(np.array_equal(split.held_out, nested[4 * int(split.fold)].held_out) for split in nested)


def test_the_stop_sets_of_a_fold_are_all_that_it_does_not_judge(nested: list[Split]) -> None:
    for fold in map(str, range(5)):
        members = [split for split in nested if split.fold == fold]
        stop = np.concatenate([split.stop for split in members])
        assert sorted(stop) == sorted(set(range(IMAGED)) - set(members[0].held_out.tolist()))


def test_every_part_of_a_split_holds_both_labels(nested: list[Split]) -> None:
    label = np.asarray([bool(patient.pcr) for patient in PATIENTS])
    assert {frozenset(label[part]) for s in nested for part in (s.fit, s.stop, s.held_out)} == {
        frozenset({True, False})
    }


def test_a_site_that_is_left_out_is_in_no_fit_no_stop_and_no_row(by_site: list[Split]) -> None:
    assert [split.fold for split in by_site] == ["A", "B", "C", "small sites"]
    for split in by_site:
        judged = sites_of(PATIENTS, split.held_out)
        learned = sites_of(PATIENTS, split.fit) | sites_of(PATIENTS, split.stop) | set(split.rows_only.sites)
        assert not judged & learned
        assert judged == ({"D"} if split.fold == "small sites" else {split.fold})


def test_rows_of_sites_without_images_stay_when_a_site_is_left_out(by_site: list[Split]) -> None:
    assert all("E" in split.rows_only.sites for split in by_site)


def test_the_rows_of_all_sites_are_there_in_the_nested_folds(nested: list[Split], rows_only: ClinicalRows) -> None:
    assert all(split.rows_only is rows_only for split in nested)


def test_a_patient_in_two_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="fold 0, member 2: a patient is in two of fit, stop and held_out"):
        Split(
            fold="0",
            member=2,
            fit=np.array([0, 1]),
            stop=np.array([1]),
            held_out=np.array([2]),
            rows_only=make_rows(1),
        )
