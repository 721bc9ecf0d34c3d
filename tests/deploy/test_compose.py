"""compose.yaml: what it opens and lets in, and that the trigger takes the settings that it gives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.trigger.settings import read_trigger_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def service() -> dict[str, Any]:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return dict(services["trigger"])


def test_ports_are_open_on_loopback_only(service: dict[str, Any]) -> None:
    assert service["ports"] and all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_container_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "1000:1000"
    assert {"pids_limit", "mem_limit"} <= service.keys()
    writable = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
    assert writable == ["./state:/var/lib/breast-pcr"]
    assert not {"privileged", "network_mode", "devices"} & service.keys()


def test_the_trigger_takes_the_settings_of_the_container(
    service: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    settings = read_trigger_settings(DEPLOY / "trigger" / "trigger.yaml")
    assert f"./state:{settings.state}" in service["volumes"]
    assert settings.metrics is not None
    inside = {port.rpartition(":")[2] for port in service["ports"]}
    assert inside == {str(settings.listener.port), str(settings.metrics.port)}
    assert settings.runner.kind == "process"


def _composer() -> list[str] | None:
    if shutil.which("podman-compose"):
        return ["podman-compose"]
    if shutil.which("docker"):
        command = ["docker", "compose"]
        if subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


COMPOSER = _composer()


@pytest.mark.skipif(COMPOSER is None, reason="neither podman-compose nor docker's compose is installed")
def test_compose_reads_the_file(tmp_path: Path) -> None:
    assert COMPOSER is not None
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    done = subprocess.run([*COMPOSER, "-f", "compose.yaml", "config"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout
