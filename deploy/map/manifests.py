"""The two manifests of a MAP, app.json and pkg.json, from app.yaml, the SDK's version and the model's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from deploy.map.configuration import PackageConfiguration, read_configuration
from pcr.manifest import read_metadata

Accelerator = Literal["cpu", "gpu"]

# The version of the MAP specification, and its folders.
API_VERSION = "1.0.0"
SDK = "monai-deploy-app-sdk"
APPLICATION = "/opt/holoscan/app"
MODELS = "/opt/holoscan/models"
WORKING_DIRECTORY = "/var/holoscan"
# Relative to the working directory.
INPUT, OUTPUT = "input/", "output/"

ENVIRONMENT: Mapping[str, str] = {
    "HOLOSCAN_APPLICATION": APPLICATION,
    "HOLOSCAN_INPUT_PATH": INPUT,
    "HOLOSCAN_OUTPUT_PATH": OUTPUT,
    "HOLOSCAN_WORKDIR": WORKING_DIRECTORY,
    "HOLOSCAN_MODEL_PATH": MODELS,
    "HOLOSCAN_CONFIG_PATH": f"{WORKING_DIRECTORY}/app.yaml",
    "HOLOSCAN_APP_MANIFEST_PATH": "/etc/holoscan/app.json",
    "HOLOSCAN_PKG_MANIFEST_PATH": "/etc/holoscan/pkg.json",
    "HOLOSCAN_DOCS_PATH": "/opt/holoscan/docs",
    "HOLOSCAN_LOGS_PATH": f"{WORKING_DIRECTORY}/logs",
}


def application_manifest(configuration: PackageConfiguration) -> dict[str, Any]:
    """How to start the application: app.json. The command is a string that holds a JSON array."""
    application = configuration.application
    return {
        "apiVersion": API_VERSION,
        "command": json.dumps(["python3", APPLICATION]),
        "environment": dict(ENVIRONMENT),
        "input": {"path": INPUT, "formats": list(application.input_formats)},
        "liveness": None,
        "output": {"path": OUTPUT, "formats": list(application.output_formats)},
        "readiness": None,
        "sdk": "monai-deploy",
        "sdkVersion": version(SDK),
        "timeout": 0,
        "version": application.version,
        "workingDirectory": WORKING_DIRECTORY,
    }


def package_manifest(
    configuration: PackageConfiguration, models: tuple[str, ...], accelerator: Accelerator
) -> dict[str, Any]:
    """What is in the image and what it needs: pkg.json."""
    resources = configuration.resources
    gpu = max(resources.gpu, 1) if accelerator == "gpu" else resources.gpu
    return {
        "apiVersion": API_VERSION,
        "applicationRoot": APPLICATION,
        "modelRoot": MODELS,
        "models": {name: f"{MODELS}/{name}" for name in models},
        "resources": {"cpu": resources.cpu, "gpu": gpu, "memory": resources.memory},
        "version": configuration.application.version,
        "platformConfig": "dgpu" if accelerator == "gpu" else "cpu",
    }


def write_manifests(configuration: Path, models: Path, accelerator: Accelerator, out: Path) -> None:
    """Write app.json and pkg.json to the folder `out`.

    Raises:
        BadConfiguration, BadModel: app.yaml, or the metadata of a model folder, is not what it should be.
    """
    described = read_configuration(configuration)
    names = tuple(read_metadata(folder).name for folder in sorted(models.iterdir()) if folder.is_dir())
    out.mkdir(parents=True, exist_ok=True)
    for name, manifest in (
        ("app.json", application_manifest(described)),
        ("pkg.json", package_manifest(described, names, accelerator)),
    ):
        (out / name).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
