"""The model card, written from the figures of the run; nothing in it is typed in by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pcr.manifest import Manifest
from training.bundle import LICENCE, SOURCES
from training.config import Config
from training.onnx_file import Parity

_ROWS = (
    ("AUC, image and clinical variables (`probability`)", "auc_probability"),
    ("AUC, clinical variables alone (`clinical_probability`)", "auc_clinical_probability"),
    ("AUC, image alone (`imaging_probability`)", "auc_imaging_probability"),
    ("Sensitivity at the threshold", "sensitivity"),
    ("Specificity at the threshold", "specificity"),
    ("Brier score, `probability`", "brier_probability"),
    ("Brier score, `clinical_probability`", "brier_clinical_probability"),
    ("Brier score, `imaging_probability`", "brier_imaging_probability"),
    ("Attention inside the expert's box, crop centred on it", "attention_inside"),
    ("Attention inside the expert's box, crop displaced and altered", "attention_inside_displaced"),
    ("Share of the crop that the box covers (even attention would have this)", "region_share"),
)


def make_card(config: Config, manifest: Manifest, metrics: Mapping[str, Any], parity: Parity) -> str:
    """The card as Markdown."""
    variables = ", ".join(variable.name for variable in manifest.clinical)
    sections = [
        f"# {config.bundle.name} {config.bundle.version}: pathological complete response from breast DCE-MRI\n\n"
        "**For research use only. Not a medical device, not for clinical decisions. "
        f"Non-commercial use only ({LICENCE}).**",
        _first_table(metrics),
        _reading(metrics),
        "## Intended use\n\n"
        "Research on breast DCE-MRI before neoadjuvant therapy of women with stage II or III breast cancer like those "
        "of I-SPY 2: an estimate of the probability of pathological complete response from three phases around the "
        f"tumour and from {variables}, any of which may be missing. Not for screening, diagnosis, other tumours, "
        "studies during or after therapy, or breasts with implants.",
        _network(config, manifest),
        _input(manifest, config),
        _data(metrics),
        _limits(),
        _export(manifest, parity),
    ]
    return "\n\n".join(sections) + "\n"


def _first_table(metrics: Mapping[str, Any]) -> str:
    rows: list[Sequence[str]] = [
        ("Judged on", "I-SPY 2, out of fold: each patient by a network that never saw her"),
        ("Place of the tumour", "**given: the expert's box**; finding it is not part of these figures"),
        ("Patients (pCR)", f"{metrics['patients']} ({metrics['responders']})"),
        ("External data", "none was scored for this version"),
        ("Threshold", f"{metrics['threshold']}, chosen on the same out-of-fold predictions"),
    ]
    figures = metrics["figures"]
    rows += [(name, _interval(figures[key])) for name, key in _ROWS if key in figures]
    lines = ["| | value (95 % bootstrap interval over patients) |", "| --- | --- |"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows])


def _interval(figure: Sequence[float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _reading(metrics: Mapping[str, Any]) -> str:
    figures = metrics["figures"]
    gain = figures["auc_probability"][0] - figures["auc_clinical_probability"][0]
    return (
        "The calibration lines and the threshold were fitted on the same out-of-fold predictions as the table is of "
        "(two numbers for each output, and one), and the shipped ensemble averages the networks of all folds, "
        "which no out-of-fold figure covers. Settings were chosen by looking at out-of-fold figures of I-SPY 2 "
        f"(docs/training.md lists what was tried), so they are somewhat too good. The image adds {gain:+.3f} to the "
        "AUC of the clinical variables; the intervals overlap, so this is no proof that it adds anything."
    )


def _network(config: Config, manifest: Manifest) -> str:
    cells = " x ".join(str(cells) for cells in manifest.onnx.attention_cells)
    guided = config.steps.guided
    return (
        "## Network\n\n"
        "Each slice is a picture whose three channels are the three phases. EfficientNet-lite0, trained on ImageNet "
        f"and frozen, turns it into cells up to its block {config.network.last_block}; one softmax over all {cells} "
        "cells (slices x rows x columns) gives the attention, which is exactly what the linear classifier pools with. "
        "The classifier also sees how far the attention reaches (its radius and effective number of cells). The "
        "clinical part is a logistic regression with an interaction of HR and HER2 and with weights of its own for "
        "each pattern of missing values. Joint logit = clinical logit + scale x imaging logit. "
        f"{manifest.onnx.members} networks, one a fold, share the backbone; their calibrated probabilities and their "
        "attention maps are averaged. Without any clinical value, `probability` is `imaging_probability`.\n\n"
        "Trained in three steps: (1) global, evenly pooled cells; (2) attention guided to the tumour box "
        f"(`{guided.guidance}`, weight {guided.guidance_weight:g}); (3) clinical part, first trained alone also on "
        "rows without images, then jointly.\n\n"
        "The idea of the three steps is that of arXiv:2605.07561, of which only the abstract was known. Backbone, "
        "attention, losses, weights, schedule, variables and everything else are our own choices and say nothing "
        "about that paper's."
    )


def _input(manifest: Manifest, config: Config) -> str:
    crop, scale, domain = manifest.crop, manifest.normalisation, manifest.domain
    return (
        "## Input\n\n"
        f"`image` [N, 3, {crop.slices}, {crop.grid}, {crop.grid}]: pre-contrast, early and late phase of a "
        f"{crop.window_mm:g} mm square around the tumour, made by `pcr.crop.normalise` (percentiles "
        f"{scale.low_percentile:g} and {scale.high_percentile:g} of the crop become 0 and 1, cut at "
        f"{scale.ceiling:g}). Target times after injection: {crop.early_target_s:g} s and {crop.late_target_s:g} s; "
        f"accepted: {domain.early_after_injection_s.low:g} to {domain.early_after_injection_s.high:g} s and "
        f"{domain.late_after_injection_s.low:g} to {domain.late_after_injection_s.high:g} s. They are those of I-SPY "
        "2, whose injection times are not known: injection is taken to lie "
        f"{config.timing.injection_before_first_post_s:g} s before the first post-contrast phase. "
        "`clinical` and `clinical_missing` [N, "
        f"{len(manifest.clinical)}]: made by `pcr.clinical.encode`."
    )


def _data(metrics: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {source.name} | {source.url} | {source.licence} |" for source in SOURCES)
    return (
        "## Data and attributions\n\n"
        f"Images of {metrics['patients']} patients of I-SPY 2 and the clinical rows of all its patients in the "
        "MAMA-MIA table whose label is known; rows of held-out patients were held out of the clinical part as well. "
        "Nothing of I-SPY 1 or NACT-Pilot was used, nor scored.\n\n"
        "| source | where | licence |\n| --- | --- | --- |\n"
        f"{rows}\n\n"
        f"The labels and clinical variables are {LICENCE}; so the weights are for non-commercial research, as LICENSE "
        "says."
    )


def _limits() -> str:
    return (
        "## Limits\n\n"
        "- Given the expert's box. In the application the tumour comes from a segmentation or from a localiser that "
        "makes errors; no end-to-end figure exists.\n"
        "- One trial, and 8-bit crops of 8 slices. 16-bit studies are scaled the same way, but none was trained on.\n"
        "- The arms of I-SPY 2 were given different drugs, which changes how often there is a complete response; the "
        "drug is not an input.\n"
        "- The training crops do not say how they are oriented; training shows all eight symmetries of the plane.\n"
        "- The interval that the application reports is the spread of the members, not an interval for the truth."
    )


def _export(manifest: Manifest, parity: Parity) -> str:
    return (
        "## Export\n\n"
        f"`{manifest.onnx.path}`, sha256 `{manifest.onnx.sha256}`. On {parity.cases} real cases torch and ONNX "
        f"Runtime differ by at most {parity.probability:.0e} in probability and {parity.attention_l1:.0e} in the L1 "
        "norm of the attention.\n\n"
        "    python -m monai.bundle run --config_file models/pcr/configs/inference.json \\\n"
        "        --bundle_root models/pcr --input case.npz --output prediction.json\n\n"
        "with `pixels` [3, slices, rows, columns] as stored, and optionally `clinical` and `clinical_missing`, in "
        "`case.npz`."
    )
