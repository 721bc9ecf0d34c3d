"""The model folder: what the application reads is what was trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from cuda.pathfinder import load_nvidia_dynamic_lib
from rich.progress import Progress

from pcr.manifest import METADATA_KEY, read_metadata
from pcr.model import load_model
from tests.training.conftest import GRID, SLICES
from training.calibration import Calibration
from training.cohorts import Cohort
from training.config import Config
from training.evaluate import COLUMNS, evaluate
from training.export import build_ensemble, export, parity_cases
from training.onnx_file import LARGEST_BYTES, ExportError, check_parity, check_size, run_onnx
from training.runfolder import RunFolder, RunFolderError

CELLS = (SLICES, GRID // 8, GRID // 8)
Feeds = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def model_folder(finished: RunFolder, cohort: Cohort, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    export(cohort, config, finished, folder)
    return folder


@pytest.fixture
def feeds(cohort: Cohort, config: Config) -> Feeds:
    image, clinical, missing = parity_cases(cohort.imaged, config)
    return {"image": image[:5].numpy(), "clinical": clinical[:5].numpy(), "clinical_missing": missing[:5].numpy() * 0}


def test_the_application_loads_the_folder(model_folder: Path) -> None:
    model = load_model(model_folder, "cpu")
    assert model.manifest.onnx.attention_cells == CELLS
    assert model.manifest.onnx.members == 2


def test_every_batch_size_gives_the_same_answer(model_folder: Path, feeds: Feeds) -> None:
    path = model_folder / onnx_file_path(model_folder)
    together = run_onnx(path, feeds)["probability"]
    alone = [
        run_onnx(path, {name: feed[i : i + 1] for name, feed in feeds.items()})["probability"][0] for i in range(5)
    ]
    assert together == pytest.approx(alone, abs=1e-5)


def test_attention_of_the_file_sums_to_one(model_folder: Path, feeds: Feeds) -> None:
    attention = run_onnx(model_folder / onnx_file_path(model_folder), feeds)["attention"]
    assert attention.shape == (5, *CELLS)
    assert attention.sum(axis=(1, 2, 3)) == pytest.approx(np.ones(5), abs=1e-4)


def test_without_clinical_values_the_answer_is_the_imaging_answer(model_folder: Path, feeds: Feeds) -> None:
    path = model_folder / onnx_file_path(model_folder)
    bare = run_onnx(path, feeds | {"clinical_missing": np.ones_like(feeds["clinical"])})
    assert np.array_equal(bare["probability"], bare["imaging_probability"])
    known = run_onnx(path, feeds)
    assert np.array_equal(bare["imaging_probability"], known["imaging_probability"])
    assert np.ptp(bare["clinical_probability"]) == 0


def test_nan_is_a_missing_value_and_never_an_answer(model_folder: Path, feeds: Feeds) -> None:
    path = model_folder / onnx_file_path(model_folder)
    flagged = feeds["clinical_missing"].copy()
    flagged[:, 0] = 1
    holes = feeds["clinical"].copy()
    holes[:, 0] = np.nan
    expected = run_onnx(path, feeds | {"clinical_missing": flagged})
    got = run_onnx(path, feeds | {"clinical": holes})
    for name, values in got.items():
        assert values == pytest.approx(expected[name]), name
    broken = run_onnx(path, feeds | {"image": np.full_like(feeds["image"], np.nan)})
    assert all(np.isfinite(values).all() for values in broken.values())


def test_the_probability_is_the_mean_of_the_members(model_folder: Path, feeds: Feeds) -> None:
    got = run_onnx(model_folder / onnx_file_path(model_folder), feeds)
    assert got["probability"] == pytest.approx(got["member_probability"].mean(axis=1))


def test_a_file_that_answers_otherwise_is_not_exported(
    model_folder: Path, finished: RunFolder, cohort: Cohort, config: Config
) -> None:
    cases = parity_cases(cohort.imaged, config)
    calibration = Calibration.from_plain(finished.read_metrics()["calibration"])
    model = build_ensemble(config, finished, calibration, cases[0])
    path = model_folder / onnx_file_path(model_folder)
    assert check_parity(model, path, cases).probability < 1e-5
    with torch.no_grad():
        model.heads[0].clinical.weights += 0.1
    with pytest.raises(ExportError, match="disagree"):
        check_parity(model, path, cases)


def test_a_file_that_is_too_large_is_not_shipped(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(ExportError, match=f"more than {LARGEST_BYTES}"):
        check_size(path)


def test_an_unfinished_run_is_not_exported(cohort: Cohort, config: Config, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="crossval"):
        export(cohort, config, RunFolder(tmp_path / "run"), tmp_path / "model")


def test_two_exports_of_a_run_are_the_same_files(
    model_folder: Path, finished: RunFolder, cohort: Cohort, config: Config, tmp_path: Path
) -> None:
    export(cohort, config, finished, tmp_path)
    for path in sorted(path.relative_to(model_folder) for path in model_folder.rglob("*") if path.is_file()):
        assert (tmp_path / path).read_bytes() == (model_folder / path).read_bytes(), path


def test_the_file_names_no_folder_of_this_machine(model_folder: Path) -> None:
    content = (model_folder / onnx_file_path(model_folder)).read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content


def test_the_card_states_the_figures_of_the_run(model_folder: Path, finished: RunFolder) -> None:
    card = (model_folder / "docs" / "README.md").read_text("utf-8")
    value, low, high = finished.read_metrics()["figures"]["auc_probability"]
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in card.split("##")[0]
    for statement in ("research use only", "the expert's box", "out of fold", "only the abstract"):
        assert statement.lower() in card.lower()


def test_the_metadata_declares_times_of_the_cohort(model_folder: Path) -> None:
    crop = read_metadata(model_folder).manifest.crop
    # 190 and 550 s, the first post-contrast phase at 100 s, injection 30 s before it.
    assert (crop.early_target_s, crop.late_target_s) == (120, 480)


def test_the_bundle_runs_under_monai(model_folder: Path, feeds: Feeds, cohort: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("fire", reason="python -m monai.bundle needs fire")
    pixels = np.random.default_rng(0).integers(0, 200, (3, SLICES, GRID, GRID))
    np.savez(tmp_path / "case.npz", pixels=pixels, clinical=feeds["clinical"][0])
    command = [sys.executable, "-m", "monai.bundle", "run"]
    command += ["--config_file", str(model_folder / "configs" / "inference.json"), "--bundle_root", str(model_folder)]
    command += ["--input", str(tmp_path / "case.npz"), "--output", str(tmp_path / "prediction.json")]
    # With MONAI Deploy's SDK installed, `import monai` needs this library, and finds it only where the loader looks.
    library = Path(str(load_nvidia_dynamic_lib("cudart").abs_path)).parent
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    prediction = json.loads((tmp_path / "prediction.json").read_text("utf-8"))
    assert 0 < prediction["probability"] < 1
    assert np.sum(prediction["attention"]) == pytest.approx(1, abs=1e-4)


def test_evaluate_scores_the_folder_and_notes_it(model_folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    for _ in range(2):
        metrics = evaluate(model_folder, cohort, tmp_path / "out", ledger, Progress(disable=True))
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(cohort.imaged)
    assert "resubstitution" in metrics["protocol"]
    entries = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    assert [entry["dataset"] for entry in entries] == ["ISPY2", "ISPY2"]


def onnx_file_path(model_folder: Path) -> str:
    metadata = json.loads((model_folder / "configs" / "metadata.json").read_text("utf-8"))
    return str(metadata[METADATA_KEY]["onnx"]["path"])
