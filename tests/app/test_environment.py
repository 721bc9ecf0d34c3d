"""What the process must be like: no telemetry, and help that says what it is for."""

from __future__ import annotations

import subprocess
import sys

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
