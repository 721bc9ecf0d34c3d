"""The folder that `monai-deploy package` gets: one that holoscan-cli takes for an application, and that runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from holoscan_cli.__main__ import parse_args
from holoscan_cli.common.enum_types import ApplicationType
from holoscan_cli.packager.parameters import PackageBuildParameters

from deploy.map.packager import write_application_folder
from pcr.reasons import BadConfiguration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packager") / "breast-pcr"
    write_application_folder(ROOT, out)
    return out


def test_holoscan_cli_accepts_the_documented_command(folder: Path) -> None:
    models, settings = str(ROOT / "models"), str(ROOT / "app.yaml")
    documented = ["package", str(folder), "-c", settings, "-m", models, "--platform", "x86_64", "-t", "breast-pcr:1"]
    given = parse_args(["monai-deploy", *documented])
    assert given.command == "package" and given.application == folder


def test_it_is_a_python_application_with_requirements(folder: Path) -> None:
    parameters = PackageBuildParameters()
    parameters.application = folder
    assert parameters.application_type is ApplicationType.PythonModule
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert {line.split("[")[0].split("=")[0] for line in lines} >= {"pydicom", "onnxruntime-gpu"}


def test_it_starts_as_the_manifest_says_from_anywhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    options = ["-i", "in", "-o", "out", "-m", str(ROOT / "models")]
    done = subprocess.run([sys.executable, folder, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3 and done.stderr.startswith("no_study")


def test_a_folder_that_is_there_is_left_alone(folder: Path) -> None:
    with pytest.raises(BadConfiguration, match="is there already"):
        write_application_folder(ROOT, folder)
