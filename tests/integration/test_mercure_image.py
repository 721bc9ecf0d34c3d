"""The image of deploy/mercure, run by podman as mercure runs a module: its folders, its variables, its user."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from phantom import simulate, write_study
from tests.integration.containers import ROOT, built_image, needs_podman, podman
from tests.integration.small_spec import small_spec

pytestmark = [pytest.mark.integration, needs_podman]

MERCURE_USER = "4321:4321"


@pytest.fixture(scope="module")
def image() -> str:
    name = "localhost/breast-pcr-mercure:test"
    folder = ROOT / "deploy" / "mercure"
    podman("build", "--tag", name, "--build-arg", f"BASE={built_image()}", "--file", folder / "Dockerfile", folder)
    return name


def test_mercure_takes_the_image_for_a_module_and_not_for_a_map(image: str) -> None:
    looked = podman("run", "--rm", "--entrypoint", "cat", image, "/etc/monai/app.json", check=False)
    assert looked.returncode != 0


def test_a_study_goes_through_the_image_as_mercure_runs_it(image: str, tmp_path: Path) -> None:
    written = write_study(simulate(small_spec()), out=tmp_path)
    source, out = tmp_path / "task-in", tmp_path / "task-out"
    for folder in (source, out):
        folder.mkdir()
        folder.chmod(0o777)
    for number, path in enumerate(sorted(written.folder.rglob("*.dcm"))):
        path.rename(source / f"{number}.dcm").chmod(0o666)
    task = {"id": "1", "process": {"module_name": "breast-pcr", "settings": {"report": {"key_objects": False}}}}
    (source / "task.json").write_text(json.dumps(task))
    variables = {
        "MERCURE_IN_DIR": "/tmp/data",
        "MERCURE_OUT_DIR": "/tmp/output",
        "HOLOSCAN_INPUT_PATH": "/tmp/data",
        "HOLOSCAN_OUTPUT_PATH": "/tmp/output",
    }
    podman(
        "run", "--rm", "--network", "none", "--cap-drop", "ALL", "--user", MERCURE_USER,
        "--volume", f"{source}:/tmp/data", "--volume", f"{out}:/tmp/output",
        *(f"--env={name}={value}" for name, value in variables.items()),
        image,
    )  # fmt: skip
    sent = [pydicom.dcmread(path, stop_before_pixels=True) for path in out.glob("*.dcm")]
    assert {dataset.Modality for dataset in sent} == {"SR", "SEG", "OT"}
    (study,) = json.loads((out / "result.json").read_text())["studies"]
    assert study["status"] == "completed"
    assert {dataset.StudyInstanceUID for dataset in sent} == {study["study_instance_uid"]}
