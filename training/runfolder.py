"""The run folder: everything that made a result, and what is needed to go on after a stop."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.cohorts import Cohort
from training.config import Config
from training.splits import Split


class RunFolderError(Exception):
    """The folder belongs to another run, or lacks what an earlier command should have left there."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Names of what lies where."""

    root: Path

    @property
    def features(self) -> Path:
        """Caches of what the networks read; large, and can be computed again."""
        return self.root / "features"

    @property
    def out_of_fold(self) -> Path:
        """Out-of-fold predictions of the attempt that is shipped."""
        return self.root / "out_of_fold.csv"

    @property
    def metrics(self) -> Path:
        """Figures, threshold and calibration."""
        return self.root / "metrics.json"

    @property
    def report(self) -> Path:
        """Tables and figures of the comparison."""
        return self.root / "report"

    @property
    def checks(self) -> Path:
        """What was found on the exported file."""
        return self.root / "checks.json"

    def unit(self, attempt: str, recipe: str, split: Split) -> Path:
        """Folder of one training."""
        fold = f"fold-{split.fold}".replace(" ", "-")
        return self.root / "units" / attempt / recipe / fold / f"member-{split.member}"

    def claim(self, config: Config, cohort: Cohort) -> None:
        """Take the folder for this configuration and cohort, or check that it was theirs already.

        Raises:
            RunFolderError: it holds another run; mixing the two would make a result that neither stands for.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self._claim("config.yaml", config.plain(), yaml.safe_dump(config.plain(), sort_keys=False))
        known = fingerprint(cohort)
        self._claim("cohort.json", known, json.dumps(known, indent=2) + "\n")

    def read_metrics(self) -> dict[str, Any]:
        """What `crossval` wrote last of all."""
        if not self.metrics.is_file():
            raise RunFolderError(f"{self.root} holds no finished crossval; run `python -m training crossval` first")
        metrics: dict[str, Any] = json.loads(self.metrics.read_text("utf-8"))
        return metrics

    def _claim(self, name: str, values: dict[str, Any], content: str) -> None:
        path = self.root / name
        # YAML reads JSON as well.
        if path.is_file() and _decisive(yaml.safe_load(path.read_text("utf-8"))) != _decisive(values):
            raise RunFolderError(f"{path} is of another run; choose another --run, or remove this one")
        path.write_text(content, "utf-8")


def _decisive(values: Any) -> Any:
    """What makes a run another run: name and note of the exported model decide nothing of the training."""
    return {name: value for name, value in values.items() if name != "bundle"} if isinstance(values, dict) else values


def fingerprint(cohort: Cohort) -> dict[str, Any]:
    """What tells one cohort from another: ids, labels and variables of its patients, not its path."""
    rows = [
        f"{p.patient_id} {p.pcr} {p.clinical.age} {p.receptor_subtype} {p.imaging is None}" for p in cohort.patients
    ]
    return {
        "dataset": cohort.dataset,
        "rows": len(cohort.patients),
        "labelled": len(cohort.labelled),
        "with_images": len(cohort.imaged),
        "sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest(),
    }
