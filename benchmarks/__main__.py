"""`python -m benchmarks`: the whole program against the stock pipeline of the SDK, in turn, on the same large study.

`make benchmark` makes an environment for each and calls this; docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

# Nothing of the program is imported here: see process.measure.
from benchmarks.process import Cost, measure
from benchmarks.table import Table, floor_table, side_by_side, step_table

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
STOCK = ROOT / "benchmarks" / "stock_pipeline.py"
# In a process of its own, from the first import of the application to the last.
IMPORT = "from time import perf_counter as now; t = now(); import app.__main__, app.application; print(now() - t)"
RESULTS = "<!-- figures below are written by make benchmark -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One run of each."""

    ours: Cost
    stock: Cost
    timings_s: dict[str, float]


def run_pair(study: Path, stock_python: Path) -> Pair:
    """The program, then the stock pipeline; what they write goes with its temporary folder."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        out = Path(folder, "ours")
        ours = measure([sys.executable, "-m", "app", "-i", study, "-o", out, "-m", MODELS], ROOT)
        (result,) = out.glob("*/result.json")
        timings_s = json.loads(result.read_text("utf-8"))["timings_s"]
        stock = measure([stock_python, STOCK, study, Path(folder, "stock")], ROOT)
        if not any(Path(folder, "stock").glob("*.dcm")):
            raise SystemExit("the stock pipeline wrote no report; is the study one phase a series, as the phantom is?")
    return Pair(ours=ours, stock=stock, timings_s=timings_s)


def measure_all(study: Path, stock_python: Path, runs: int) -> list[Table]:
    """All tables on a study."""
    run_pair(study, stock_python)
    pairs = [run_pair(study, stock_python) for _ in track(range(runs), "program and stock pipeline in turn")]
    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, check=True, capture_output=True).stdout)
        for _ in track(range(runs), "importing")
    ]
    floor = subprocess.run(
        [sys.executable, "-m", "benchmarks.floor", study, MODELS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [
        side_by_side([pair.ours for pair in pairs], [pair.stock for pair in pairs]),
        floor_table(json.loads(floor.stdout), imports),
        step_table([pair.timings_s for pair in pairs]),
    ]


def write_figures(page: Path, tables: list[Table]) -> None:
    """Replace the figures of a page, which stand below a mark; its text above stays."""
    text = page.read_text("utf-8").partition(RESULTS)[0] if page.exists() else ""
    page.write_text(text + RESULTS + "".join("\n" + table.as_markdown() for table in tables), "utf-8")


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--stock-python", type=Path, required=True, help="interpreter of the stock environment")
    parser.add_argument("--study", type=Path, help="folder of DICOM files (default: the large phantom, simulated)")
    parser.add_argument("--runs", type=int, default=5, help="pairs that count, after a warm-up (default: 5)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="Markdown page whose figures are to be replaced")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        study = options.study
        if study is None:
            Console().print("simulating the study, which takes half a minute and 3.5 GB of memory")
            subprocess.run([sys.executable, "-m", "benchmarks.large_study", folder], cwd=ROOT, check=True)
            study = Path(folder, "study")
        # The interpreter is not resolved: a link is how an environment is told from the one it was made with.
        tables = measure_all(study.resolve(), options.stock_python.absolute(), options.runs)
    for table in tables:
        Console().print(table.for_terminal())
    if options.write is not None:
        write_figures(options.write, tables)


if __name__ == "__main__":
    main()
