"""The regressions that a network has to beat: what they learn from, and what they make of labels that mean nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from pcr.manifest import ClinicalVariable
from tests.training.invented_cases import make_patients, make_rows, make_split
from training.baselines import clinical_logits, with_size
from training.cohorts import Cohort
from training.config import ClinicalSettings, Config
from training.crossval import CrossValidation
from training.data import ClinicalRows
from training.runfolder import RunFolder
from training.splits import Split

IMAGED, SHUFFLES = 300, 20


@pytest.fixture(scope="module")
def rows() -> ClinicalRows:
    return make_rows(30)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split()


def flipped(rows: ClinicalRows, chosen: np.ndarray) -> ClinicalRows:
    label = rows.label.clone()
    label[chosen] = 1 - label[chosen]
    return replace(rows, label=label)


# What they learn from


def test_the_clinical_regression_learns_from_all_who_are_not_held_out_and_from_rows_without_images(
    rows: ClinicalRows, split: Split, config: Config
) -> None:
    expected = clinical_logits(rows, split, config.clinical)
    assert np.array_equal(clinical_logits(flipped(rows, split.held_out), split, config.clinical), expected)
    assert not np.allclose(clinical_logits(flipped(rows, split.stop), split, config.clinical), expected)
    other = replace(split, rows_only=flipped(split.rows_only, np.arange(12)))
    assert not np.allclose(clinical_logits(rows, other, config.clinical), expected)


def test_a_missing_value_counts_as_the_mean_of_those_who_have_it(
    rows: ClinicalRows, split: Split, config: Config
) -> None:
    settings = ClinicalSettings(variables=config.clinical.variables, interactions=(), ridge=0)
    known = rows[np.concatenate([split.fit, split.stop])].joined(split.rows_only)
    values, missing = rows.values.clone(), rows.missing.clone()
    values[split.held_out[0], 0], missing[split.held_out[1], 0] = known.values[:, 0].mean(), 1
    values[split.held_out[1]] = values[split.held_out[0]]
    logit = clinical_logits(replace(rows, values=values, missing=missing), split, settings)
    assert logit[split.held_out[1]] == pytest.approx(logit[split.held_out[0]], abs=1e-5)


def test_size_joins_the_clinical_logit_without_the_labels_of_those_who_are_held_out(
    rows: ClinicalRows, split: Split
) -> None:
    label = rows.label.numpy() > 0.5
    clinical, size = np.zeros(30), np.where(label, -1.0, 1.0) + np.random.default_rng(0).normal(size=30)
    logit = with_size(clinical, size, label, split)
    assert np.array_equal(np.argsort(logit), np.argsort(-size))
    other = label ^ np.isin(np.arange(30), split.held_out)
    assert np.array_equal(with_size(clinical, size, other, split), logit)


# Labels that mean nothing


@pytest.fixture(scope="module")
def invented() -> Cohort:
    return Cohort(dataset="ISPY2", patients=make_patients(IMAGED, IMAGED), warnings=())


@pytest.fixture(scope="module")
def settings(config: Config) -> Config:
    """Regression on age, menopausal status and their product.

    Folds are balanced in label and receptor subtype. What is balanced is alike in and out of a fold, so what the
    subtypes say by chance looks as if it had been learned: not of the variables here, of which folds know nothing.
    """
    variables = (ClinicalVariable(name="age", offset=50, scale=10), ClinicalVariable(name="menopausal_status"))
    clinical = ClinicalSettings(variables=variables, interactions=(("age", "menopausal_status"),), ridge=0)
    return config.model_copy(update={"folds": 3, "members": 3, "clinical": clinical})


def auc_of_clinical_arm(cohort: Cohort, settings: Config, run: Path) -> float:
    """AUC of the cross-fitted probabilities of arm 1; nothing is known of the images but that there are some."""
    plan = CrossValidation(cohort, settings, RunFolder(run))
    cache = plan.attempt_units(settings.attempts[0].name)[0].cache
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("inputs", "coverage"):
        np.save(cache / f"{name}.npy", np.zeros((IMAGED, 1)))
    np.save(cache / "boxes_mm.npy", np.full((IMAGED, 1, 3), 30, np.float32))
    arm = plan.baselines()[0]
    return float(roc_auc_score(arm.label, arm.probability))


def shuffled(cohort: Cohort, seed: int) -> Cohort:
    order = np.random.default_rng(seed).permutation(len(cohort.patients))
    label = [cohort.patients[index].pcr for index in order]
    patients = tuple(replace(patient, pcr=pcr) for patient, pcr in zip(cohort.patients, label, strict=True))
    return replace(cohort, patients=patients)


def test_shuffled_labels_bring_the_auc_to_chance(invented: Cohort, settings: Config, tmp_path: Path) -> None:
    with threadpool_limits(1):  # beside other work, threads for a handful of weights only wait for each other
        aucs = [auc_of_clinical_arm(shuffled(invented, seed), settings, tmp_path) for seed in range(SHUFFLES)]
        told = auc_of_clinical_arm(invented, settings, tmp_path)
    responders = IMAGED / 3
    # Standard error of an AUC under chance (Hanley and McNeil 1982), and of the mean of so many. A regression that is
    # fitted on those whom it judges, too, is five of them above chance.
    error = np.sqrt((IMAGED + 1) / (12 * responders * (IMAGED - responders)) / SHUFFLES)
    assert np.mean(aucs) == pytest.approx(0.5, abs=3 * error)
    assert told > 0.5 + 10 * error
