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

from phantom import GridSpec, LesionSpec, PhantomSpec, simulate, write_study

ROOT = Path(__file__).resolve().parents[2]
TOOLKITS = sorted(Path("/usr/local").glob("cuda*"))

pytestmark = pytest.mark.integration
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting over a folder needs root and unshare"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = PhantomSpec(
        seed=11,
        grid=GridSpec(slices=26, slice_spacing_mm=4.0),
        lesion=LesionSpec(side="left", diameter_mm=20, kinetics="washout"),
        phase_times_s=(0.0, 129.0, 219.0, 549.0),
    )
    return write_study(simulate(spec), out=tmp_path_factory.mktemp("phantom"), distractors=False).folder


def _assert_completed(out: Path) -> None:
    (entry,) = json.loads((out / "result.json").read_text())["studies"]
    assert entry["status"] == "completed"


def test_monai_deploy_exec_works_after_forced_reinstalls_of_either_package(study: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    # The dependencies come from the environment of the tests; only the two packages in question are installed anew.
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(packages, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for package in ("holoscan-cli==4.2.0", str(ROOT)):
        install = [python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", package]
        subprocess.run(install, check=True, capture_output=True)
    script = tmp_path / "venv" / "bin" / "monai-deploy"
    done = subprocess.run(
        [script, "exec", "app", "-i", study, "-o", tmp_path / "out"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    _assert_completed(tmp_path / "out")
    version = subprocess.run([script, "version"], capture_output=True, text=True, cwd=ROOT)
    assert version.returncode == 0 and "4.2.0" in version.stdout + version.stderr


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
