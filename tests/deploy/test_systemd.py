"""The systemd unit, looked at by systemd's own tool; it has not been started here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "breast-pcr-trigger.service"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # It looks for the program too, and that of the unit is where a site installs it.
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/breast-pcr/.venv/bin/python", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_as_confined_as_a_network_service_can_be() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    # Of 10; systemd's own word below 2 is OK or SAFE.
    (exposure,) = re.findall(r"exposure level for \S+: ([0-9.]+)", told)
    assert float(exposure) < 2


def test_the_unit_starts_the_trigger_with_the_settings_of_the_machine() -> None:
    (started,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert started.split()[1:] == ["-m", "deploy.trigger", "serve", "--config", "/etc/breast-pcr/trigger.yaml"]
