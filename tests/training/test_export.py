"""The model folder: what the application reads is what was trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from cuda.pathfinder import load_nvidia_dynamic_lib
from rich.progress import Progress
from scipy.special import logit

from pcr.clinical import encode
from pcr.crop import normalise
from pcr.manifest import METADATA_KEY, read_metadata
from pcr.model import load_model
from tests.training.invented_cohorts import GRID, SLICES
from training.backbones import make_backbone
from training.bundle import ONNX_PATH
from training.calibration import Calibration, Line
from training.cohorts import Cohort
from training.config import Config
from training.crops import load_crop
from training.crossval import CrossValidation
from training.ensemble import Ensemble
from training.export import build_ensemble, export, parity_cases
from training.networks import CellScaling, Network
from training.onnx_checks import check_parity
from training.onnx_file import INPUTS, run_onnx, write_onnx
from training.runfolder import RunFolder, RunFolderError
from training.transforms import make_variants
from training.unit import Unit, make_head

CELLS = (SLICES, GRID // 8, GRID // 8)
LINE = Line(1.0, 0.0)
Feeds = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def feeds(cohort: Cohort, config: Config) -> Feeds:
    """Five real cases with nothing missing."""
    image, clinical, missing = (case[:5].numpy() for case in parity_cases(cohort.imaged, config))
    return {"image": image, "clinical": clinical, "clinical_missing": 0 * missing}


@pytest.fixture(scope="module")
def shipped(plan: CrossValidation, finished: RunFolder) -> Ensemble:
    """The torch model that the run shipped."""
    metrics = finished.read_metrics()
    choice = metrics["choice"]
    units = plan.shipped_units(choice["shipped"], choice["kind"])
    return build_ensemble(units, Calibration.from_plain(metrics["calibration"]), plan.config.attempt(choice["shipped"]))


# The network


def test_the_application_loads_the_folder(model_folder: Path, shipped: Ensemble) -> None:
    model = load_model(model_folder, "cpu")
    assert model.manifest.onnx.attention_cells == CELLS
    assert model.manifest.onnx.members == len(shipped.members)


def test_the_application_answers_as_the_networks_do(
    model_folder: Path, shipped: Ensemble, cohort: Cohort, config: Config
) -> None:
    model = load_model(model_folder, "cpu")
    for patient in cohort.imaged[:3]:
        assert patient.imaging is not None
        crop = load_crop(patient.imaging, config.crop)
        plain = make_variants(crop, config.crop, config.augmentation, (0,))[0]
        image = normalise(plain.pixels, config.normalisation)[None]
        known = encode(patient.clinical, model.manifest.clinical)
        got = model.predict(image, known, plain.box)
        size = [(np.log2(plain.box.box_diameter_mm) - 5) / 1]
        values, missing = np.concatenate([known.values, size]), np.concatenate([known.missing, [0]])
        expected = shipped(*(torch.from_numpy(case).float() for case in (image, values[None], missing[None])))
        assert got.probability == pytest.approx(expected.probability.item(), abs=1e-5)
        assert got.clinical_probability == pytest.approx(expected.clinical_probability.item(), abs=1e-5)


def test_the_logit_is_the_mean_of_the_members(model_folder: Path, feeds: Feeds) -> None:
    got = run_onnx(model_folder / ONNX_PATH, feeds)
    assert logit(got["probability"]) == pytest.approx(logit(got["member_probability"]).mean(axis=1), abs=1e-4)


def test_without_clinical_values_the_file_gives_the_imaging_answer(model_folder: Path, feeds: Feeds) -> None:
    missing = feeds["clinical_missing"].copy()
    missing[:, :3] = 1
    bare = run_onnx(model_folder / ONNX_PATH, feeds | {"clinical_missing": missing})
    known = run_onnx(model_folder / ONNX_PATH, feeds)
    assert bare["probability"] == pytest.approx(known["imaging_probability"], abs=1e-6)
    assert np.array_equal(bare["imaging_probability"], known["imaging_probability"])
    assert np.ptp(bare["clinical_probability"]) == 0
    assert not np.allclose(bare["probability"], known["probability"])


def test_a_lesion_size_that_is_missing_counts_as_its_offset_in_the_file(model_folder: Path, feeds: Feeds) -> None:
    unknown, at_offset = feeds["clinical_missing"].copy(), feeds["clinical"].copy()
    unknown[:, 3], at_offset[:, 3] = 1, 0
    got = run_onnx(model_folder / ONNX_PATH, feeds | {"clinical_missing": unknown})
    expected = run_onnx(model_folder / ONNX_PATH, feeds | {"clinical": at_offset})
    assert all(np.array_equal(got[name], expected[name]) for name in expected)


def test_nan_is_a_missing_value_and_never_an_answer(model_folder: Path, feeds: Feeds) -> None:
    path = model_folder / ONNX_PATH
    flagged, holes = feeds["clinical_missing"].copy(), feeds["clinical"].copy()
    flagged[:, 0], holes[:, 0] = 1, np.nan
    expected, got = run_onnx(path, feeds | {"clinical_missing": flagged}), run_onnx(path, feeds | {"clinical": holes})
    for name, values in got.items():
        assert values == pytest.approx(expected[name]), name
    broken = run_onnx(path, feeds | {"image": np.full_like(feeds["image"], np.nan)})
    assert all(np.isfinite(values).all() for values in broken.values())


def test_parity_is_shown_under_every_pattern_of_missing_values(cohort: Cohort, config: Config) -> None:
    image, clinical, missing = parity_cases(cohort.imaged, config)
    assert len({tuple(flags) for flags in missing.tolist()}) == 2 ** (len(config.clinical.variables) + 1)
    assert (clinical[missing > 0.5] == 0).all()
    assert len(image) == len(clinical)


def test_a_network_that_takes_size_from_its_attention_is_told_no_size(cohort: Cohort, config: Config) -> None:
    settings = config.model_copy(update={"network": config.network.model_copy(update={"size": "attended"})})
    image, clinical, missing = parity_cases(cohort.imaged[:3], settings)
    assert clinical.shape == missing.shape == (len(image), len(config.clinical.variables))
    backbone = make_backbone("resnet10_layer2").frozen()
    scaling = CellScaling(backbone(image[:1]).shape[-1], config.network.components)
    network = Network(scaling, make_head(settings))
    answer = Ensemble(backbone, [network], Calibration(joint=LINE, imaging=LINE, clinical=LINE), 3)
    assert torch.isfinite(answer(image, clinical, missing).probability).all()


@pytest.mark.parametrize("fine_tuned", ["resnet10_layer2"], indirect=True)
def test_a_fine_tuned_network_is_exported_with_its_own_backbone(
    fine_tuned: Unit, cohort: Cohort, tmp_path: Path
) -> None:
    model = build_ensemble([fine_tuned], Calibration(joint=LINE, imaging=LINE, clinical=LINE), fine_tuned.config)
    assert not list(model.backbone.parameters())
    cases, path = parity_cases(cohort.imaged, fine_tuned.config), tmp_path / "model.onnx"
    write_onnx(model, (cases[0][:2], cases[1][:2], cases[2][:2]), path)
    assert check_parity(model, path, cases).cases == len(cases[0])
    answers = run_onnx(path, dict(zip(INPUTS, (case.numpy() for case in cases), strict=True)))
    assert np.ptp(answers["imaging_probability"]) > 0


# The folder


def test_an_unfinished_run_is_not_exported(cohort: Cohort, config: Config, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="crossval"):
        export(cohort, config, RunFolder(tmp_path / "run"), tmp_path / "model", Progress(disable=True))
    assert not (tmp_path / "model").exists()


def test_the_file_names_no_folder_of_this_machine(model_folder: Path) -> None:
    root = str(Path(__file__).parents[2]).encode()
    assert not [path for path in model_folder.rglob("*") if path.is_file() and root in path.read_bytes()]


def test_the_card_states_the_figures_of_the_run(model_folder: Path, finished: RunFolder) -> None:
    card = (model_folder / "docs" / "README.md").read_text("utf-8")
    value, low, high = finished.read_metrics()["figures"]["auc_probability"]
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in card


def test_the_report_of_the_arms_goes_with_the_model(model_folder: Path, finished: RunFolder) -> None:
    report = model_folder / "docs" / "report"
    assert (report / "arms.csv").read_bytes() == (finished.report / "arms.csv").read_bytes()


def test_the_metadata_declares_what_the_model_was_trained_on(model_folder: Path, config: Config) -> None:
    manifest = read_metadata(model_folder).manifest
    assert (manifest.crop.early_target_s, manifest.crop.late_target_s) == (120, 440)
    assert (manifest.crop.window_mm, manifest.crop.grid, manifest.crop.slices) == (60, GRID, SLICES)
    assert manifest.lesion == config.lesion
    assert manifest.clinical == config.clinical.variables


def test_the_bundle_runs_under_monai(model_folder: Path, feeds: Feeds, tmp_path: Path) -> None:
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


def test_the_declaration_lies_under_its_own_key(model_folder: Path) -> None:
    metadata = json.loads((model_folder / "configs" / "metadata.json").read_text("utf-8"))
    assert metadata[METADATA_KEY]["onnx"]["path"] == ONNX_PATH
