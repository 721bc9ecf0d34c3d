"""The console script: `exec` is ours, every other verb is holoscan-cli's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from app import monai_deploy
from deploy.map.packager import write_application_folder

from .conftest import ROOT

SCRIPT = Path(sys.executable).with_name("monai-deploy")


def _run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True)


def test_exec_runs_the_application_folder_from_anywhere(phantom_study: Path, tmp_path: Path) -> None:
    done = _run("exec", str(ROOT / "app"), "-i", str(phantom_study), "-o", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (study,) = json.loads((tmp_path / "out" / "result.json").read_text())["studies"]
    assert study["status"] == "completed"


def test_exec_keeps_the_exit_status_and_prints_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = _run("exec", str(ROOT / "app"), "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"))
    assert done.returncode == 3
    assert done.stderr.startswith("no_study: ") and "Traceback" not in done.stderr


def test_exec_of_a_folder_without_an_application_says_so(tmp_path: Path) -> None:
    done = _run("exec", str(tmp_path))
    assert done.returncode == 2 and "no application folder" in done.stderr


def test_help_names_exec_and_the_verbs_of_holoscan_cli() -> None:
    done = _run("--help")
    assert done.returncode == 0
    assert "exec" in done.stdout and "package" in done.stdout


def test_without_holoscan_cli_the_other_verbs_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monai_deploy.importlib.util, "find_spec", lambda _: None)
    assert monai_deploy.main(["package", "app"]) == 2
    assert "holoscan-cli is not installed" in capsys.readouterr().err


def test_a_holoscan_cli_without_packager_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_main(_: str) -> object:
        return object()

    monkeypatch.setattr(monai_deploy.importlib, "import_module", without_main)
    assert monai_deploy.main(["package", "app"]) == 2
    assert "no packager" in capsys.readouterr().err


def test_exec_runs_a_folder_that_holds_the_packages_as_a_map_does(phantom_study: Path, tmp_path: Path) -> None:
    write_application_folder(ROOT, tmp_path / "app")
    (tmp_path / "app" / "pcr" / "__init__.py").write_text('__version__ = "9.9.9"\n')
    models = ["-m", str(ROOT / "models")]
    done = _run("exec", "app", "-i", str(phantom_study), "-o", str(tmp_path / "out"), *models, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (report,) = (tmp_path / "out").glob("*/SR/*.dcm")
    assert pydicom.dcmread(report).SoftwareVersions == "9.9.9"


@pytest.mark.parametrize(("verb", "instead"), [("package", "make image"), ("run", "podman")])
def test_without_a_docker_engine_the_verbs_that_need_it_say_what_to_do_instead(
    verb: str, instead: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert monai_deploy.main([verb, "app"]) == 2
    complaint = capsys.readouterr().err
    assert len(complaint.splitlines()) == 1 and instead in complaint


def test_help_of_a_verb_needs_no_docker_engine() -> None:
    done = _run("package", "--help")
    assert done.returncode == 0 and "--platform" in done.stdout


def test_the_command_of_another_package_is_told_apart_from_ours(tmp_path: Path) -> None:
    theirs = tmp_path / "monai-deploy"
    theirs.write_text("from holoscan_cli.__main__ import main\n")
    assert monai_deploy.how_to_mend(SCRIPT) is None
    assert "holoscan-cli's" in (monai_deploy.how_to_mend(theirs) or "")
    assert "is gone" in (monai_deploy.how_to_mend(tmp_path / "none") or "")
