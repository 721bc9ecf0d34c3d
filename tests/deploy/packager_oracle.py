"""The manifests that holoscan-cli's packager writes for this application: the oracle of ours."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from holoscan_cli.packager.config_reader import ApplicationConfiguration
from holoscan_cli.packager.models import Models
from holoscan_cli.packager.parameters import PackageBuildParameters

from deploy.map.packager import write_application_folder

ROOT = Path(__file__).resolve().parents[2]
Manifests = dict[str, dict[str, Any]]


def packager_manifests(folder: Path) -> Manifests:
    """app.json and pkg.json by the packager's own classes, which need no Docker; `folder` must not be there yet."""
    write_application_folder(ROOT, folder)
    parameters = PackageBuildParameters()
    parameters.application = folder
    parameters.models = Models().build(ROOT / "models") or {}
    parameters.timeout = 0
    configuration = ApplicationConfiguration()
    configuration.read(ROOT / "app.yaml")
    app = configuration.populate_app_manifest(parameters).data
    pkg = configuration.populate_package_manifest(parameters).data
    # What the packager adds once it has asked the network for its platforms.
    app |= {"sdk": "monai-deploy", "sdkVersion": version("monai-deploy-app-sdk")}
    pkg |= {"platformConfig": "dgpu"}
    return {"app": app, "pkg": pkg}
