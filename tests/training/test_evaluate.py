"""Scoring a finished model folder: the application's preparation, every patient, and a ledger that forgets nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from rich.progress import Progress

from pcr.attention import place_attention
from pcr.clinical import encode
from pcr.crop import cut, normalise, window_around
from pcr.lesion_box import lesion_box
from pcr.model import Prediction, load_model
from tests.pcr.tiny_model import GRID, SLICES, write_model
from tests.training.invented_cohorts import (
    FULL_IMAGED,
    FULL_SPACING_MM,
    IMAGED,
    ROWS_ONLY,
    SPACING_MM,
    STORED_GRID,
    TARGETS,
)
from training.cohorts import TABLE, Cohort, CohortError, Patient, read_cohort
from training.evaluate import COLUMNS, evaluate, model_targets

# The tiny model with the pixels of the reduced pack.
WINDOW_MM = GRID * SPACING_MM[0]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", changes={"crop.window_mm": WINDOW_MM})


@pytest.fixture
def duke(full_cohort_folder: Path) -> Cohort:
    return read_cohort(full_cohort_folder, "DUKE", TARGETS)


def score(model: Path, cohort: Cohort, out: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Figures of the cohort, and predictions by patient as they were written, rows without images last."""
    metrics = evaluate(model, [cohort], out, out / "ledger.jsonl", Progress(disable=True))
    assert json.loads((out / "metrics.json").read_text()) == metrics
    tables = [pd.read_csv(out / name) for name in ("predictions.csv", "clinical_predictions.csv")]
    assert tuple(tables[0].columns) == COLUMNS
    return metrics["datasets"][cohort.dataset], pd.concat(tables).set_index("patient_id", drop=False)


def stored(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj).transpose(2, 1, 0)


def as_the_application_does(model_folder: Path, patient: Patient) -> tuple[Prediction, float]:
    """Prediction and attention inside the region of whole volumes, step by step."""
    assert patient.imaging is not None
    model, spacing_mm = load_model(model_folder, "cpu"), FULL_SPACING_MM[::-1]
    mask = stored(patient.imaging.region) > 0
    window = window_around(mask, spacing_mm[1:], model.manifest.crop)
    combs = cut(window, [stored(path) for path in patient.imaging.phases])
    images = np.stack([normalise(comb, model.manifest.normalisation) for comb in combs])
    assert len(images) == 3  # nine slices of the lesion in combs of four
    found = model.predict(images, encode(patient.clinical, model.manifest.clinical), lesion_box(mask, spacing_mm))
    return found, place_attention(found.attention, window).inside_fraction(mask)


def without_labels(folder: Path, *patient_ids: str) -> Cohort:
    """The cohort of a folder after the labels of some of its patients were taken away."""
    table = pd.read_excel(folder / TABLE)
    table.loc[table["patient_id"].isin(patient_ids), "pcr"] = np.nan
    table.to_excel(folder / TABLE, index=False)
    return read_cohort(folder, "ISPY2", TARGETS)


# Predictions


def test_every_patient_is_in_the_predictions(model: Path, cohort: Cohort, tmp_path: Path) -> None:
    _, table = score(model, cohort, tmp_path)
    assert sorted(table["patient_id"]) == [patient.patient_id for patient in cohort.patients]
    assert table["probability"].notna().sum() == IMAGED


def test_rows_without_images_have_the_clinical_probability_alone(model: Path, cohort: Cohort, tmp_path: Path) -> None:
    _, table = score(model, cohort, tmp_path)
    patient = cohort.rows_only[0]
    row, known = table.loc[patient.patient_id], patient.clinical
    assert known.age is not None
    expected = 1 / (1 + np.exp(-((known.age - 50) / 10 + bool(known.hr) + bool(known.her2))))
    assert row["clinical_probability"] == pytest.approx(expected, abs=1e-5)
    assert row[["probability", "imaging_probability", "attention_inside"]].isna().all()


def test_a_stored_crop_is_read_in_its_middle(model: Path, cohort: Cohort, tmp_path: Path) -> None:
    _, table = score(model, cohort, tmp_path)
    patient = cohort.imaged[0]
    assert patient.imaging is not None
    edge = (STORED_GRID - GRID) // 2
    middle = slice(edge, edge + GRID)
    spread = np.round(np.linspace(0, 7, SLICES)).astype(int)
    pixels = np.stack([stored(path)[spread, middle, middle] for path in patient.imaging.phases])
    mean = normalise(pixels, load_model(model, "cpu").manifest.normalisation).mean()
    assert table.loc[patient.patient_id, "imaging_probability"] == pytest.approx(1 / (1 + np.exp(-mean)), abs=1e-5)


def test_whole_volumes_are_scored_as_the_application_does(model: Path, duke: Cohort, tmp_path: Path) -> None:
    _, table = score(model, duke, tmp_path)
    row = table.loc[duke.imaged[0].patient_id]
    found, inside = as_the_application_does(model, duke.imaged[0])
    assert row["probability"] == pytest.approx(found.probability, abs=1e-5)
    assert row["clinical_probability"] == pytest.approx(found.clinical_probability, abs=1e-5)
    assert row["attention_inside"] == pytest.approx(inside, abs=1e-5)


def test_phases_are_chosen_by_the_targets_of_the_model(model: Path) -> None:
    assert model_targets(model) == TARGETS


def test_crops_of_another_pixel_size_are_refused_before_they_are_looked_at(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"(?s)24 errors.*pixels of 2.5 x 2.5 mm, .* 16 x 16 pixels of 2 mm"):
        score(write_model(tmp_path / "model"), cohort, tmp_path)
    assert not (tmp_path / "ledger.jsonl").exists()


# Figures


def test_figures_of_images_and_of_rows_have_their_own_patients(model: Path, cohort: Cohort, tmp_path: Path) -> None:
    metrics, _ = score(model, cohort, tmp_path)
    assert (metrics["patients"], metrics["rows"], metrics["label_unknown"]) == (IMAGED, IMAGED + ROWS_ONLY, 1)
    assert {"auc_probability", "auc_clinical_probability_rows", "attention_inside"} <= set(metrics["figures"])


def test_a_patient_without_a_label_is_predicted_and_in_no_figure(
    model: Path, own_cohort_folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    complete, _ = score(model, cohort, tmp_path / "complete")
    metrics, table = score(model, without_labels(own_cohort_folder, "ISPY2_0003"), tmp_path)
    assert np.isnan(table.loc["ISPY2_0003", "pcr"]) and table.loc["ISPY2_0003", "probability"] > 0
    assert metrics["patients"] == complete["patients"] - 1
    assert metrics["responders"] == complete["responders"] - 1


def test_without_any_label_there_are_predictions_and_no_figures(
    model: Path, own_cohort_folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    everyone = [patient.patient_id for patient in cohort.patients]
    metrics, table = score(model, without_labels(own_cohort_folder, *everyone), tmp_path)
    assert metrics["figures"] == {}
    assert len(table) == len(everyone)


def test_a_data_set_without_images_has_the_figure_of_its_rows(model: Path, own_cohort_folder: Path) -> None:
    table = pd.read_excel(own_cohort_folder / TABLE)
    table.loc[table["patient_id"] > f"ISPY2_{IMAGED - 1:04d}", "dataset"] = "NACT"
    table.to_excel(own_cohort_folder / TABLE, index=False)
    metrics, _ = score(model, read_cohort(own_cohort_folder, "NACT", TARGETS), own_cohort_folder)
    assert (metrics["patients"], set(metrics["figures"])) == (0, {"auc_clinical_probability_rows"})


def test_a_new_data_set_is_external_and_the_developments_own_no_evidence(
    model: Path, duke: Cohort, cohort: Cohort, tmp_path: Path
) -> None:
    assert score(model, duke, tmp_path)[0]["protocol"].startswith("external")
    assert score(model, cohort, tmp_path)[0]["protocol"].startswith("resubstitution")


def test_several_data_sets_are_scored_at_once(model: Path, duke: Cohort, cohort: Cohort, tmp_path: Path) -> None:
    metrics = evaluate(model, [cohort, duke], tmp_path, tmp_path / "ledger.jsonl", Progress(disable=True))
    assert list(metrics["datasets"]) == ["ISPY2", "DUKE"]
    assert set(pd.read_csv(tmp_path / "predictions.csv")["dataset"]) == {"ISPY2", "DUKE"}


# Ledger


def test_every_look_of_a_model_at_a_data_set_is_counted(
    model: Path, duke: Cohort, cohort: Cohort, tmp_path: Path
) -> None:
    looks = [score(model, looked_at, tmp_path)[0]["look"] for looked_at in (duke, cohort, duke)]
    other = write_model(tmp_path / "other", changes={"crop.window_mm": WINDOW_MM}, batch="M")
    looks.append(score(other, duke, tmp_path)[0]["look"])
    entries = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert looks == [entry["look"] for entry in entries] == [1, 1, 2, 1]
    assert entries[0]["patients"] == FULL_IMAGED


def test_a_look_that_is_broken_off_counts(model: Path, own_cohort_folder: Path, tmp_path: Path) -> None:
    cohort = read_cohort(own_cohort_folder, "ISPY2", TARGETS)
    (own_cohort_folder / "images" / "ISPY2_0003" / "ispy2_0003_0001.nii.gz").write_bytes(b"lost")
    with pytest.raises(CohortError, match=r"ISPY2_0003: ispy2_0003_0001\.nii\.gz can not be read"):
        score(model, cohort, tmp_path)
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1
