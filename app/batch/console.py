"""What a person sees of a batch: a bar while it runs, a few lines at the end. Inputs are not named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.batch.batch import BatchOutcome
from app.batch.job import JobOutcome
from app.batch.rows import repeated
from pcr.reasons import PcrError
from pcr.report.provenance import RESEARCH_NOTICE

_COUNTS = "completed {completed}, not evaluable {not_evaluable}, failed {failed}; done before {found}"


class BatchConsole:
    """Progress on standard output, errors on standard error; a context, in which the bar is drawn."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._counts: Counter[str] = Counter(completed=0, not_evaluable=0, failed=0, found=0)
        self._bar = Progress(
            TextColumn("inputs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._out,
            # Into a file, lines are written instead.
            disable=not self._out.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, counts="")
        self._planned = 0
        self._seen = 0

    def __enter__(self) -> BatchConsole:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def planned(self, jobs: int) -> None:
        """Say how many inputs there are."""
        self._planned = jobs
        self._bar.update(self._task, total=jobs)

    def finished(self, outcome: JobOutcome) -> None:
        """Count a job, and say why it published nothing."""
        self._seen += 1
        self._counts.update(outcome.statuses)
        self._counts["found"] += not outcome.ran
        self._bar.update(self._task, advance=1, counts=_COUNTS.format(**self._counts))
        if outcome.reason is not None:
            code, sentence = outcome.reason
            self._err.print(f"input {outcome.job}: {code}: {sentence}", markup=False)
        elif not self._out.is_terminal and outcome.ran:
            self._out.print(f"{self._seen}/{self._planned} {outcome.job} {' '.join(outcome.statuses)}", markup=False)

    def refused(self, error: PcrError) -> None:
        """One sentence for a batch that could not begin."""
        self._err.print(str(error), markup=False)

    def broke(self, error: Exception, where: str) -> None:
        """One sentence for what should not happen."""
        self._err.print(f"internal_error: {type(error).__name__}; {where}", markup=False)

    def interrupted(self) -> None:
        """One sentence for Ctrl-C."""
        self._err.print("stopped; the same command goes on where this one ended")

    def summary(self, outcome: BatchOutcome, out: Path) -> None:
        """The counts, and where everything is."""
        self._out.print("studies: " + _COUNTS.format(**self._counts) + (" inputs" if self._counts["found"] else ""))
        if times := repeated(outcome.rows):
            self._err.print(f"{times} studies came in more than one input: each result may be of a part of the study")
        self._out.print(f"summary: {out / 'summary.html'}, {out / 'summary.csv'}", markup=False)
        self._out.print(RESEARCH_NOTICE, style="bold")
