"""From a finished cross-validation to the model folder: ensemble, ONNX file, parity, metadata, card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn

from pcr.crop import normalise
from pcr.lesion_box import encode_box
from pcr.manifest import Manifest, OnnxFile, read_metadata
from training.backbones import make_backbone
from training.bundle import CARD_PATH, ONNX_PATH, copy_report, make_manifest, make_metadata, write_bundle_files
from training.calibration import Calibration
from training.card import make_card
from training.checks import Checks
from training.cohorts import DEVELOPMENT, Cohort, Patient
from training.config import Config
from training.crops import load_crop
from training.crossval import CrossValidation
from training.data import clinical_rows
from training.ensemble import Ensemble, EnsembleOutput
from training.onnx_checks import check_occlusion, check_parity
from training.onnx_file import ExportError, check_size, sha256, write_onnx
from training.robustness import check_robustness
from training.runfolder import RunFolder, RunFolderError
from training.timing import phase_times
from training.transforms import misplaced
from training.unit import Unit, read_network

_PARITY_CASES = 24


def export(cohort: Cohort, config: Config, run: RunFolder, folder: Path, progress: Progress) -> Manifest:
    """Write the model folder of a finished run, and read it back as the application will.

    Raises:
        RunFolderError: the run is not finished, or was another's.
        ExportError: the ONNX file does not answer as the torch model does, or its attention is not what it pools with.
    """
    metrics = run.read_metrics()
    run.claim(config, cohort)
    plan = CrossValidation(cohort, config, run)
    shipped_config = plan.configs[metrics["choice"]["shipped"]]
    units = plan.shipped_units(metrics["choice"]["shipped"], metrics["choice"]["kind"])
    model = build_ensemble(units, Calibration.from_plain(metrics["calibration"]), shipped_config)
    cases = parity_cases(cohort.imaged, shipped_config)
    # In the run folder first: a file that fails its checks must not replace one that is shipped.
    path = run.root / "model.onnx"
    write_onnx(model, (cases[0][:2], cases[1][:2], cases[2][:2]), path)
    check_size(path)
    checks = Checks(
        parity=check_parity(model, path, cases),
        occlusion=check_occlusion(path, cases),
        robustness=check_robustness(path, cohort.imaged, shipped_config, progress),
    )
    with torch.inference_mode():
        output: EnsembleOutput = model(*(case[:1] for case in cases))
    onnx = OnnxFile(
        path=ONNX_PATH,
        sha256=sha256(path),
        members=len(units),
        attention_cells=tuple(output.attention.shape[1:]),
    )
    manifest = make_manifest(shipped_config, metrics, phase_times(cohort.imaged, config.timing), onnx)
    shipped = folder / ONNX_PATH
    shipped.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, shipped)
    checks.write(run.checks)
    card = make_card(shipped_config, manifest, metrics, checks)
    write_bundle_files(folder, make_metadata(shipped_config, manifest), card)
    copy_report(run.report, folder / "docs")
    return read_metadata(folder).manifest


def write_card(config: Config, run: RunFolder, folder: Path, external: Path) -> None:
    """Write the card of an exported model anew, with what `evaluate` found on external data.

    Raises:
        RunFolderError: the run is not finished, or not exported.
        ExportError: the external figures are of other weights.
    """
    metrics = run.read_metrics()
    if not run.checks.is_file():
        raise RunFolderError(f"{run.root} was not exported; run `python -m training export` first")
    shipped = config.attempt(metrics["choice"]["shipped"])
    manifest, checks = read_metadata(folder).manifest, Checks.read(run.checks)
    try:
        found = json.loads(external.read_text("utf-8"))
        if not set(found["datasets"]) - {DEVELOPMENT}:
            raise ValueError("it holds no external data")
        card = make_card(shipped, manifest, metrics, checks, found)
    except ValueError as error:
        raise ExportError(f"{external}: {error}") from None
    except (KeyError, TypeError):
        raise ExportError(f"{external} is not what `evaluate` writes") from None
    (folder / CARD_PATH).write_text(card, "utf-8")


def build_ensemble(units: Sequence[Unit], calibration: Calibration, config: Config) -> Ensemble:
    """The networks of finished units on the backbone that they share, if they do."""
    frozen = config.network.backbone_training == "frozen"
    backbone = make_backbone(config.network.backbone).frozen() if frozen else nn.Identity()
    members = [read_network(unit) for unit in units]
    return Ensemble(backbone, members, calibration, len(config.clinical.variables))


def parity_cases(patients: Sequence[Patient], config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """Real cases spread over the cohort, under every pattern of missing clinical and lesion values in turn."""
    chosen = [patients[index] for index in np.linspace(0, len(patients) - 1, _PARITY_CASES).round().astype(int)]
    images, boxes = [], []
    for patient in chosen:
        if patient.imaging is None:
            raise ValueError(f"{patient.patient_id} has no images")
        crop = load_crop(patient.imaging, config.crop)
        plain = misplaced(crop, config.crop, rows_mm=0, columns_mm=0, extent=1)
        images.append(normalise(plain.pixels, config.normalisation))
        boxes.append(encode_box(plain.box, config.lesion_inputs))
    rows = clinical_rows(chosen, config.clinical.variables)
    values = torch.cat([rows.values, torch.from_numpy(np.stack(boxes))], dim=1)
    known = torch.cat([rows.missing, torch.zeros(len(chosen), len(config.lesion_inputs))], dim=1)
    count = values.shape[1]
    patterns = torch.tensor([[float(case >> bit & 1) for bit in range(count)] for case in range(len(chosen))])
    missing = torch.maximum(known, patterns)
    return torch.from_numpy(np.stack(images)), values * (1 - missing), missing
