"""From a finished cross-validation to the model folder: ensemble, ONNX file, parity, metadata, card."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pcr.crop import normalise
from pcr.manifest import Manifest, OnnxFile, read_metadata
from training.bundle import ONNX_PATH, make_manifest, make_metadata, write_bundle_files
from training.calibration import Calibration
from training.card import make_card
from training.cohorts import Cohort, Patient, load_crop
from training.config import Config
from training.data import clinical_rows
from training.ensemble import Ensemble, EnsembleOutput
from training.fold import read_head
from training.networks import Backbone
from training.onnx_file import check_parity, check_size, sha256, write_onnx
from training.runfolder import RunFolder
from training.timing import phase_times

_PARITY_CASES = 24


def export(cohort: Cohort, config: Config, run: RunFolder, folder: Path) -> Manifest:
    """Write the model folder of a finished run, and read it back as the application will.

    Raises:
        RunFolderError: the run is not finished, or was another's.
        ExportError: the ONNX file does not answer as the torch model does.
    """
    run.claim(config, cohort)
    metrics = run.read_metrics()
    cases = parity_cases(cohort.imaged, config)
    model = build_ensemble(config, run, Calibration.from_plain(metrics["calibration"]), cases[0])
    # In the run folder first: a file that fails its checks must not replace one that is shipped.
    path = run.root / "model.onnx"
    write_onnx(model, (cases[0][:2], cases[1][:2], cases[2][:2]), path)
    check_size(path)
    parity = check_parity(model, path, cases)
    with torch.inference_mode():
        output: EnsembleOutput = model(*(case[:1] for case in cases))
    onnx = OnnxFile(
        path=ONNX_PATH,
        sha256=sha256(path),
        members=config.folds,
        attention_cells=tuple(output.attention.shape[1:]),
    )
    manifest = make_manifest(config, metrics, phase_times(cohort.imaged, config.timing), onnx)
    shipped = folder / ONNX_PATH
    shipped.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, shipped)
    card = make_card(config, manifest, metrics, parity)
    write_bundle_files(folder, make_metadata(config, manifest), card)
    return read_metadata(folder).manifest


def build_ensemble(config: Config, run: RunFolder, calibration: Calibration, image: Tensor) -> Ensemble:
    """The fold heads of a run on their backbone; `image` [N, 3, S, H, W] tells how many features a cell has."""
    backbone = Backbone(config.network.last_block)
    with torch.inference_mode():
        channels = backbone(image[:1]).shape[-1]
    heads = [read_head(run.fold(fold), channels, config) for fold in range(config.folds)]
    return Ensemble(backbone, heads, calibration)


def parity_cases(patients: Sequence[Patient], config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """Real cases spread over the cohort, under every pattern of missing clinical values in turn."""
    chosen = [patients[index] for index in np.linspace(0, len(patients) - 1, _PARITY_CASES).round().astype(int)]
    images = []
    for patient in chosen:
        if patient.imaging is None:
            raise ValueError(f"{patient.patient_id} has no images")
        images.append(normalise(load_crop(patient.imaging, config.crop.slices).pixels, config.normalisation))
    rows = clinical_rows(chosen, config.clinical.variables)
    count = len(config.clinical.variables)
    patterns = torch.tensor([[float(case >> bit & 1) for bit in range(count)] for case in range(len(chosen))])
    missing = torch.maximum(rows.missing, patterns)
    return torch.from_numpy(np.stack(images)), rows.values * (1 - missing), missing
