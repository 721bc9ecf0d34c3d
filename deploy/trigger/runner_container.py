"""Runs a study in a container of its own, by podman or docker."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.trigger.runner import Attempt, RunnerTimeout, RunnerUnavailable
from deploy.trigger.settings import Runner as RunnerSettings
from pcr.reasons import BadConfiguration

# What podman and docker exit with when the container itself could not be made or started.
_ENGINE_FAILED = (125, 126, 127)
_COMMAND_TIMEOUT_S = 60.0
_IMAGE_USER = 1000


class ContainerRunner:
    """A container per attempt: no network, read-only root, no capabilities, bounded memory and processes."""

    def __init__(self, settings: RunnerSettings) -> None:
        if settings.image is None:
            raise ValueError("a container needs an image")
        self._settings = settings
        self._engine = settings.kind
        self._image = settings.image

    def model(self) -> str:
        """Version and checksum of the model in the image, from its labels."""
        found = self._command("image", "inspect", self._image)
        if found.returncode != 0:
            raise BadConfiguration(f"runner.image: {self._engine} has no image {self._image}; build or load it")
        (image,) = json.loads(found.stdout)
        labels = (image.get("Config") or {}).get("Labels") or {}
        version, checksum = (labels.get(f"org.breast-pcr.model.{name}") for name in ("version", "sha256"))
        if not version or not checksum:
            raise BadConfiguration(f"runner.image: {self._image} does not say which model it holds; build it anew")
        # From now on this very image, whatever its name is given to meanwhile.
        self._image = str(image["Id"])
        return f"pcr {version} {checksum}"

    def run(self, attempt: Attempt) -> int:
        """Run the image on the attempt's folders."""
        user = os.geteuid() or _IMAGE_USER
        if os.geteuid() == 0:
            os.chown(attempt.output, _IMAGE_USER, _IMAGE_USER)
        _let_read(attempt.input)
        command = [self._engine, "run", "--rm", "--name", attempt.name, *self._confinement(user)]
        for source, target, mode in self._mounts(attempt):
            command += ["--volume", f"{source}:{target}:{mode}"]
        command.append(self._image)
        with attempt.log.open("wb") as log:
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise RunnerUnavailable(f"{self._engine} can not be started: {error.strerror}") from None
            try:
                status = process.wait(self._settings.timeout_s)
            except subprocess.TimeoutExpired:
                raise RunnerTimeout from None
            finally:
                if process.poll() is None:
                    self.stop(attempt.name)
                    process.kill()
                    process.wait()
        if status in _ENGINE_FAILED:
            raise RunnerUnavailable(f"{self._engine} could not run {self._image} (status {status})")
        return status

    def stop(self, name: str) -> None:
        """Remove the container of that name, running or not."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._command("rm", "--force", name)

    def _confinement(self, user: int) -> Sequence[str]:
        memory = f"{self._settings.memory_mib}m"
        confined = [
            "--network", "none", "--read-only", "--tmpfs", "/tmp:rw,size=256m", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--pids-limit", "256",
            "--memory", memory, "--cpus", str(self._settings.cpus),
            "--user", f"{user}:{user if os.geteuid() == 0 else os.getegid()}",
        ]  # fmt: skip
        if self._engine == "podman" and os.geteuid() != 0:
            confined += ["--userns", "keep-id"]
        if self._settings.gpu:
            confined += ["--device", "nvidia.com/gpu=all"] if self._engine == "podman" else ["--gpus", "all"]
        return confined

    def _mounts(self, attempt: Attempt) -> Sequence[tuple[Path, str, str]]:
        mounts = [
            (attempt.input, "/var/holoscan/input", "ro"),
            (attempt.output, "/var/holoscan/output", "rw"),
        ]
        if self._settings.config:
            mounts.append((self._settings.config, "/var/holoscan/app.yaml", "ro"))
        return mounts

    def _command(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run([self._engine, *arguments], capture_output=True, timeout=_COMMAND_TIMEOUT_S)
        except FileNotFoundError:
            raise BadConfiguration(f"runner.kind: {self._engine} is not installed") from None


def _let_read(folder: Path) -> None:
    """Let the image's user read the input: only the container sees this folder, behind one that is private."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
