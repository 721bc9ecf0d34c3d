"""The application as one folder, as `monai-deploy package` of holoscan-cli wants it."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from pcr.reasons import BadConfiguration

# What the image's application folder holds too; application.py makes it start as `python FOLDER`.
PACKAGES = ("app", "deploy", "operators", "pcr")
STARTER = Path("deploy/map/application.py")


def write_application_folder(root: Path, out: Path) -> None:
    """Copy the packages at `root` to the new folder `out`, with a requirements.txt made from pyproject.toml.

    Raises:
        BadConfiguration: `out` is there already.
    """
    if out.exists():
        raise BadConfiguration(f"{out} is there already; name a new folder")
    for package in PACKAGES:
        shutil.copytree(root / package, out / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(root / STARTER, out / "__main__.py")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["gpu"]]
    (out / "requirements.txt").write_text("\n".join(pins) + "\n", "utf-8")
