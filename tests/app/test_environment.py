"""What the process must be like: no telemetry, and help that says what it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .conftest import ROOT


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_importing_the_application_turns_telemetry_off_before_onnxruntime_loads() -> None:
    code = "import app, os, sys; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    assert _python(code).split() == ["1", "False"]


def test_help_says_that_it_is_for_research() -> None:
    done = subprocess.run([sys.executable, "-m", "app", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "research use only" in " ".join(done.stdout.split())


def test_a_reader_of_the_console_that_goes_away_does_not_end_the_study(healthy_study: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -u -m app -i {healthy_study} -o {tmp_path / 'out'} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith("no_lesion_found: ") and "Traceback" not in done.stderr
