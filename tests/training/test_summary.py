"""What the shipped model takes from the out-of-fold predictions: lines, threshold and figures."""

from __future__ import annotations

import pandas as pd
import pytest

from training.calibration import Calibration, Line, fit_line
from training.crossval import CrossValidation
from training.oof import cross_fitted
from training.runfolder import RunFolder
from training.statistics import youden_threshold


@pytest.fixture(scope="module")
def table(finished: RunFolder) -> pd.DataFrame:
    return pd.read_csv(finished.out_of_fold)


def test_every_patient_is_in_the_table_once_with_her_label(table: pd.DataFrame, plan: CrossValidation) -> None:
    assert table["patient_id"].tolist() == [patient.patient_id for patient in plan.patients]
    assert table["pcr"].tolist() == [int(bool(patient.pcr)) for patient in plan.patients]
    assert table["age"].tolist() == [patient.clinical.age for patient in plan.patients]


@pytest.mark.parametrize(
    ("column", "name"),
    [("probability", "joint"), ("imaging_probability", "imaging"), ("clinical_probability", "clinical")],
)
def test_the_calibration_that_is_shipped_is_fitted_on_all_and_the_figures_are_cross_fitted(
    column: str, name: str, table: pd.DataFrame, finished: RunFolder
) -> None:
    logit, label = table[f"{name}_logit"].to_numpy(), table["pcr"].to_numpy(bool)
    line: Line = getattr(Calibration.from_plain(finished.read_metrics()["calibration"]), name)
    expected, _ = cross_fitted(logit, label, table["fold"].astype(str).to_numpy())
    assert table[column].to_numpy() == pytest.approx(expected, abs=1e-4)
    fitted = fit_line(logit, label)
    assert (line.slope, line.intercept) == pytest.approx((fitted.slope, fitted.intercept), abs=1e-3)


def test_the_threshold_is_that_of_the_calibrated_probabilities(table: pd.DataFrame, finished: RunFolder) -> None:
    line = Calibration.from_plain(finished.read_metrics()["calibration"]).joint
    expected = youden_threshold(table["pcr"].to_numpy(bool), line.probability(table["joint_logit"].to_numpy()))
    assert finished.read_metrics()["threshold"] == pytest.approx(expected, abs=1e-4)


def test_the_figures_are_those_of_the_table(table: pd.DataFrame, finished: RunFolder) -> None:
    metrics = finished.read_metrics()
    above, responds = table["above"], table["pcr"] == 1
    assert metrics["patients"] == len(table)
    assert metrics["responders"] == responds.sum()
    assert metrics["figures"]["sensitivity"][0] == pytest.approx(above[responds].mean(), abs=1e-4)
    assert metrics["figures"]["attention_inside"][0] == pytest.approx(table["attention_inside"].mean(), abs=1e-4)
