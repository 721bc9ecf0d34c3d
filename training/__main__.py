"""Command line of the training: `python -m training inspect | crossval | export | fit | evaluate | card`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from pcr.reasons import PcrError
from training.cohorts import DEVELOPMENT, Cohort, check_crops, read_cohort
from training.config import Config, ConfigError, read_config
from training.findings import CohortError
from training.runfolder import RunFolder, RunFolderError

_DEFAULT_CONFIG = Path(__file__).parent / "configs" / "default.yaml"
_DEFAULT_LEDGER = Path(__file__).parent / "ledger.jsonl"
_DEFAULT_RUN = Path("runs") / "default"

CohortFolder = Annotated[Path, tyro.conf.arg(help="Folder in the layout of MAMA-MIA.")]
ConfigFile = Annotated[Path, tyro.conf.arg(help="Settings, YAML.")]
RunPath = Annotated[Path, tyro.conf.arg(help="Run folder; an unfinished run goes on where it stopped.")]
FinishedRun = Annotated[Path, tyro.conf.arg(help="Run folder of a finished crossval.")]
ModelPath = Annotated[Path, tyro.conf.arg(help="Model folder.")]
Workers = Annotated[
    int,
    tyro.conf.arg(help="Trainings beside each other, one for each processor core; the result does not depend on it."),
]


def fit(
    cohort: CohortFolder,
    model: ModelPath,
    run: RunPath = _DEFAULT_RUN,
    config: ConfigFile = _DEFAULT_CONFIG,
    workers: Workers = 2,
) -> None:
    """Train on I-SPY 2 by cross-validation and write the model folder: crossval, then export."""
    crossval(cohort, config, run, workers)
    export(cohort, model, run, config)


def crossval(
    cohort: CohortFolder, config: ConfigFile = _DEFAULT_CONFIG, run: RunPath = _DEFAULT_RUN, workers: Workers = 2
) -> None:
    """Train all attempts and arms on I-SPY 2 and write the report of their out-of-fold predictions."""
    from training.crossval import crossval as run_crossval

    if workers < 1:
        raise ConfigError("--workers must be 1 or more")
    settings = read_config(config)
    found, folder = _development(cohort, settings), RunFolder(run)
    with _progress() as progress:
        metrics = run_crossval(found, settings, folder, workers, progress)
    console = Console()
    console.print(f"Inner validation chose: {metrics['choice']['shipped']}")
    for name in ("arms.md", "differences.md", "attention.md"):
        console.print(Markdown((folder.report / name).read_text("utf-8")))
    console.print(f"All tables and figures: {folder.report}")


def export(
    cohort: CohortFolder, model: ModelPath, run: FinishedRun = _DEFAULT_RUN, config: ConfigFile = _DEFAULT_CONFIG
) -> None:
    """Write the model folder of a finished run and check it against torch on real cases."""
    from training.export import export as run_export

    settings = read_config(config)
    found = _development(cohort, settings)
    with _progress() as progress:
        manifest = run_export(found, settings, RunFolder(run), model, progress)
    Console().print(f"{model}: {manifest.onnx.path} {manifest.onnx.sha256[:12]}, {manifest.onnx.members} members")


def evaluate(
    model: ModelPath,
    cohort: CohortFolder,
    out: Annotated[Path, tyro.conf.arg(help="Folder for predictions.csv and metrics.json.")],
    dataset: Annotated[
        tuple[str, ...], tyro.conf.arg(help="Data sets of the table; without any, all that have images.")
    ] = (),
    ledger: Annotated[Path, tyro.conf.arg(help="File that every call is noted in.")] = _DEFAULT_LEDGER,
) -> None:
    """Score a finished model folder on a cohort, and note it in the ledger.

    Without --dataset all data sets that have images are scored, external ones too: a look that counts. On I-SPY 2 the
    figures are resubstitution.
    """
    from training.cohort_table import datasets_of
    from training.evaluate import evaluate as run_evaluate
    from training.evaluate import model_targets

    targets = model_targets(model)
    cohorts = [read_cohort(cohort, name, targets) for name in dataset or datasets_of(cohort)]
    with _progress() as progress:
        metrics = run_evaluate(model, cohorts, out, ledger, progress)
    for name, found in metrics["datasets"].items():
        Console().print(_figures(f"{name}, {found['protocol']}", found["figures"]))


def card(
    model: ModelPath,
    external: Annotated[Path, tyro.conf.arg(help="The metrics.json that `evaluate` wrote.")],
    run: FinishedRun = _DEFAULT_RUN,
    config: ConfigFile = _DEFAULT_CONFIG,
) -> None:
    """Write the model card anew, with the figures of external data; the weights stay as they are."""
    from training.bundle import CARD_PATH
    from training.export import write_card

    write_card(read_config(config), RunFolder(run), model, external)
    Console().print(f"{model / CARD_PATH}")


def inspect(
    cohort: CohortFolder,
    out: Annotated[Path, tyro.conf.arg(help="The contact sheet, PNG; further pages are numbered.")],
    config: ConfigFile = _DEFAULT_CONFIG,
    patients: Annotated[int, tyro.conf.arg(help="How many patients to draw.")] = 12,
) -> None:
    """Check the I-SPY 2 part of a cohort, print its tables and draw contact sheets of images with their regions."""
    from training.contact_sheet import box_table, cohort_tables, draw_contact_sheet

    console, settings = Console(), read_config(config)
    found = _development(cohort, settings)
    for table in (*cohort_tables(found), box_table(found, settings.crop)):
        console.print(table)
    with _progress() as progress:
        task = progress.add_task("Drawing", total=patients)
        pages = draw_contact_sheet(found, settings, patients, out)
        progress.update(task, completed=patients)
    for page in pages:
        console.print(f"{page}")


def _development(folder: Path, config: Config) -> Cohort:
    """The cohort that may be learned from, checked before anything is trained on it."""
    cohort = read_cohort(folder, DEVELOPMENT, config.timing.targets)
    check_crops(cohort, config.crop)
    return cohort


def main() -> None:
    """Run the command line; errors that the user can mend are one sentence, without a traceback."""
    from training.onnx_file import ExportError

    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "inspect": inspect,
                "crossval": crossval,
                "export": export,
                "fit": fit,
                "evaluate": evaluate,
                "card": card,
            },
            prog="python -m training",
            description="Stepwise training of the pCR model. Development knows I-SPY 2 alone.",
        )
    except (CohortError, RunFolderError, ExportError, PcrError, ConfigError, OSError) as error:
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
