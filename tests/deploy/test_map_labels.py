"""The labels of the image are read from the sources, and a build with wrong ones fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest

import pcr
from deploy.map.check import Labels, check_labels
from deploy.map.labels import build_arguments
from pcr.manifest import read_metadata
from pcr.reasons import BadConfiguration

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "pcr"


@pytest.fixture(scope="module")
def labels() -> Labels:
    return Labels(
        version=pcr.__version__,
        sdk_version=version("monai-deploy-app-sdk"),
        model_version=read_metadata(MODEL).version,
        model_sha256=sha256((MODEL / "models" / "model.onnx").read_bytes()).hexdigest(),
    )


def test_the_build_is_given_what_the_sources_say(labels: Labels) -> None:
    given = build_arguments(ROOT)
    assert (given["VERSION"], given["SDK_VERSION"]) == (labels.version, labels.sdk_version)
    assert (given["MODEL_VERSION"], given["MODEL_SHA256"]) == (labels.model_version, labels.model_sha256)


def test_the_arguments_are_printed_without_any_package_of_an_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "deploy.map", "labels"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"--build-arg=VERSION={pcr.__version__}" in done.stdout.splitlines()


def test_true_labels_pass(labels: Labels) -> None:
    check_labels(labels, ROOT / "app.yaml", MODEL)


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("version", "the version is given as 'wrong'"),
        ("sdk_version", "version of the SDK"),
        ("model_version", "version of the model"),
        ("model_sha256", "checksum of the model"),
    ],
)
def test_a_wrong_label_is_named(field: str, named: str, labels: Labels) -> None:
    with pytest.raises(BadConfiguration, match=named):
        check_labels(replace(labels, **{field: "wrong"}), ROOT / "app.yaml", MODEL)


def test_a_network_that_is_not_the_metadatas_is_named(labels: Labels, tmp_path: Path) -> None:
    model = Path(shutil.copytree(MODEL, tmp_path / "pcr"))
    (model / "models" / "model.onnx").write_bytes(b"another")
    other = replace(labels, model_sha256=sha256(b"another").hexdigest())
    with pytest.raises(BadConfiguration, match="metadata"):
        check_labels(other, ROOT / "app.yaml", model)
