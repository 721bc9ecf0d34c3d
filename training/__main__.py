"""Command line of the training: `python -m training fit | crossval | export | evaluate | inspect`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import ValidationError
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from pcr.reasons import PcrError
from training.cohorts import DEVELOPMENT, CohortError, Dataset, read_cohort
from training.config import read_config
from training.runfolder import RunFolder, RunFolderError

_DEFAULT_CONFIG = Path(__file__).parent / "configs" / "default.yaml"
_DEFAULT_LEDGER = Path(__file__).parent / "ledger.jsonl"

CohortFolder = Annotated[Path, tyro.conf.arg(help="Folder in the layout of MAMA-MIA.")]
ConfigFile = Annotated[Path, tyro.conf.arg(help="Settings, YAML.")]
RunPath = Annotated[Path, tyro.conf.arg(help="Run folder; an unfinished run goes on where it stopped.")]
ModelPath = Annotated[Path, tyro.conf.arg(help="Model folder.")]


def fit(cohort: CohortFolder, run: RunPath, model: ModelPath, config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Train on I-SPY 2 by cross-validation and write the model folder: crossval, then export."""
    crossval(cohort, run, config)
    export(cohort, run, model, config)


def crossval(cohort: CohortFolder, run: RunPath, config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Train all folds on I-SPY 2 and measure the out-of-fold predictions."""
    from training.crossval import crossval as run_crossval

    settings = read_config(config)
    with _progress() as progress:
        metrics = run_crossval(read_cohort(cohort, DEVELOPMENT), settings, RunFolder(run), progress)
    Console().print(_figures(f"I-SPY 2, out of fold, threshold {metrics['threshold']}", metrics["figures"]))


def export(cohort: CohortFolder, run: RunPath, model: ModelPath, config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Write the model folder of a finished run and check it against torch on real cases."""
    from training.export import export as run_export

    console = Console()
    with console.status("Exporting"):
        manifest = run_export(read_cohort(cohort, DEVELOPMENT), read_config(config), RunFolder(run), model)
    console.print(f"{model}: {manifest.onnx.path} {manifest.onnx.sha256[:12]}, {manifest.onnx.members} members")


def evaluate(
    model: ModelPath,
    cohort: CohortFolder,
    out: Annotated[Path, tyro.conf.arg(help="Folder for predictions.csv and metrics.json.")],
    dataset: Annotated[Dataset, tyro.conf.arg(help="External data must be named, and is noted.")] = "ISPY2",
    ledger: Annotated[Path, tyro.conf.arg(help="File that every call is noted in.")] = _DEFAULT_LEDGER,
) -> None:
    """Score a finished model folder on a cohort, and note it in the ledger."""
    from training.evaluate import evaluate as run_evaluate

    with _progress() as progress:
        metrics = run_evaluate(model, read_cohort(cohort, dataset), out, ledger, progress)
    Console().print(_figures(f"{dataset}, {metrics['protocol']}", metrics["figures"]))


def inspect(
    cohort: CohortFolder,
    out: Annotated[Path, tyro.conf.arg(help="The contact sheet, PNG.")],
    config: ConfigFile = _DEFAULT_CONFIG,
    patients: Annotated[int, tyro.conf.arg(help="How many patients to draw.")] = 12,
) -> None:
    """Print the tables of the I-SPY 2 part of a cohort and draw a contact sheet of its images with their regions."""
    from training.contact_sheet import cohort_tables, draw_contact_sheet

    console = Console()
    found = read_cohort(cohort, DEVELOPMENT)
    for table in cohort_tables(found):
        console.print(table)
    draw_contact_sheet(found, read_config(config), patients, out)
    console.print(f"{out}")


def main() -> None:
    """Run the command line; errors that the user can mend are one sentence, without a traceback."""
    from training.onnx_file import ExportError

    try:
        tyro.extras.subcommand_cli_from_dict(
            {"fit": fit, "crossval": crossval, "export": export, "evaluate": evaluate, "inspect": inspect},
            prog="python -m training",
            description="Stepwise training of the pCR model. Development knows I-SPY 2 alone.",
        )
    except (CohortError, RunFolderError, ExportError, PcrError, ValidationError, OSError) as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        sys.exit(2)


@contextmanager
def _progress() -> Iterator[Progress]:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as shown:
        yield shown


def _figures(title: str, figures: Mapping[str, Any]) -> Table:
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, (value, low, high) in figures.items():
        table.add_row(name, f"{value:.3f}", f"{low:.3f} to {high:.3f}")
    return table


if __name__ == "__main__":
    main()
