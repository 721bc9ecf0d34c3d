"""Command line: `python -m deploy.trigger serve|status|dead|retry|check --config trigger.yaml`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.trigger.logs import write_json_lines
from deploy.trigger.overview import dead_letters, overview, put_back, record_problems
from deploy.trigger.service import make_runner, opened, serve
from deploy.trigger.settings import TriggerSettings, read_trigger_settings
from pcr.reasons import BadConfiguration
from pcr.report.provenance import RESEARCH_NOTICE

EXIT_CONFIGURATION = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it was done, 2 when the settings can not be honoured."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(read_trigger_settings(options.config), options))
    except BadConfiguration as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION


def _serve(settings: TriggerSettings, options: argparse.Namespace) -> int:
    write_json_lines()
    os.umask(0o077)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with opened(settings) as parts:
        serve(parts, stop)
    return 0


def _status(settings: TriggerSettings, options: argparse.Namespace) -> int:
    seen = overview(settings.state)
    table = Table("state", "jobs", "oldest", title="Jobs")
    for line in seen.states:
        table.add_row(line.state, str(line.jobs), line.oldest)
    console = Console()
    console.print(table)
    console.print(f"studies arriving or awaiting a clinical record: {seen.arriving}")
    for trouble in seen.troubles:
        console.print(f"job {trouble.job}, study {trouble.study_uid}: {trouble.sentence}", markup=False)
    for problem in record_problems(settings.records):
        console.print(f"clinical records, {problem.where}: {problem.sentence}", markup=False)
    return 0


def _dead(settings: TriggerSettings, options: argparse.Namespace) -> int:
    table = Table("ended", "study", "reason", "what to do", title="Studies without a result")
    for letter in dead_letters(settings.state):
        table.add_row(letter.ended, letter.study_uid, letter.code, letter.sentence)
    Console().print(table)
    return 0


def _retry(settings: TriggerSettings, options: argparse.Namespace) -> int:
    number = put_back(settings.state, options.study)
    print(f"{number} job{'' if number == 1 else 's'} put back into the queue")
    return 0 if number else 1


def _check(settings: TriggerSettings, options: argparse.Namespace) -> int:
    model = make_runner(settings.runner, settings.state).model()
    print(f"settings are valid; runner {settings.runner.kind} has model {model}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.trigger",
        description="Receives studies from a PACS, has each processed once, and sends the results back. "
        + RESEARCH_NOTICE,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, does in (
        ("serve", _serve, "work until it is stopped; JSON lines on standard error"),
        ("status", _status, "how many jobs are in which state, and what is tried again"),
        ("dead", _dead, "the dead-letter list: studies without a result, and why"),
        ("retry", _retry, "put the dead jobs of a study back into the queue"),
        ("check", _check, "read the settings and find the model, without starting"),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("--config", type=Path, default=Path("trigger.yaml"), help="settings [trigger.yaml]")
        command.set_defaults(run=run)
        if name == "retry":
            command.add_argument("study", help="StudyInstanceUID")
    return parser


if __name__ == "__main__":
    sys.exit(main())
