"""The tables of the card, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pcr.manifest import Manifest
from training.arms import AGAINST, OURS
from training.card.reading import by_interval
from training.card.words import DATASETS
from training.config import Attempt, Config
from training.report.tables import Cell, Row, Table
from training.robustness import Robustness
from training.statistics import Estimate

_OWN = "own"
_NOT_SCORED = "not scored"
_FIGURES = {
    "auc_probability": "AUC, image and clinical variables (`probability`)",
    "auc_clinical_probability": "AUC, clinical variables alone (`clinical_probability`)",
    "auc_imaging_probability": "AUC, image alone (`imaging_probability`)",
    "sensitivity": "Sensitivity at the threshold",
    "specificity": "Specificity at the threshold",
    "brier_probability": "Brier score, `probability`",
    "brier_clinical_probability": "Brier score, `clinical_probability`",
    "attention_inside": "Attention inside the box, window centred on it",
    "attention_inside_shifted": "Attention inside the box, window displaced",
    "box_share": "Share of the window that the box covers",
    "auc_clinical_probability_rows": "AUC, clinical variables alone, all rows of the table",
}
_RESPONSE = {
    "arm": "arm",
    "name": "",
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "ranking_score": "ranking score",
}
_PROBABILITY = {
    "arm": "arm",
    "name": "",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
}
_DIFFERENCES = {
    "compared": f"arm {OURS} minus",
    "auc": "AUC",
    "brier": "Brier score (below 0 is better)",
    "sensitivity": "sensitivity at the other's specificity",
    "verdict": "AUC says",
}
_ATTENTION = {
    "arm": "arm",
    "group": "patients",
    "patients": "n",
    "box_share": "box share",
    "inside": "inside, centred",
    "inside_shifted": "inside, displaced",
    "prior_inside_shifted": "best guess without the image, displaced",
    "gain_over_prior": "attention minus guess",
}


def first(config: Config, manifest: Manifest, metrics: Mapping[str, Any], external: Mapping[str, Any]) -> str:
    """What the model has shown: a column for each external data set, and one for its own."""
    columns: dict[str, Mapping[str, Any]] = {**external, _OWN: metrics}
    headings = {"what": ""} | {name: f"{DATASETS.get(name, name)}, external" for name in external}
    if not external:
        columns, headings = {"none": {}, _OWN: metrics}, {"what": "", "none": "external data"}
    headings |= {_OWN: "I-SPY 2, out of fold"}
    rows: list[Row] = [
        {"what": "Place of the tumour"}
        | {name: "**given: the expert's box**" for name, found in columns.items() if found.get("patients") != 0},
        {"what": "Patients (pCR)"} | {name: _count(found, "patients", "responders") for name, found in columns.items()},
        {"what": "Rows of the clinical table (pCR)"}
        | {name: _count(found, "rows", "rows_responders") for name, found in external.items()},
        {"what": "Patients whom the application would not judge by the threshold, a variable being unknown"}
        | {name: found["incomplete_records"] for name, found in external.items()},
        {"what": "Looks of this model at these data"} | {name: found["look"] for name, found in external.items()},
        {"what": "Threshold"}
        | dict.fromkeys(columns, f"{manifest.threshold.value:g}, frozen")
        | {_OWN: "that of the other folds"},
    ]
    rows += [
        {"what": what} | {name: _estimate(found.get("figures", {}).get(figure)) for name, found in columns.items()}
        for figure, what in _FIGURES.items()
    ]
    if not external:
        rows = [{**row, "none": _NOT_SCORED} for row in rows]
    known = [row for row in rows if any(row.get(name) not in (None, _NOT_SCORED) for name in columns)]
    return Table(rows=known).markdown(headings)


def response(compared: Mapping[str, Any]) -> str:
    """Every arm: how well it tells who responds."""
    return Table(rows=_arms(compared)).markdown(_RESPONSE)


def probability(compared: Mapping[str, Any]) -> str:
    """Every arm: how far its probabilities can be taken at their word."""
    return Table(rows=_arms(compared)).markdown(_PROBABILITY)


def differences(compared: Mapping[str, Any]) -> str:
    """What our arm has over others, paired, and whether that is shown."""
    rows: list[Row] = []
    for compared_keys, found in compared["differences"].items():
        other = compared_keys.removeprefix(f"{OURS} - ")
        verdict = by_interval(Estimate(*found["auc"]), above="better", below="worse", neither="no difference shown")
        rows.append(
            {
                "compared": f"{other}, {compared['arms'][other]['name']}",
                **{name: _estimate(found[name]) for name in ("auc", "brier", "sensitivity")},
                "verdict": verdict,
            }
        )
    return Table(rows=rows).markdown(_DIFFERENCES)


def attention(compared: Mapping[str, Any]) -> str:
    """Our arm and the unguided one: attention inside displaced boxes, by the size of the box."""
    rows: list[Row] = []
    for key in (OURS, *AGAINST):
        for group, found in compared["arms"].get(key, {}).get("attention", {}).items():
            least, most = found["box_share"]
            estimates = ("inside", "inside_shifted", "prior_inside_shifted", "gain_over_prior")
            rows.append(
                {
                    "arm": key,
                    "group": group,
                    "patients": found["patients"],
                    "box_share": f"{least:.2f} to {most:.2f}",
                    **{name: _estimate(found[name]) for name in estimates},
                }
            )
    return Table(rows=rows).markdown(_ATTENTION)


def subtypes(compared: Mapping[str, Any]) -> str:
    """AUC of every arm within each receptor subtype."""
    headings = {"arm": "arm", "name": ""} | {
        subtype: f"{subtype}: {found['patients']} patients, {found['responders']} pCR"
        for subtype, found in compared["arms"][OURS]["subtypes"].items()
    }
    rows = [
        {"arm": key, "name": arm["name"]}
        | {name: _estimate(found.get("auc")) or found["reason"] for name, found in arm["subtypes"].items()}
        for key, arm in compared["arms"].items()
    ]
    return Table(rows=rows).markdown(headings)


def robustness(config: Config, moved: Robustness) -> str:
    """How far the probability moves when the lesion is misplaced or mismeasured."""
    augmentation = config.augmentation
    percent = f"{100 * augmentation.extent:g} %"
    causes = {
        "displaced": f"its place is {augmentation.shift_mm:g} mm off, worst of four directions",
        "larger": f"it is taken to be {percent} longer on every side than it is",
        "smaller": f"it is {percent} longer on every side than it is taken to be",
    }
    rows: list[Row] = [{"cause": words, **asdict(getattr(moved, cause))} for cause, words in causes.items()]
    if config.network.size == "attended":
        rows[1] = {"cause": causes["larger"], **dict.fromkeys(("median", "p95", "most"), "not measurable here")}
    headings = {"cause": "the lesion", "median": "median", "p95": "95th percentile", "most": "most"}
    return Table(rows=rows).markdown(headings)


def attempts(config: Config, choice: Mapping[str, Any]) -> str:
    """Every attempt with its log loss on the inner validation, and where it was chosen."""
    rows = []
    for attempt in config.attempts:
        losses: Sequence[float] = list(choice["log_loss"][attempt.name].values())
        folds = [fold for fold, chosen in choice["of_fold"].items() if chosen == attempt.name]
        rows.append(
            {
                "name": f"`{attempt.name}`",
                "changes": _changes(attempt),
                "why": attempt.why,
                "mean": f"{sum(losses) / len(losses):.4f}",
                "folds": ", ".join(folds),
                "shipped": "**shipped**" if attempt.name == choice["shipped"] else "",
            }
        )
    headings = {
        "name": "attempt",
        "changes": "changes",
        "why": "why",
        "mean": "log loss",
        "folds": "chosen in fold",
        "shipped": "",
    }
    return Table(rows=rows).markdown(headings)


def _arms(compared: Mapping[str, Any]) -> list[dict[str, Cell]]:
    return [
        {"arm": key, "name": arm["name"]} | {name: _estimate(found) for name, found in arm["figures"].items()}
        for key, arm in compared["arms"].items()
    ]


def _changes(attempt: Attempt) -> str:
    """The changed settings; of a list of variables their names."""
    named = {
        path: ", ".join(item["name"] for item in value) if isinstance(value, list) else json.dumps(value).strip('"')
        for path, value in attempt.changes.items()
    }
    return "; ".join(f"`{path}: {value}`" for path, value in named.items()) or "nothing"


def _estimate(figure: Sequence[float] | None) -> Estimate | None:
    return None if figure is None else Estimate(*figure)


def _count(found: Mapping[str, Any], everyone: str, responders: str) -> str | None:
    return f"{found[everyone]} ({found[responders]})" if everyone in found else None
