"""The ledger of evaluations: one JSON line for every look of a finished model at a cohort; committed, never edited."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pcr.model import PcrModel
from training.cohorts import Cohort


def note_look(ledger: Path, model: PcrModel, cohort: Cohort) -> int:
    """Append an entry, and say how often this model (by its checksum) has looked at this data set, this time included.

    Raises OSError or ValueError where the ledger can not be read or written.
    """
    sha256, dataset = model.manifest.onnx.sha256, cohort.dataset
    earlier = [(entry["sha256"], entry["dataset"]) for entry in _entries(ledger)]
    look = 1 + earlier.count((sha256, dataset))
    entry = {
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model.folder.name,
        "version": model.folder.version,
        "sha256": sha256,
        "dataset": dataset,
        "patients": sum(patient.imaging is not None for patient in cohort.patients),
        "rows": len(cohort.patients),
        "look": look,
    }
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    return look


def _entries(ledger: Path) -> list[dict[str, Any]]:
    if not ledger.is_file():
        return []
    return [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
