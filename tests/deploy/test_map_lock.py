"""The locks that the image is built from are those of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ENTRY = re.compile(r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)
LOCKS = ("cpu", "gpu", "sbom")


def _text(lock: str) -> str:
    return (ROOT / f"deploy/map/requirements-{lock}.txt").read_text()


def _versions(lock: str) -> dict[str, str]:
    return {name: version for name, version, _ in ENTRY.findall(_text(lock))}


def _required(lock: str) -> list[Requirement]:
    if lock == "sbom":
        return [Requirement(line) for line in (ROOT / "deploy/map/requirements-sbom.in").read_text().splitlines()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(pin) for pin in [*project["dependencies"], *extras[lock], *extras["pacs"], *extras["batch"]]]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_every_requirement_in_a_version_that_it_allows(lock: str) -> None:
    versions = _versions(lock)
    wrong = [
        str(pin)
        for pin in _required(lock)
        if not pin.specifier.contains(versions.get(canonicalize_name(pin.name), "0"))
    ]
    assert not wrong, f"`make lock` has not been run: {wrong}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_versions_and_hashes_and_names_no_place(lock: str) -> None:
    assert ENTRY.sub("", _text(lock)) == ""


@pytest.mark.parametrize("lock", ["cpu", "gpu"])
def test_neither_torch_nor_monai_nor_cupy_is_locked(lock: str) -> None:
    assert not {"torch", "monai", "cupy-cuda13x", "pip"} & _versions(lock).keys()


def test_the_two_builds_of_onnx_runtime_are_never_together() -> None:
    assert "onnxruntime" not in _versions("gpu") and "onnxruntime-gpu" not in _versions("cpu")
    assert _versions("gpu").keys() >= {"onnxruntime-gpu", "nvidia-cudnn-cu13", "nvidia-cublas"}
