"""`python -m benchmarks`: wall time, processor time and peak memory of the whole program on a study.

The floor beside it: reading the bytes of the study, and one run of the network. The comparison with the stock SDK
pipeline is not built yet.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import app  # noqa: F401  switches telemetry off before ONNX Runtime loads
from pcr.clinical import ClinicalRecord, encode
from pcr.lesion_box import LesionBox
from pcr.model import load_model
from phantom import PhantomSpec, simulate, write_study

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process used: seconds and MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure_program(study: Path, out: Path) -> Cost:
    """Run the application on a study, as a user does, and read the operating system's own accounts."""
    command = [sys.executable, "-m", "app", "-i", str(study), "-o", str(out), "-m", str(ROOT / "models")]
    started = perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("the application did not complete the study; run it alone to see why")
    return Cost(perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure_bytes(study: Path) -> float:
    """Seconds to read the files of a study from the page cache."""
    files = [path for path in study.rglob("*") if path.is_file()]
    started = perf_counter()
    for path in files:
        path.read_bytes()
    return perf_counter() - started


def measure_network() -> float:
    """Seconds of one run of the network on one comb of slices."""
    model = load_model(ROOT / "models" / "pcr", "auto")
    crop = model.manifest.crop
    image = np.zeros((1, 3, crop.slices, crop.grid, crop.grid), dtype=np.float32)
    clinical = encode(ClinicalRecord(), model.manifest.clinical)
    box = LesionBox(slices_mm=20, rows_mm=20, columns_mm=20)
    model.predict(image, clinical, box)
    started = perf_counter()
    model.predict(image, clinical, box)
    return perf_counter() - started


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--study", type=Path, help="folder of DICOM files (default: a simulated study)")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        study = options.study or write_study(simulate(PhantomSpec(seed=7)), out=Path(work, "phantom")).folder
        measure_program(study, Path(work, "warm"))
        costs = [measure_program(study, Path(work, "out")) for _ in track(range(options.runs), "runs")]
        reading, network = measure_bytes(study), measure_network()
    table = Table("", "median", "min", "max")
    for name, unit in (("wall_s", "s"), ("cpu_s", "s"), ("peak_mib", "MiB")):
        values = [getattr(cost, name) for cost in costs]
        row = (statistics.median(values), min(values), max(values))
        table.add_row(f"{name.rsplit('_', 1)[0]} ({unit})", *(f"{value:.2f}" for value in row))
    table.add_row("floor: reading the bytes (s)", f"{reading:.3f}", "", "")
    table.add_row("floor: one run of the network (s)", f"{network:.3f}", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
