"""The image: built from the Dockerfile, run by podman under the flags of docs/container.md, beside `python -m app`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

import pcr
from phantom import simulate, write_study
from tests.deploy.packager_oracle import packager_manifests
from tests.integration.containers import CACHE, LOCKED_DOWN, ROOT, built_image, needs_podman, podman
from tests.integration.small_spec import small_spec

pytestmark = [pytest.mark.integration, needs_podman, pytest.mark.xdist_group("container")]

MAX_BYTES = 1_200_000_000
USERS = ("1000:1000", "4321:4321")
IN, OUT, EXPORT = "/var/holoscan/input", "/var/holoscan/output", "/var/run/holoscan/export"


@pytest.fixture(scope="module")
def image() -> str:
    return built_image()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _readable(write_study(simulate(small_spec()), out=tmp_path_factory.mktemp("phantom")).folder)


@pytest.fixture(scope="module")
def expected(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `python -m app` leaves of the study on this machine."""
    out = tmp_path_factory.mktemp("host") / "out"
    subprocess.run([sys.executable, "-m", "app", "-i", study, "-o", out], cwd=ROOT, check=True, capture_output=True)
    return _left(out)


def _readable(folder: Path) -> Path:
    """The folder, readable by any user, as a mounted share is; the folders of pytest are their owner's alone."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _owned(folder: Path, user: str = USERS[0]) -> Path:
    folder.mkdir()
    os.chown(folder, *map(int, user.split(":")))
    return folder


def _run(image: str, *arguments: str | Path, user: str = USERS[0]) -> subprocess.CompletedProcess[str]:
    """The image under lock; options of podman come before `--`, arguments of the image after it."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return podman(
        "run", "--rm", *LOCKED_DOWN, "--user", user, *arguments[:at], image, *arguments[at + 1 :], check=False
    )  # fmt: skip


def _left(out: Path) -> dict[str, Any]:
    """The names of all files below a folder, and the facts of the study but for how long it took."""
    (study,) = out.glob("*/result.json")
    facts = json.loads(study.read_text())
    facts.pop("timings_s")
    return {"files": sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()), "facts": facts}


@pytest.mark.parametrize("user", USERS)
def test_results_are_those_of_python_m_app(
    user: str, image: str, study: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    out = _owned(tmp_path / "out", user)
    done = _run(image, "-v", f"{study}:{IN}:ro", "-v", f"{out}:{OUT}", "-e", "HOME=/nonexistent", user=user)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert _left(out) == expected


@pytest.mark.parametrize("verb", [["exec", "/opt/holoscan/app"], ["-i", IN, "-o", OUT, "-m", "/opt/holoscan/models"]])
def test_exec_and_plain_options_run_the_application_too(
    verb: list[str], image: str, study: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    out = _owned(tmp_path / "out")
    done = _run(image, "-v", f"{study}:{IN}:ro", "-v", f"{out}:{OUT}", "--", *verb)
    assert done.returncode == 0, done.stderr
    assert _left(out) == expected


def test_exit_statuses_are_kept(image: str, study: Path, tmp_path: Path) -> None:
    out, empty = _owned(tmp_path / "out"), _owned(tmp_path / "empty")
    mounted = ["-v", f"{study}:{IN}:ro", "-v", f"{out}:{OUT}"]
    refused = _run(image, *mounted, "-e", "BREAST_PCR_DEVICE=cuda")
    assert refused.returncode == 2 and refused.stderr.startswith("bad_configuration: device is 'cuda'")
    nothing = _run(image, "-v", f"{empty}:{IN}:ro", "-v", f"{out}:{OUT}")
    assert nothing.returncode == 3 and nothing.stderr.startswith("no_study")
    assert _run(image, "--", "exec", "/nowhere").returncode == 2
    assert _run(image, "--", "--no-such-option").returncode == 2


def test_the_manifests_are_the_packagers_but_for_the_platform(image: str, tmp_path: Path) -> None:
    shown = {name: json.loads(_run(image, "--", "show", name).stdout) for name in ("app", "pkg")}
    oracle = packager_manifests(tmp_path / "breast-pcr")
    # The packager knows no image without a GPU.
    assert oracle["pkg"].pop("platformConfig") == "dgpu" and shown["pkg"].pop("platformConfig") == "cpu"
    assert shown == oracle


def test_the_manifests_lie_where_a_runner_looks(image: str) -> None:
    paths = ["/etc/holoscan/app.json", "/etc/monai/app.json", "/etc/holoscan/pkg.json", "/etc/monai/pkg.json"]
    sums = _run(image, "--entrypoint", "sha256sum", "--", *paths).stdout.split()[::2]
    assert len(sums) == 4 and sums[:2] == [sums[0]] * 2 and sums[2:] == [sums[2]] * 2


def test_the_other_verbs_answer(image: str) -> None:
    variables = dict(line.split("=", 1) for line in _run(image, "--", "env").stdout.splitlines())
    assert variables["HOLOSCAN_INPUT_PATH"] == IN and variables["ORT_DISABLE_TELEMETRY"] == "1"
    usage = _run(image, "--", "help").stdout
    assert all(verb in usage for verb in ("exec", "trigger", "batch", "show", "env", "extract", "--self-test"))
    assert "4.2.0" in _run(image, "--entrypoint", "monai-deploy", "--", "version").stdout
    for verb in ("trigger", "batch"):
        helped = _run(image, "--", verb, "--help")
        assert helped.returncode == 0, helped.stderr
    assert _run(image, "--", "show", "nothing").returncode == 2


def test_extract_copies_everything_or_what_is_mounted(image: str, tmp_path: Path) -> None:
    whole, config = _owned(tmp_path / "whole"), _owned(tmp_path / "config")
    done = _run(image, "-v", f"{whole}:{EXPORT}", "--", "extract")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in whole.iterdir()} == {"app", "config", "models", "docs"}
    extracted = whole / "models" / "pcr" / "models" / "model.onnx"
    assert extracted.read_bytes() == (ROOT / "models" / "pcr" / "models" / "model.onnx").read_bytes()
    assert _run(image, "-v", f"{config}:{EXPORT}/config", "--", "extract").returncode == 0
    assert {path.name for path in config.iterdir()} == {"app.json", "pkg.json", "app.yaml"}


def test_extract_without_a_mount_says_what_to_do(image: str) -> None:
    done = _run(image, "--", "extract")
    assert done.returncode == 2 and "mount a writable folder" in done.stderr


def test_the_labels_tell_software_and_model(image: str) -> None:
    (inspected,) = json.loads(podman("image", "inspect", image).stdout)
    labels = inspected["Config"]["Labels"]
    metadata = json.loads((ROOT / "models/pcr/configs/metadata.json").read_text())
    assert labels["org.opencontainers.image.version"] == pcr.__version__
    assert labels["org.monai.deploy.app-sdk"] == version("monai-deploy-app-sdk")
    assert labels["org.breast-pcr.model.version"] == metadata["version"]
    assert labels["org.breast-pcr.model.sha256"] == metadata["breast_pcr"]["onnx"]["sha256"]
    assert inspected["Config"]["User"] == "1000:1000"


def test_the_image_is_small_and_holds_no_training_framework(image: str) -> None:
    assert int(podman("image", "inspect", "--format", "{{.Size}}", image).stdout) < MAX_BYTES
    look = (
        "import importlib.util as i; print([n for n in ('torch', 'monai.networks', 'cupy', 'pip') if i.find_spec(n)])"
    )
    assert _run(image, "--entrypoint", "python3", "--", "-c", look).stdout.strip() == "[]"


@pytest.mark.parametrize("user", USERS)
def test_the_self_test_passes(user: str, image: str) -> None:
    done = _run(image, "--", "--self-test", user=user)
    assert done.returncode == 0 and done.stdout.startswith("self-test passed"), done.stdout + done.stderr


def test_the_self_test_fails_when_the_model_is_damaged(image: str, tmp_path: Path) -> None:
    damaged = bytearray((ROOT / "models/pcr/models/model.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(damaged)
    _readable(tmp_path / "model.onnx")
    done = _run(
        image, "-v", f"{tmp_path}/model.onnx:/opt/holoscan/models/pcr/models/model.onnx:ro", "--", "--self-test"
    )
    assert done.returncode == 1 and done.stdout.startswith("self-test failed: bad_model"), done.stdout + done.stderr


@pytest.fixture(scope="module")
def bill(image: str) -> dict[str, Any]:
    return json.loads(_run(image, "--", "show", "sbom").stdout)


def test_the_bill_of_materials_follows_the_schema_of_cyclonedx(bill: dict[str, Any]) -> None:
    schemas = dict(_schemas())
    assert bill["specVersion"] == "1.6"
    registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas.items())
    wanted = schemas["http://cyclonedx.org/schema/bom-1.6.SNAPSHOT.schema.json"]
    jsonschema.Draft7Validator(wanted, registry=registry).validate(bill)


def _schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas as the library that wrote the bill ships them, by the addresses under which they name each other."""
    (wheel,) = CACHE.glob("wheels/*/cyclonedx_python_lib-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for kind in ("bom-1.6", "spdx", "jsf-0.82"):
            name = f"{kind}.SNAPSHOT.schema.json"
            yield f"http://cyclonedx.org/schema/{name}", json.loads(archive.read(f"cyclonedx/schema/_res/{name}"))


def test_the_bill_of_materials_lists_what_is_installed(image: str, bill: dict[str, Any]) -> None:
    listed = {(part["name"].lower(), part["version"]) for part in bill["components"]}
    ask = (
        "from importlib.metadata import distributions\n"
        "for d in distributions(): print(d.name.lower(), d.version)"
    )  # fmt: skip
    installed = _run(image, "--entrypoint", "python3", "--", "-c", ask).stdout
    shown = _run(image, "--entrypoint", "dpkg-query", "--", "--show", "--showformat=${Package} ${Version}\\n").stdout
    missing = {tuple(line.split(" ")) for line in (installed + shown).splitlines()} - listed
    assert not missing
    (model,) = (part for part in bill["components"] if part["type"] == "machine-learning-model")
    metadata = json.loads((ROOT / "models/pcr/configs/metadata.json").read_text())
    assert model["hashes"] == [{"alg": "SHA-256", "content": metadata["breast_pcr"]["onnx"]["sha256"]}]
