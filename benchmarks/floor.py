"""`python -m benchmarks.floor STUDY MODELS`: what no program could do without, in seconds, as JSON.

Reading the bytes of the dynamic phases against loading them as arrays, and one run of the network. In a process of
its own, since the one that measures others stays small.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

import app  # noqa: F401  switches telemetry off before ONNX Runtime loads
from pcr.clinical import ClinicalRecord, encode
from pcr.lesion_box import LesionBox
from pcr.model import load_model
from pcr.phases import select_dce
from pcr.study import read_inbox
from pcr.volume import VolumeLimits, load

RUNS = 5


def median_s(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes, after a warm-up: the median of five runs."""
    work()
    seconds = []
    for _ in range(RUNS):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return statistics.median(seconds)


def measure_floor(study: Path, models: Path) -> dict[str, float]:
    """The floor on a study that holds one dynamic series."""
    model = load_model(models / "pcr", "cpu")
    crop = model.manifest.crop
    image = np.zeros((1, 3, crop.slices, crop.grid, crop.grid), dtype=np.float32)
    clinical = encode(ClinicalRecord(), model.manifest.clinical)
    box = LesionBox(slices_mm=20, rows_mm=20, columns_mm=20)
    (series,) = select_dce(read_inbox(study).studies[0], crop)
    files = sorted({frame.instance.path for phase in series.phases for frame in phase.frames})
    return {
        "bytes_s": median_s(lambda: [path.read_bytes() for path in files]),
        "headers_s": median_s(lambda: read_inbox(study)),
        "phases_s": median_s(lambda: load(series, VolumeLimits())),
        "network_s": median_s(lambda: model.predict(image, clinical, box)),
    }


if __name__ == "__main__":
    print(json.dumps(measure_floor(Path(sys.argv[1]), Path(sys.argv[2]))))
