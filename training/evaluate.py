"""Scores a finished model folder on a cohort, through its ONNX file and the application's own preparation alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
from rich.progress import Progress

from pcr.attention import place_attention
from pcr.clinical import ClinicalRecord, encode
from pcr.contrast import FIRST_PHASE_AFTER_INJECTION_S
from pcr.crop import normalise, window_around
from pcr.manifest import CropSpec, read_metadata
from pcr.model import PcrModel, load_model
from training.cohorts import DEVELOPMENT, Cohort, CohortError, Imaging, Layout, Patient, PhaseTargets
from training.crops import centre_window, cut_phases, measure_box, read_region
from training.figures import measure
from training.findings import Findings
from training.ledger import note_look
from training.statistics import Estimate, Resampling

COLUMNS = (
    "patient_id",
    "dataset",
    "pcr",
    "probability",
    "imaging_probability",
    "clinical_probability",
    "attention_inside",
)
# Of patients who have no images.
ROW_COLUMNS = ("patient_id", "dataset", "pcr", "clinical_probability")
_BOOTSTRAP = 2000
_SEED = 0
_TOLERANCE = 0.01


def model_targets(model_folder: Path) -> PhaseTargets:
    """What a model's early and late phase are chosen by, for `read_cohort`; raises BadModel."""
    crop = read_metadata(model_folder).manifest.crop
    return PhaseTargets(
        early_s=crop.early_target_s,
        late_s=crop.late_target_s,
        injection_before_first_post_s=FIRST_PHASE_AFTER_INJECTION_S,
    )


def evaluate(
    model_folder: Path, cohorts: Sequence[Cohort], out: Path, ledger: Path, progress: Progress
) -> dict[str, Any]:
    """Predict every patient; write the predictions and `metrics.json`, and append a line to the ledger for each cohort.

    `predictions.csv` holds the patients with images, those without a label too, which are in no figure;
    `clinical_predictions.csv` holds the rows without images. The ledger is written before anything is scored: a look
    at a cohort counts, also when it is broken off.

    Returns:
        What `metrics.json` holds: the model, and by data set its figures. `look` is how often this model has looked
        at it, this time included.

    Raises:
        CohortError: crops of a reduced pack have another pixel size than the model's, or a file can not be read.
        BadModel: the model folder is not what it says.
        OSError, ValueError: the ledger can not be read or written, or a line of it is no entry.
    """
    model = load_model(model_folder, "cpu")
    for cohort in cohorts:
        _check_crops(cohort, model.manifest.crop)
    looks = {cohort.dataset: note_look(ledger, model, cohort) for cohort in cohorts}
    tables = {cohort.dataset: _predict(model, cohort, progress) for cohort in cohorts}
    everyone = pd.concat(tables.values(), ignore_index=True)
    imaged = everyone["probability"].notna()
    out.mkdir(parents=True, exist_ok=True)
    everyone[imaged].to_csv(out / "predictions.csv", index=False, float_format="%.6f")
    rows = everyone.loc[~imaged, list(ROW_COLUMNS)]
    rows.to_csv(out / "clinical_predictions.csv", index=False, float_format="%.6f")
    metrics = {
        "model": {"name": model.folder.name, "version": model.folder.version, "sha256": model.manifest.onnx.sha256},
        "datasets": {
            cohort.dataset: _metrics(model, cohort, tables[cohort.dataset]) | {"look": looks[cohort.dataset]}
            for cohort in cohorts
        },
    }
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    return metrics


def _predict(model: PcrModel, cohort: Cohort, progress: Progress) -> pd.DataFrame:
    task = progress.add_task(f"Scoring {cohort.dataset}", total=len(cohort.patients))
    rows = []
    for patient in cohort.patients:
        rows.append(_score(model, patient))
        progress.advance(task)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"pcr": "Int64"})


def _score(model: PcrModel, patient: Patient) -> dict[str, Any]:
    known = {
        "patient_id": patient.patient_id,
        "dataset": patient.dataset,
        "pcr": None if patient.pcr is None else int(patient.pcr),
    }
    if patient.imaging is None:
        return known | {"clinical_probability": _clinical_probability(model, patient.clinical)}
    try:
        return known | _score_images(model, patient.imaging, patient.clinical)
    except (CohortError, ValueError) as error:
        raise CohortError(f"{patient.patient_id}: {error}") from None


def _score_images(model: PcrModel, imaging: Imaging, clinical: ClinicalRecord) -> dict[str, float]:
    spec = model.manifest.crop
    mask = read_region(imaging)
    if imaging.layout is Layout.REDUCED:
        window = centre_window(imaging, spec.slices, spec.grid)
    else:
        window = window_around(mask, imaging.spacing_mm[1:], spec)
    images = np.stack([normalise(comb, model.manifest.normalisation) for comb in cut_phases(imaging, window)])
    box = measure_box(imaging, mask, spec.training_extent_fraction)
    prediction = model.predict(images, encode(clinical, model.manifest.clinical), box)
    return {
        "probability": prediction.probability,
        "imaging_probability": prediction.imaging_probability,
        "clinical_probability": prediction.clinical_probability,
        "attention_inside": place_attention(prediction.attention, window).inside_fraction(mask),
    }


def _clinical_probability(model: PcrModel, clinical: ClinicalRecord) -> float:
    """The clinical part's answer for a patient without images; the other outputs are not computed."""
    crop, encoded = model.manifest.crop, encode(clinical, model.manifest.clinical)
    nothing = np.zeros(len(model.manifest.lesion), dtype=np.float32)
    inputs = {
        "image": np.zeros((1, 3, crop.slices, crop.grid, crop.grid), dtype=np.float32),
        "clinical": np.concatenate([encoded.values, nothing])[None],
        "clinical_missing": np.concatenate([encoded.missing, nothing + 1])[None],
    }
    options = ort.RunOptions()
    options.only_execute_path_to_fetches = True
    return float(model.session.run(["clinical_probability"], inputs, options)[0][0])


def _check_crops(cohort: Cohort, spec: CropSpec) -> None:
    """Check that crops of a reduced pack have the model's pixels, within 1 %, and hold its window."""
    findings = Findings()
    pixel_mm = spec.window_mm / spec.grid
    for patient in cohort.patients:
        imaging = patient.imaging
        if imaging is None or imaging.layout is Layout.FULL:
            continue
        same = all(abs(spacing / pixel_mm - 1) <= _TOLERANCE for spacing in imaging.spacing_mm[1:])
        if not same or min(imaging.shape[1:]) < spec.grid:
            (rows, columns), (row_mm, column_mm) = imaging.shape[1:], imaging.spacing_mm[1:]
            findings.error(
                patient.patient_id,
                f"stored crop of {rows} x {columns} pixels of {row_mm:g} x {column_mm:g} mm, "
                f"the model reads {spec.grid} x {spec.grid} pixels of {pixel_mm:g} mm",
            )
    findings.raise_errors(f"the crops of {cohort.dataset}")


def _metrics(model: PcrModel, cohort: Cohort, table: pd.DataFrame) -> dict[str, Any]:
    table = table.assign(age=[patient.age_years for patient in cohort.patients])
    labelled = table[table["pcr"].notna()]
    imaged = labelled[labelled["probability"].notna()]
    threshold = model.manifest.threshold.value
    return {
        "protocol": _protocol(cohort),
        "patients": len(imaged),
        "responders": int(imaged["pcr"].sum()),
        "rows": len(labelled),
        "rows_responders": int(labelled["pcr"].sum()),
        "label_unknown": len(table) - len(labelled),
        "threshold": threshold,
        # The application gives these patients a probability and does not judge it by the threshold.
        "incomplete_records": sum(_incomplete(patient.clinical, model) for patient in cohort.imaged),
        "figures": {name: estimate.plain() for name, estimate in _figures(imaged, labelled, threshold).items()},
        "warnings": list(cohort.warnings),
    }


def _figures(imaged: pd.DataFrame, labelled: pd.DataFrame, threshold: float) -> dict[str, Estimate]:
    """Figures over patients with images, and of the clinical part over all rows; none of labels that are all alike."""
    figures: dict[str, Estimate] = {}
    if imaged["pcr"].nunique() == 2:
        label = imaged["pcr"].to_numpy(dtype=bool)
        above = imaged["probability"].to_numpy(dtype=float) >= threshold
        figures |= measure(imaged, label, above, Resampling.draw(len(imaged), _BOOTSTRAP, _SEED))
    if labelled["pcr"].nunique() == 2:
        label, score = labelled["pcr"].to_numpy(dtype=bool), labelled["clinical_probability"].to_numpy(dtype=float)
        rows = Resampling.draw(len(labelled), _BOOTSTRAP, _SEED)
        figures["auc_clinical_probability_rows"] = rows.auc(label, score)
    return figures


def _protocol(cohort: Cohort) -> str:
    if cohort.dataset == DEVELOPMENT:
        return "resubstitution: the model was trained on these patients, so this checks the folder and is no evidence"
    return "external: given the expert's region"


def _incomplete(clinical: ClinicalRecord, model: PcrModel) -> bool:
    """Whether a variable that the threshold was set with is missing."""
    return any(clinical.value(name) is None for name in model.manifest.threshold.requires)
