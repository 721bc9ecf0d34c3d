"""Figures of merit against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from training.calibration import Calibration, Line, fit_line
from training.statistics import Resampling, youden_threshold

LABEL = np.random.default_rng(0).random(80) < 0.4
SCORE = np.round(LABEL * 0.5 + np.random.default_rng(1).normal(size=80), 1)


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    estimate = Resampling.draw(80, 200, seed=0).auc(LABEL, SCORE)
    assert estimate.value == pytest.approx(roc_auc_score(LABEL, SCORE))
    assert estimate.low < estimate.value < estimate.high


def test_the_bootstrap_of_the_auc_is_that_of_drawn_patients() -> None:
    resampling = Resampling.draw(80, 20, seed=0)
    drawn = [np.repeat(np.arange(80), counts) for counts in resampling.counts[1:]]
    expected = np.percentile([roc_auc_score(LABEL[rows], SCORE[rows]) for rows in drawn], [2.5, 97.5])
    estimate = resampling.auc(LABEL, SCORE)
    assert [estimate.low, estimate.high] == pytest.approx(expected)


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
