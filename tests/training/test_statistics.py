"""Figures of merit against scikit-learn and by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    matthews_corrcoef,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from training.calibration import Calibration, Line, fit_line
from training.figures import brier_scores, calibration, measure, net_benefit, operating_point
from training.ranking import ranking_scores
from training.recalibration import recalibrate
from training.statistics import Estimate, Resampling, youden_threshold

LABEL = np.random.default_rng(0).random(80) < 0.4
SCORE = np.round(LABEL * 0.5 + np.random.default_rng(1).normal(size=80), 1)
PROBABILITY = expit(SCORE - 0.4)
ABOVE = PROBABILITY >= 0.45
AGE = np.random.default_rng(2).integers(30, 80, 80).astype(float)
RESAMPLING = Resampling.draw(80, 40, seed=0)
DRAWN = [np.repeat(np.arange(80), counts) for counts in RESAMPLING.counts]


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    estimate = Resampling.draw(80, 200, seed=0).auc(LABEL, SCORE)
    assert estimate.value == pytest.approx(roc_auc_score(LABEL, SCORE))
    assert estimate.low < estimate.value < estimate.high


def test_the_bootstrap_of_the_auc_is_that_of_drawn_patients() -> None:
    assert RESAMPLING.aucs(LABEL, SCORE) == pytest.approx([roc_auc_score(LABEL[rows], SCORE[rows]) for rows in DRAWN])


def test_the_bootstrap_of_the_brier_score_is_that_of_drawn_patients() -> None:
    expected = [brier_score_loss(LABEL[rows], PROBABILITY[rows]) for rows in DRAWN]
    assert brier_scores(LABEL, PROBABILITY, RESAMPLING) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("sensitivity", recall_score),
        ("specificity", lambda label, above: recall_score(label, above, pos_label=False)),
        ("balanced_accuracy", balanced_accuracy_score),
        ("mcc", matthews_corrcoef),
    ],
)
def test_the_operating_point_is_that_of_scikit_learn(name: str, metric: Callable[..., float]) -> None:
    expected = [metric(LABEL[rows], ABOVE[rows]) for rows in DRAWN]
    low, high = np.percentile(expected[1:], [2.5, 97.5])
    estimate = operating_point(LABEL, ABOVE, None, RESAMPLING)[name]
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((expected[0], low, high))


def test_the_sensitivity_at_a_number_of_false_positives_is_read_off_the_roc_curve() -> None:
    admitted = np.arange(len(DRAWN), dtype=float) % 30
    expected = []
    for rows, count in zip(DRAWN, admitted, strict=True):
        wrong, found, _ = roc_curve(LABEL[rows], SCORE[rows], drop_intermediate=False)
        expected.append(found[np.round(wrong * (~LABEL[rows]).sum()) <= count].max())
    assert RESAMPLING.sensitivities(LABEL, SCORE, admitted) == pytest.approx(expected)


def test_recalibration_is_unpenalised_logistic_regression_in_every_resample() -> None:
    got = recalibrate(LABEL, PROBABILITY, RESAMPLING)
    for row, counts in enumerate(RESAMPLING.counts[:5]):
        fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(PROBABILITY)[:, None], LABEL, sample_weight=counts)
        assert (got.slope[row], got.intercept[row]) == pytest.approx(
            (fitted.coef_.item(), fitted.intercept_.item()), abs=1e-4
        )


def test_calibration_in_the_large_makes_the_mean_probability_the_share_of_responders() -> None:
    offset = recalibrate(LABEL, PROBABILITY, RESAMPLING).in_the_large
    got = [expit(logit(PROBABILITY[rows]) + offset[row]).mean() for row, rows in enumerate(DRAWN)]
    assert got == pytest.approx([LABEL[rows].mean() for rows in DRAWN])


def test_a_constant_probability_has_no_calibration_slope() -> None:
    assert set(calibration(LABEL, np.full(80, 0.3), RESAMPLING)) == {"calibration_in_the_large"}


def test_separated_labels_have_no_calibration_slope() -> None:
    assert np.isnan(recalibrate(LABEL, np.where(LABEL, 0.8, 0.2), RESAMPLING).slope).all()


def test_net_benefit_weighs_false_positives_with_the_odds_of_the_threshold() -> None:
    label = np.array([True, True, False, False, False])
    probability = np.array([0.9, 0.1, 0.4, 0.2, 0.1])
    resampling = Resampling.draw(5, 10, seed=0)
    assert net_benefit(label, probability, 0.2, resampling).value == pytest.approx((1 - 2 * 0.25) / 5)
    assert net_benefit(label, np.ones(5), 0.4, resampling).value == pytest.approx((2 - 3 * 2 / 3) / 5)


@pytest.mark.parametrize("answer", [True, False])
def test_a_predictor_that_says_the_same_of_everybody_gets_a_ranking_score_of_three_quarters(answer: bool) -> None:
    estimate = operating_point(LABEL, np.full(80, answer), AGE, RESAMPLING)["ranking_score"]
    assert estimate == Estimate(0.75, 0.75, 0.75)


def test_the_ranking_score_sets_the_spread_of_error_rates_off_against_balanced_accuracy() -> None:
    # To 40: sensitivity 1/2, false positives 0/1. 41 to 50: 1/1, 1/4. The patient of unknown age is in no band.
    age = np.array([40, 30, 35, 41, 50, 45, 45, 45, np.nan])
    label = np.array([True, True, False, True, False, False, False, False, True])
    above = np.array([True, False, False, True, True, False, False, False, False])
    sample = Resampling(np.ones((1, 9), dtype=np.int64))
    balanced = np.array([balanced_accuracy_score(label, above)])
    assert ranking_scores(label, above, age, balanced, sample) == pytest.approx((balanced + 1 - 0.5 - 0.25) / 2)


def test_a_band_without_responders_makes_no_disparity_of_sensitivity() -> None:
    age, label = np.array([30.0, 30, 75]), np.array([True, False, False])
    sample = Resampling(np.ones((1, 3), dtype=np.int64))
    assert ranking_scores(label, label, age, np.ones(1), sample) == pytest.approx(1)


def test_a_table_of_one_probability_without_ages_can_be_measured() -> None:
    table = pd.DataFrame({"probability": PROBABILITY})
    figures = measure(table, LABEL, table["probability"].to_numpy() >= 0.45, RESAMPLING)
    assert figures["auc_probability"].value == pytest.approx(roc_auc_score(LABEL, PROBABILITY))
    assert {"mcc", "calibration_slope", "net_benefit_0.2"} < set(figures)
    assert "ranking_score" not in figures


def test_the_threshold_separates_what_can_be_separated() -> None:
    label = np.array([False, False, True, True])
    assert youden_threshold(label, np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)


def test_calibration_finds_the_line_that_made_the_labels() -> None:
    generator = np.random.default_rng(0)
    raw = generator.normal(size=20000)
    label = generator.random(20000) < 1 / (1 + np.exp(-(0.5 * raw - 1)))
    line = fit_line(raw, label)
    assert (line.slope, line.intercept) == pytest.approx((0.5, -1), abs=0.05)


def test_a_misleading_output_is_calibrated_to_the_prevalence() -> None:
    line = fit_line(-LABEL.astype(float), LABEL)
    assert line.slope == 0
    assert line.intercept == pytest.approx(logit(LABEL.mean()), abs=0.05)


def test_calibration_survives_json() -> None:
    calibration = Calibration(joint=Line(1, 2), imaging=Line(3, 4), clinical=Line(5, 6))
    assert Calibration.from_plain(calibration.plain()) == calibration
