"""The report of the comparison: paired, honest about what is not known, and the same bytes for the same input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from training.report import ArmResult, write_report
from training.report.arms import Comparison
from training.report.measures import measure_attention, measure_difference, measure_subtypes
from training.statistics import Resampling

PATIENTS = 60
RESAMPLING = Resampling.draw(PATIENTS, 50, seed=0)


def make_arm(key: str, strength: float, attention: bool = False) -> ArmResult:
    """Invented predictions; every arm has the same patients, of whom a third responds."""
    generator = np.random.default_rng(len(key) + int(100 * strength))
    pcr = np.arange(PATIENTS) % 3 == 0
    raw = strength * pcr + generator.normal(size=PATIENTS)
    table = pd.DataFrame(
        {
            "patient_id": [f"P{number:03d}" for number in range(PATIENTS)],
            "site": "A",
            "age": np.where(np.arange(PATIENTS) < 2, np.nan, 30.0 + np.arange(PATIENTS) % 45),
            "receptor_subtype": np.where(np.arange(PATIENTS) < 9, "HR-/HER2+", "HR+/HER2-"),
            "pcr": pcr.astype(int),
            "fold": np.arange(PATIENTS) % 5,
            "probability": expit(raw - 1) if strength else 0.3,
            "above": raw > 0.5,
            "logit_0": raw,
            "logit_1": raw + 0.1 * generator.normal(size=PATIENTS),
        }
    )
    if attention:
        share = np.linspace(0.1, 0.7, PATIENTS)
        table = table.assign(
            attention_inside=share + 0.2,
            attention_inside_shifted=share + 0.15,
            prior_inside_shifted=share + 0.05,
            box_share=share,
        )
    return ArmResult(key=key, name=f"arm of strength {strength:g}", table=table)


ARMS = (make_arm("1", 0.8), make_arm("2", 0.0), make_arm("7", 1.2, attention=True))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_report(ARMS, "7", ("1",), 50, 0, tmp_path / name)
    once, again = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("once", "again"))
    assert once == again
    assert {"arms.csv", "arms.md", "differences.csv", "subtypes.md", "attention.csv", "roc.png", "auc.png"} < set(once)


def test_the_metrics_hold_what_the_tables_hold(tmp_path: Path) -> None:
    metrics = json.loads(json.dumps(write_report(ARMS, "7", ("1",), 50, 0, tmp_path), allow_nan=False))
    arms = pd.read_csv(tmp_path / "arms.csv", dtype={"arm": str}).set_index("arm")
    for key, arm in metrics["arms"].items():
        for name, figure in arm["figures"].items():
            assert arms.loc[key, [name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(figure, abs=1e-4)
    assert "calibration_slope" not in metrics["arms"]["2"]["figures"]
    assert np.isnan(arms.loc["2", "calibration_slope"])


def test_an_arm_has_nothing_over_itself() -> None:
    difference = measure_difference(ARMS[2], ARMS[2], RESAMPLING)
    for estimate in (difference.auc, difference.brier, difference.sensitivity):
        assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_sensitivities_are_compared_at_the_specificity_of_the_other_arm() -> None:
    ours, theirs = ARMS[2], ARMS[0]
    difference = measure_difference(ours, theirs, RESAMPLING)
    label, held = ours.label, difference.specificity_held.value
    assert held == pytest.approx((~theirs.above[~label]).mean())
    admissible = [t for t in ours.probability if (ours.probability[~label] < t).mean() >= held]
    expected = (ours.probability[label] >= min(admissible)).mean()
    assert difference.reference_sensitivity.value == pytest.approx(expected)


def test_a_subtype_with_few_responders_gets_a_reason_and_no_figure() -> None:
    small, large = sorted(measure_subtypes(ARMS[0], RESAMPLING), key=lambda found: found.patients)
    assert (small.patients, small.responders, small.auc) == (9, 3, None)
    assert small.reason == "fewer than 5 with pCR"
    assert large.auc is not None and large.reason == ""


def test_attention_is_reported_by_thirds_of_the_box_share() -> None:
    everyone, *thirds = measure_attention(ARMS[2], RESAMPLING)
    assert everyone.gain_over_prior.value == pytest.approx(0.1)
    assert [third.patients for third in thirds] == [20, 20, 20]
    assert [third.inside.value for third in thirds] == pytest.approx([0.4, 0.6, 0.8], abs=0.01)


def test_arms_of_other_patients_can_not_be_compared() -> None:
    other = make_arm("3", 0.5)
    renamed = ArmResult(key="3", name="other", table=other.table.assign(patient_id="Q" + other.table["patient_id"]))
    with pytest.raises(ValueError, match="patient_id of arms 3 is not that of arm 7"):
        Comparison.of([*ARMS, renamed], "7", ("1",))


def test_an_arm_that_is_not_there_can_not_be_compared() -> None:
    with pytest.raises(ValueError, match="no arm 9 among 1, 2, 7"):
        Comparison.of(ARMS, "7", ("9",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table.drop(columns="logit_0"), "no column logit_0"),
        (lambda table: table.iloc[::-1], "sorted by patient_id"),
        (lambda table: table.assign(pcr=1), "pcr must hold 0 and 1"),
        (lambda table: table.assign(probability=1.2), "not within 0 to 1"),
        (lambda table: table.drop(columns="box_share"), "attention needs"),
    ],
)
def test_a_table_that_is_not_whole_makes_no_arm(damage: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArmResult(key="7", name="damaged", table=damage(ARMS[2].table))
