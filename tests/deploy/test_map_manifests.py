"""The manifests of the image beside those that holoscan-cli's packager would write for the same application."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import pcr
from deploy.map.configuration import read_configuration
from deploy.map.manifests import write_manifests
from pcr.reasons import BadConfiguration
from tests.deploy.packager_oracle import ROOT, Manifests, packager_manifests


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return packager_manifests(tmp_path_factory.mktemp("packager") / "breast-pcr")


def _ours(out: Path, accelerator: Any = "cpu") -> Manifests:
    write_manifests(ROOT / "app.yaml", ROOT / "models", accelerator, out)
    return {name: json.loads((out / f"{name}.json").read_text()) for name in ("app", "pkg")}


def test_app_json_is_the_packagers(oracle: Manifests, tmp_path: Path) -> None:
    assert _ours(tmp_path)["app"] == oracle["app"]


def test_pkg_json_differs_from_the_packagers_in_the_platform_alone(oracle: Manifests, tmp_path: Path) -> None:
    # The packager knows no image without a GPU; its own list of platforms has the word for it.
    assert _ours(tmp_path)["pkg"] == oracle["pkg"] | {"platformConfig": "cpu"}


def test_the_gpu_image_asks_for_a_gpu(oracle: Manifests, tmp_path: Path) -> None:
    gpu = _ours(tmp_path, "gpu")["pkg"]
    assert gpu == oracle["pkg"] | {"resources": oracle["pkg"]["resources"] | {"gpu": 1}}


def test_the_command_is_a_string_that_holds_an_array(tmp_path: Path) -> None:
    assert json.loads(_ours(tmp_path)["app"]["command"]) == ["python3", "/opt/holoscan/app"]


def test_app_yaml_has_the_version_of_the_software() -> None:
    assert read_configuration(ROOT / "app.yaml").application.version == pcr.__version__


@pytest.mark.parametrize(
    ("entry", "change", "named"),
    [
        ("application", {"title": ""}, "application.title"),
        ("application", {"inputFormats": ["dicom"]}, "application.inputFormats"),
        ("resources", {"memory": "plenty"}, "resources.memory"),
        ("resources", {"cpu": 0}, "resources.cpu"),
    ],
)
def test_a_wrong_entry_is_named(entry: str, change: dict[str, Any], named: str, tmp_path: Path) -> None:
    written = yaml.safe_load((ROOT / "app.yaml").read_text())
    written[entry] |= change
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(written))
    with pytest.raises(BadConfiguration, match=named):
        read_configuration(tmp_path / "app.yaml")
