"""The program where it is really installed: after a forced reinstall, and on a machine without a CUDA toolkit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from phantom import simulate, write_study
from tests.integration.small_spec import small_spec

ROOT = Path(__file__).resolve().parents[2]
HOLOSCAN_CLI = "holoscan-cli==4.2.0"
MEND = "pip install --force-reinstall --no-deps ."
TOOLKITS = sorted(Path("/usr/local").glob("cuda*"))

pytestmark = pytest.mark.integration
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting over a folder needs root and unshare"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(simulate(small_spec()), out=tmp_path_factory.mktemp("phantom"), distractors=False).folder


def _assert_completed(out: Path) -> None:
    (entry,) = json.loads((out / "result.json").read_text())["studies"]
    assert entry["status"] == "completed"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python with the dependencies of the tests' own, in which the two packages in question are installed anew."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(packages, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _reinstall(python: Path, *packages: str) -> None:
    for package in packages:
        install = [python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", package]
        subprocess.run(install, check=True, capture_output=True)


def _exec(command: list[Path | str], study: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, "exec", "app", "-i", study, "-o", out], cwd=ROOT, capture_output=True, text=True)


def test_monai_deploy_is_ours_where_this_project_was_installed_last(python: Path, study: Path, tmp_path: Path) -> None:
    _reinstall(python, HOLOSCAN_CLI, str(ROOT))
    script = python.with_name("monai-deploy")
    done = _exec([script], study, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    _assert_completed(tmp_path / "out")
    version = subprocess.run([script, "version"], capture_output=True, text=True, cwd=ROOT)
    assert version.returncode == 0 and "4.2.0" in version.stdout + version.stderr


def test_where_holoscan_cli_was_installed_last_the_module_works_and_says_how_to_mend(
    python: Path, study: Path, tmp_path: Path
) -> None:
    _reinstall(python, str(ROOT), HOLOSCAN_CLI)
    script = python.with_name("monai-deploy")
    assert "invalid choice: 'exec'" in _exec([script], study, tmp_path / "theirs").stderr
    done = _exec([python, "-m", "app.monai_deploy"], study, tmp_path / "ours")
    assert done.returncode == 0 and MEND in done.stderr
    _assert_completed(tmp_path / "ours")
    # What it says is what mends it.
    subprocess.run([python, "-m", *MEND.split()], cwd=ROOT, check=True, capture_output=True)
    mended = _exec([script], study, tmp_path / "mended")
    assert mended.returncode == 0 and mended.stderr == ""


def test_where_an_uninstalled_holoscan_cli_took_the_command_along_the_module_says_how_to_mend(python: Path) -> None:
    _reinstall(python, str(ROOT), HOLOSCAN_CLI)
    subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "holoscan-cli"], check=True, capture_output=True)
    assert not python.with_name("monai-deploy").exists()
    done = subprocess.run([python, "-m", "app.monai_deploy", "exec", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2 and "is gone" in done.stderr and MEND in done.stderr


@needs_root
def test_a_run_killed_with_out_a_mount_point_leaves_no_half_study(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    deadly = (
        "import os, pathlib, signal, sys; from app.__main__ import main\n"
        "def rename(self, target): os.kill(os.getpid(), signal.SIGKILL)\n"
        "pathlib.Path.rename = rename; main(sys.argv[1:])"
    )
    run = f"-i {study} -o {out}"
    script = (
        f"mount -t tmpfs none {out} && {{ {sys.executable} -c '{deadly}' {run} || true; }} >/dev/null 2>&1; "
        f"ls {out} && {sys.executable} -m app {run} >/dev/null && ls -A {out} && ls {out}/*/SR/*.dcm"
    )
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    uid, index, report = done.stdout.split()
    assert index == "result.json" and uid in report


@needs_root
@pytest.mark.skipif(not TOOLKITS, reason="there is no CUDA toolkit on this machine to hide")
def test_the_application_runs_without_a_cuda_toolkit(study: Path, tmp_path: Path) -> None:
    hide = " && ".join(f"mount -t tmpfs none {toolkit.resolve()}" for toolkit in {t.resolve() for t in TOOLKITS})
    command = f"{hide} && exec {sys.executable} -m app -i {study} -o {tmp_path / 'out'}"
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    _assert_completed(tmp_path / "out")
