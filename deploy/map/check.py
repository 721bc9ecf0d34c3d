"""Whether the labels that an image is to carry tell the truth about what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pcr
from deploy.map.configuration import read_configuration
from deploy.map.manifests import SDK
from pcr.manifest import read_metadata
from pcr.reasons import BadConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Values of the labels that the trigger and the people who run the image rely on."""

    version: str
    sdk_version: str
    model_version: str
    model_sha256: str


def check_labels(labels: Labels, configuration: Path, model: Path) -> None:
    """Compare labels with the software, the SDK and the model folder that are really here.

    Raises:
        BadConfiguration: naming the first that differs.
        BadModel: the model folder has no readable metadata.
    """
    described = read_metadata(model)
    network = sha256((model / described.manifest.onnx.path).read_bytes()).hexdigest()
    for name, said, found in (
        ("version", labels.version, pcr.__version__),
        ("version in app.yaml", read_configuration(configuration).application.version, pcr.__version__),
        ("version of the SDK", labels.sdk_version, version(SDK)),
        ("version of the model", labels.model_version, described.version),
        ("checksum of the model", labels.model_sha256, network),
        ("checksum in the model's metadata", described.manifest.onnx.sha256, network),
    ):
        if said != found:
            raise BadConfiguration(
                f"the {name} is given as '{said}', but it is '{found}'; build with deploy/map/build.sh"
            )
