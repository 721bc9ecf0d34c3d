"""The tables of the comparison, each as CSV with every number and as Markdown to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from training.figures import NET_BENEFIT_AT
from training.ranking import AGE_BANDS, age_bands
from training.report.arms import ArmResult, Comparison
from training.report.measures import AttentionFigures, Difference, SeedAucs, SubtypeAuc
from training.statistics import Estimate

Cell = str | int | float | Estimate | SeedAucs | None
Row = Mapping[str, Cell]

_NOTE = (
    "Values with 95 % percentile bootstrap intervals over patients, the same resamples in every row and table. "
    "Research use only."
)
_OPERATING = {
    "arm": "arm",
    "name": "",
    "auc": "AUC",
    "auc_within_folds": "AUC within folds, raw logits",
    "auc_seeds": "AUC of single seeds: mean (range)",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "ranking_score": "MAMA-MIA ranking score",
}
_PROBABILITY = {
    "arm": "arm",
    "name": "",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
    **{f"net_benefit_{at:g}": f"net benefit at {at:g}" for at in NET_BENEFIT_AT},
}
_DIFFERENCES = {
    "compared": "reference − other",
    "auc": "AUC",
    "brier": "Brier score",
    "sensitivity": "sensitivity at the other's specificity",
    "specificity_held": "that specificity",
    "reference_sensitivity": "sensitivity there, reference",
    "other_sensitivity": "sensitivity there, other",
}
_ATTENTION = {
    "arm": "arm",
    "name": "",
    "group": "patients",
    "patients": "n",
    "box_share_least": "box share from",
    "box_share_most": "to",
    "inside": "inside",
    "inside_shifted": "inside, displaced",
    "prior_inside_shifted": "image-blind prior inside, displaced",
    "gain_over_prior": "displaced: attention − prior",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of named cells; a row may lack a cell."""

    rows: Sequence[Row]

    def csv(self) -> str:
        """As CSV: numbers with four decimals, an estimate in three columns, an empty field where there is none."""
        rows = [{k: v for name, cell in row.items() for k, v in _fields(name, cell).items()} for row in self.rows]
        # Columns in the order of their first appearance, and text alone, so that the same rows give the same bytes.
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return pd.DataFrame(rows, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n")

    def markdown(self, headings: Mapping[str, str]) -> str:
        """The columns that `headings` names, as a Markdown table."""
        lines = [list(headings.values()), ["---"] * len(headings)]
        lines += [[_text(row.get(name)) for name in headings] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_arms(
    arms: Sequence[ArmResult],
    figures: Mapping[str, Mapping[str, Estimate]],
    seeds: Mapping[str, SeedAucs],
    treat_all: Mapping[str, Estimate],
    folder: Path,
) -> None:
    """Write arms.csv and arms.md."""
    of_arms: list[Row] = [
        {"arm": arm.key, "name": arm.name, **figures[arm.key], "auc_seeds": seeds[arm.key]} for arm in arms
    ]
    everyone: Row = {"arm": "treat_all", "name": "everyone treated as a responder", **treat_all}
    with_everyone = Table(rows=[*of_arms, everyone])
    _write(
        folder / "arms",
        with_everyone.csv(),
        [
            "# The arms",
            _NOTE,
            "## Who responds",
            Table(rows=of_arms).markdown(_OPERATING),
            "Sensitivity, specificity, balanced accuracy, MCC and ranking score are those of the cross-fitted "
            "threshold. Single seeds: raw logits of one seed, pooled over the folds.",
            f"Ranking score: age bands {_bands(arms[0])}. A predictor that says the same of everybody gets 0.75. "
            "A few patients of a small band decide the score, and resampling drives bands apart, so that the value "
            "tends to lie high in its interval.",
            "## How far the probabilities can be taken at their word",
            with_everyone.markdown(_PROBABILITY),
            "Calibration slope: 1 is right, below 1 the probabilities spread too far. Calibration in the large: the "
            "intercept with the slope held at 1; 0 is right, above 0 they are too low. Net benefit at a threshold "
            "probability t: (true positives − false positives · t / (1 − t)) / patients; treating no one has 0.",
        ],
    )


def write_differences(reference: ArmResult, differences: Sequence[Difference], folder: Path) -> None:
    """Write differences.csv and differences.md."""
    table = Table(
        rows=[
            {
                "reference": reference.key,
                "other": difference.other.key,
                "compared": f"{reference.key} − {difference.other.key} ({difference.other.name})",
                "auc": difference.auc,
                "brier": difference.brier,
                "sensitivity": difference.sensitivity,
                "specificity_held": difference.specificity_held,
                "reference_sensitivity": difference.reference_sensitivity,
                "other_sensitivity": difference.other_sensitivity,
            }
            for difference in differences
        ]
    )
    _write(
        folder / "differences",
        table.csv(),
        [
            f"# What arm {reference.key} has over others",
            _NOTE,
            table.markdown(_DIFFERENCES),
            "Paired: both arms on the same patients in each resample. A Brier score below 0 is in favour of the "
            "reference. Sensitivities are read off each arm's ROC curve at the lowest threshold that keeps at least "
            "the specificity which the other arm has at its operating point in the same resample. An interval that "
            "holds 0 shows no difference.",
        ],
    )


def write_subtypes(comparison: Comparison, subtypes: Mapping[str, Sequence[SubtypeAuc]], folder: Path) -> None:
    """Write subtypes.csv, a row for each arm and subtype, and subtypes.md, a row for each arm."""
    rows: list[Row] = []
    for arm in comparison.arms:
        rows += [
            {
                "arm": arm.key,
                "name": arm.name,
                "subtype": found.subtype,
                "patients": found.patients,
                "responders": found.responders,
                "auc": found.auc,
                "reason": found.reason,
            }
            for found in subtypes[arm.key]
        ]
    wide: list[Row] = [
        {"arm": arm.key, "name": arm.name, **{found.subtype: found.auc or found.reason for found in subtypes[arm.key]}}
        for arm in comparison.arms
    ]
    headings = {"arm": "arm", "name": ""} | {
        found.subtype: f"{found.subtype}: {found.patients} patients, {found.responders} pCR"
        for found in subtypes[comparison.reference.key]
    }
    _write(
        folder / "subtypes",
        Table(rows=rows).csv(),
        ["# AUC within receptor subtypes", _NOTE, Table(rows=wide).markdown(headings)],
    )


def write_attention(
    arms: Sequence[ArmResult], attention: Mapping[str, Sequence[AttentionFigures]], folder: Path
) -> None:
    """Write attention.csv and attention.md, a row for each arm with attention and each third of the patients."""
    rows: list[Row] = []
    for arm in arms:
        rows += [
            {
                "arm": arm.key,
                "name": arm.name,
                "group": found.group,
                "patients": found.patients,
                "box_share_least": found.box_share[0],
                "box_share_most": found.box_share[1],
                "inside": found.inside,
                "inside_shifted": found.inside_shifted,
                "prior_inside_shifted": found.prior_inside_shifted,
                "gain_over_prior": found.gain_over_prior,
            }
            for found in attention.get(arm.key, ())
        ]
    _write(
        folder / "attention",
        Table(rows=rows).csv(),
        [
            "# Where the attention lies",
            _NOTE,
            Table(rows=rows).markdown(_ATTENTION),
            "Share of the attention that lies inside the expert's box: with the crop centred on it, and as the mean "
            "over displaced crops, where a prior for the middle can not win. Beside it the best prior that knows no "
            "image. Box share: the part of the crop that the box covers, which even attention would have inside.",
        ],
    )


def _bands(arm: ArmResult) -> str:
    """Size of each age band in words."""
    bands = zip(AGE_BANDS, age_bands(arm.column("age")), strict=True)
    return "; ".join(f"{name}: {band.sum()} patients, {(band & arm.label).sum()} pCR" for name, band in bands)


def _write(stem: Path, csv: str, paragraphs: Sequence[str]) -> None:
    stem.with_suffix(".csv").write_text(csv, "utf-8")
    stem.with_suffix(".md").write_text("\n\n".join(paragraphs) + "\n", "utf-8")


def _fields(name: str, cell: Cell) -> dict[str, str]:
    match cell:
        case Estimate(value, low, high):
            return {name: _number(value, 4), f"{name}_low": _number(low, 4), f"{name}_high": _number(high, 4)}
        case SeedAucs():
            values = {"mean": cell.mean, "lowest": min(cell.aucs), "highest": max(cell.aucs)}
            fields = {f"{name}_{key}": _number(value, 4) for key, value in values.items()}
            return fields | {f"{name}_count": str(len(cell.aucs))}
        case float():
            return {name: _number(cell, 4)}
        case None:
            return {name: ""}
        case _:
            return {name: str(cell)}


def _number(value: float, decimals: int) -> str:
    # Adding 0 turns a -0.0 that rounding leaves into 0.0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _text(cell: Cell) -> str:
    match cell:
        case Estimate(value, low, high):
            return f"{_number(value, 3)} ({_number(low, 3)} to {_number(high, 3)})"
        case SeedAucs():
            if len(cell.aucs) == 1:
                return f"{_number(cell.mean, 3)} (one seed)"
            return f"{_number(cell.mean, 3)} ({_number(min(cell.aucs), 3)} to {_number(max(cell.aucs), 3)})"
        case float():
            return _number(cell, 3)
        case None:
            return "–"
        case _:
            return str(cell)
