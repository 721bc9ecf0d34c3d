"""What the labels of an image say, read from the sources with the standard library alone.

A machine that builds the image needs no environment of ours; the build checks the values against what it installed.
"""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

MODEL = Path("models/pcr")


def build_arguments(root: Path) -> dict[str, str]:
    """The build arguments that become labels, for the sources at `root`.

    Raises:
        ValueError: a version is not where it is looked for.
    """
    metadata = json.loads((root / MODEL / "configs/metadata.json").read_text("utf-8"))
    network = root / MODEL / metadata["breast_pcr"]["onnx"]["path"]
    return {
        "VERSION": _found(r'^__version__ = "([^"]+)"', root / "pcr/__init__.py"),
        "SDK_VERSION": _found(r'"monai-deploy-app-sdk==([^"]+)"', root / "pyproject.toml"),
        "MODEL_VERSION": metadata["version"],
        "MODEL_SHA256": sha256(network.read_bytes()).hexdigest(),
        "REVISION": _git(root, "rev-parse", "HEAD") + ("-modified" if _git(root, "status", "--porcelain") else ""),
        "CREATED": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017  for Python before 3.11
    }


def _found(pattern: str, path: Path) -> str:
    match = re.search(pattern, path.read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{path} has no line like {pattern}")
    return match.group(1)


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
