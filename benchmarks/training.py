"""`python -m benchmarks.training --cohort DIR --run RUN`: what an epoch costs, and how much of it is the network's own.

The caches of a finished or begun run are used; the trainings are made anew in a temporary folder, profiled one after
the other. The profiler itself slows small calls down, so seconds are those of a second training without it.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pandas as pd
from rich.console import Console
from rich.table import Table

from training.cohorts import DEVELOPMENT, read_cohort
from training.config import read_config
from training.crossval import CrossValidation
from training.recipes import RECIPES
from training.runfolder import RunFolder
from training.unit import Unit, run_unit

ROOT = Path(__file__).resolve().parent.parent
# Functions whose cumulative time is of interest: forward, backward and update all happen within the optimizer's step.
_WITHIN = {"network": "optimizer_step", "batches": "__getitems__", "checkpoints": "save_checkpoint"}


def profiled(work: Callable[[], None]) -> dict[str, float]:
    """Shares of the time of `work` that its parts took."""
    profiler = cProfile.Profile()
    started = perf_counter()
    profiler.runcall(work)
    total = perf_counter() - started
    # A function that calls one of its own name, as Lightning's do, is counted by the outermost: the longest.
    times: dict[str, float] = {}
    for (_, _, name), (_, _, _, cumulative, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        times[name] = max(times.get(name, 0.0), cumulative)
    return {part: times.get(name, 0.0) / total for part, name in _WITHIN.items()}


def epochs_of(unit: Unit) -> int:
    """Epochs of all steps of a finished unit."""
    return sum(pd.read_csv(log)["epoch"].nunique() for log in unit.folder.glob("*/csv-*/metrics.csv"))


def main() -> None:
    """Measure every recipe on the first split, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "training" / "configs" / "default.yaml")
    options = parser.parse_args()
    config = read_config(options.config)
    cohort = read_cohort(options.cohort, DEVELOPMENT, config.timing.targets)
    plan = CrossValidation(cohort, config, RunFolder(options.run))
    table = Table("recipe", "epochs", "s", "ms an epoch", *(f"{part} %" for part in _WITHIN), title="One thread")
    with tempfile.TemporaryDirectory() as work:
        for recipe in RECIPES:
            unit = plan.unit(config.attempts[0].name, recipe, plan.splits[0])
            run_unit(replace(unit, folder=Path(work, "warm", recipe)))
            shares = profiled(lambda unit=unit, recipe=recipe: run_unit(replace(unit, folder=Path(work, "a", recipe))))
            timed = replace(unit, folder=Path(work, "b", recipe))
            started = perf_counter()
            run_unit(timed)
            seconds, epochs = perf_counter() - started, epochs_of(timed)
            figures = [f"{100 * share:.0f}" for share in shares.values()]
            table.add_row(recipe, str(epochs), f"{seconds:.1f}", f"{1000 * seconds / epochs:.0f}", *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
