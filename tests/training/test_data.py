"""Batches: what an epoch shows follows from seed and epoch alone, and a case keeps what belongs to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcr.clinical import encode
from tests.training.invented_cases import COPIES, FIT, STOP, make_cases, make_rows
from training.cohorts import Cohort
from training.config import Config, ImbalanceSettings
from training.data import BalancedSampler, CaseDataset, CopySampler, clinical_rows, plain_loader, training_loader

PATIENTS, ALTERED = np.arange(10), np.array([0, 2])


@pytest.fixture(scope="module")
def cases(config: Config) -> CaseDataset:
    return make_cases(config)


def epoch(number: int, seed: int = 3) -> list[tuple[int, int]]:
    sampler = CopySampler(PATIENTS, ALTERED, seed)
    sampler.set_epoch(number)
    return list(sampler)


def balanced_epoch(number: int, patients: np.ndarray) -> list[tuple[int, int]]:
    sampler = BalancedSampler(patients, ALTERED, seed=3, label=make_rows(len(patients)).label)
    sampler.set_epoch(number)
    return list(sampler)


# Sampling


def test_an_epoch_shows_every_patient_once_and_only_copies_that_are_trained_on() -> None:
    assert sorted(patient for patient, _ in epoch(0)) == PATIENTS.tolist()
    assert {copy for number in range(5) for _, copy in epoch(number)} == set(ALTERED)


def test_an_epoch_is_the_same_whatever_came_before() -> None:
    assert epoch(5) == epoch(5)
    assert epoch(5) != epoch(6)
    assert epoch(5) != epoch(5, seed=4)
    assert balanced_epoch(5, PATIENTS) == balanced_epoch(5, PATIENTS) != balanced_epoch(6, PATIENTS)


def test_balanced_sampling_draws_as_many_responders_as_others() -> None:
    patients = np.arange(3000)
    label = make_rows(len(patients)).label.numpy()
    drawn = [patient for patient, _ in balanced_epoch(0, patients)]
    assert len(drawn) == len(patients)
    assert label.mean() == pytest.approx(1 / 3)
    # Four standard errors of the share in 3000 draws.
    assert label[drawn].mean() == pytest.approx(1 / 2, abs=4 * 0.5 / np.sqrt(3000))


@pytest.mark.parametrize(("sampling", "kind"), [("even", CopySampler), ("balanced", BalancedSampler)])
def test_the_settings_choose_how_batches_are_drawn(cases: CaseDataset, sampling: str, kind: type) -> None:
    imbalance = ImbalanceSettings.model_validate({"loss": "bce", "sampling": sampling})
    loader = training_loader(cases, FIT, ALTERED, 4, 0, imbalance)
    assert type(loader.sampler) is kind
    assert {label for batch in loader for label in batch.label.tolist()} == {0, 1}


# Cases


def test_a_case_keeps_its_pixels_label_region_and_size(cases: CaseDataset) -> None:
    batch = cases.__getitems__([(7, 2), (3, 0)])
    for number, place in enumerate([(7, 2), (3, 0)]):
        assert torch.equal(batch.input[number], torch.as_tensor(cases.inputs)[place])
        assert np.array_equal(batch.coverage[number], cases.cache.coverage[place])
        assert torch.equal(batch.lesion[number], cases.lesion[place])
        assert torch.equal(batch.clinical[number], cases.rows.values[place[0]])
        assert batch.label[number] == cases.rows.label[place[0]]


def test_images_that_lie_on_disk_are_read_as_numbers_of_full_length(cases: CaseDataset) -> None:
    stored = CaseDataset(cases.cache.inputs, cases.cache, cases.rows, cases.lesion)
    assert stored.cases(STOP, COPIES - 1).input.dtype == torch.float32


def test_validation_sees_the_plain_copies_in_order(cases: CaseDataset) -> None:
    batches = list(plain_loader(cases, STOP, 3))
    assert torch.equal(torch.cat([batch.input for batch in batches]), torch.as_tensor(cases.inputs)[STOP, 0])


# Clinical rows


def test_rows_are_encoded_as_the_application_encodes_a_record(cohort: Cohort, config: Config) -> None:
    rows = clinical_rows(cohort.labelled, config.clinical.variables)
    for number, patient in enumerate(cohort.labelled):
        record = encode(patient.clinical, config.clinical.variables)
        assert np.array_equal(rows.values[number], record.values)
        assert np.array_equal(rows.missing[number], record.missing)
        assert rows.label[number] == float(bool(patient.pcr))
        assert rows.sites[number] == patient.site


def test_no_rows_at_all_join_as_nothing(config: Config) -> None:
    rows = make_rows(5)
    joined = rows.joined(clinical_rows([], config.clinical.variables))
    assert torch.equal(joined.values, rows.values)
    assert joined.sites == rows.sites


def test_chosen_rows_keep_label_values_and_site_together() -> None:
    rows = make_rows(5)[np.array([4, 1])].joined(make_rows(3, seed=9))
    assert torch.equal(rows.label, torch.cat([make_rows(5).label[[4, 1]], make_rows(3, seed=9).label]))
    assert torch.equal(rows.values, torch.cat([make_rows(5).values[[4, 1]], make_rows(3, seed=9).values]))
    assert len(rows.sites) == 5
