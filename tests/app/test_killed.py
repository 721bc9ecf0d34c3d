"""The whole application, killed at the moments that matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import MODELS, ROOT, Run

_RUN = """
import os, signal, sys
from pathlib import Path
from app.__main__ import main

left = int(sys.argv[1])
rename = Path.rename

def deadly(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.rename = deadly
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("rename", "earlier"),
    [(1, False), (2, False), (1, True), (2, True), (3, True)],
    ids=["first of two", "between the two", "first of three", "between the three", "last of three"],
)
def test_a_killed_run_leaves_nothing_half_written_and_the_next_one_completes(
    rename: int, earlier: bool, phantom_study: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    if earlier:
        run(phantom_study, out)
    arguments = [str(rename), "-i", str(phantom_study), "-o", str(out), "-m", str(MODELS)]
    child = subprocess.run([sys.executable, "-c", _RUN, *arguments], cwd=ROOT, env=os.environ, capture_output=True)
    assert child.returncode == -signal.SIGKILL
    assert not (out / "result.json").exists()
    studies = [path for path in out.iterdir() if not path.name.startswith(".partial-")]
    # Over an earlier result there are three renames; between the first two, the study is set aside.
    assert len(studies) == ((1, 0, 1) if earlier else (0, 1))[rename - 1]
    assert all((study / "result.json").is_file() and len(list(study.glob("*/*.dcm"))) >= 3 for study in studies)
    assert run(phantom_study, out).exit == 0
    assert not list(out.glob(".partial-*"))
