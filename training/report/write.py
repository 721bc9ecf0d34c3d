"""Writes the comparison: tables as CSV and Markdown, pictures as PNG, and the figures as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.report.arms import ArmResult, Comparison
from training.report.measures import (
    AttentionFigures,
    Difference,
    SeedAucs,
    SubtypeAuc,
    measure_arm,
    measure_attention,
    measure_differences,
    measure_seeds,
    measure_subtypes,
    treat_all,
)
from training.report.plots import draw_auc, draw_calibration, draw_decision_curve, draw_roc
from training.report.tables import write_arms, write_attention, write_differences, write_subtypes
from training.statistics import Estimate, Resampling


def write_report(
    arms: Sequence[ArmResult], reference: str, against: Sequence[str], resamples: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Measure the arms on the same `resamples` bootstrap samples and write the report into `folder`.

    `reference` is the key of the arm that is ours, `against` are those of the arms that it has to beat. Writes
    arms, differences, subtypes and attention, each as .csv and .md, and roc.png, calibration.png,
    decision_curve.png and auc.png; the same input gives the same bytes. Returns the figures as plain values for
    JSON, an estimate as [value, low, high].

    Raises:
        ValueError: an arm is named that is not there, or arms are not of the same patients.
    """
    comparison = Comparison.of(arms, reference, against)
    label = comparison.label
    resampling = Resampling.draw(len(label), resamples, seed)
    figures = {arm.key: measure_arm(arm, resampling) for arm in arms}
    seeds = {arm.key: measure_seeds(arm) for arm in arms}
    everyone = treat_all(label, resampling)
    differences = measure_differences(comparison, resampling)
    subtypes = {arm.key: measure_subtypes(arm, resampling) for arm in arms}
    attention = {arm.key: measure_attention(arm, resampling) for arm in arms if arm.has_attention}

    folder.mkdir(parents=True, exist_ok=True)
    write_arms(arms, figures, seeds, everyone, folder)
    write_differences(comparison.reference, differences, folder)
    write_subtypes(comparison, subtypes, folder)
    write_attention(arms, attention, folder)
    draw_roc(comparison, figures, folder / "roc.png")
    draw_calibration(comparison, resampling, folder / "calibration.png")
    draw_decision_curve(comparison, resampling, folder / "decision_curve.png")
    draw_auc(comparison, figures, seeds, folder / "auc.png")
    return {
        "patients": len(label),
        "responders": int(label.sum()),
        "resamples": resamples,
        "seed": seed,
        "treat_all": _plain(everyone),
        "arms": {arm.key: _plain_arm(arm, figures, seeds, subtypes, attention) for arm in arms},
        "differences": {f"{reference} - {found.other.key}": _plain_difference(found) for found in differences},
    }


def _plain_arm(
    arm: ArmResult,
    figures: Mapping[str, Mapping[str, Estimate]],
    seeds: Mapping[str, SeedAucs],
    subtypes: Mapping[str, Sequence[SubtypeAuc]],
    attention: Mapping[str, Sequence[AttentionFigures]],
) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": arm.name,
        "figures": _plain(figures[arm.key]),
        "auc_of_seeds": [round(auc, 4) for auc in seeds[arm.key].aucs],
        "subtypes": {
            found.subtype: {
                "patients": found.patients,
                "responders": found.responders,
                **({"auc": found.auc.plain()} if found.auc else {"reason": found.reason}),
            }
            for found in subtypes[arm.key]
        },
    }
    if arm.key in attention:
        plain["attention"] = {
            found.group: {
                "patients": found.patients,
                "box_share": [round(share, 4) for share in found.box_share],
                "inside": found.inside.plain(),
                "inside_shifted": found.inside_shifted.plain(),
                "prior_inside_shifted": found.prior_inside_shifted.plain(),
                "gain_over_prior": found.gain_over_prior.plain(),
            }
            for found in attention[arm.key]
        }
    return plain


def _plain_difference(found: Difference) -> dict[str, list[float]]:
    return {
        "auc": found.auc.plain(),
        "brier": found.brier.plain(),
        "sensitivity": found.sensitivity.plain(),
        "specificity_held": found.specificity_held.plain(),
        "reference_sensitivity": found.reference_sensitivity.plain(),
        "other_sensitivity": found.other_sensitivity.plain(),
    }


def _plain(figures: Mapping[str, Estimate]) -> dict[str, list[float]]:
    return {name: estimate.plain() for name, estimate in figures.items()}
