"""`python -m benchmarks.batch OUT`: how much sooner two workers are done with an archive than one.

The same phantom studies, one worker and two in turn, each pair after the other; every run starts from nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from shutil import rmtree

from rich.console import Console

from benchmarks.large_study import GRID
from benchmarks.process import measure
from benchmarks.table import Table
from phantom import Identity, PhantomSpec, simulate, write_study

ROOT = Path(__file__).resolve().parents[1]


def write_archive(out: Path, studies: int) -> Path:
    """Different patients, each with a dynamic series as large as the one that the program is timed on."""
    for seed in range(1, studies + 1):
        if not (out / str(seed) / "truth.json").exists():
            identity = Identity(patient_id=f"SIM-{seed}")
            write_study(simulate(PhantomSpec(seed=seed, grid=GRID)), out=out / str(seed), identity=identity)
    return out


def time_batch(archive: Path, out: Path, workers: int) -> float:
    """Wall seconds of a whole batch, the start of its workers with it."""
    rmtree(out, ignore_errors=True)
    studies = sorted(archive.glob("*/study"))
    command: list[str | Path] = [sys.executable, "-m", "app.batch", *studies, "-o", out, "--workers", str(workers)]
    return measure(command, ROOT).wall_s


def compare(archive: Path, scratch: Path, pairs: int) -> Table:
    """One worker beside two."""
    one, two = [], []
    for _ in range(pairs):
        one.append(time_batch(archive, scratch / "one", 1))
        two.append(time_batch(archive, scratch / "two", 2))
    rows = (("1 worker, s", one), ("2 workers, s", two), ("speed-up", [a / b for a, b in zip(one, two, strict=True)]))
    return Table(heading=("", "median", "range"), rows=tuple((name, *_spread(values)) for name, values in rows))


def _spread(values: list[float]) -> tuple[str, str]:
    return f"{statistics.median(values):.2f}", f"{min(values):.2f} to {max(values):.2f}"


def main() -> None:
    """Write the archive once, and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the archive and the results")
    parser.add_argument("--studies", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    out = options.out.resolve()
    archive = write_archive(out / "archive", options.studies)
    time_batch(archive, out / "warm", 2)
    table = compare(archive, out, options.pairs)
    Console().print(f"{options.studies} studies, {options.pairs} pairs", table.for_terminal())


if __name__ == "__main__":
    main()
