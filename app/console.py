"""What a person sees: the step that runs, and a table at the end."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from time import perf_counter

import rich.console
from rich.table import Table
from rich.text import Text

from app.log import ErrorLog
from app.run import RunOutcome
from pcr.reasons import PcrError
from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.result import StudyResult
from pcr.study import Inbox, Study

log = logging.getLogger(__name__)


class _Output(rich.console.Console):
    """A stream whose reader may go away: that ends the talking and not the study."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What is still buffered must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Console:
    """Progress and results on standard output, errors on standard error. No patient's identity is printed."""

    def __init__(self) -> None:
        self._out = _Output(highlight=False, soft_wrap=True)
        self._err = _Output(stderr=True, highlight=False, soft_wrap=True)
        self._started = perf_counter()

    def found(self, inbox: Inbox, clinical_path: Path | None, provider: str) -> None:
        """Say how many studies there are, whether a clinical file came, and what the network runs on."""
        passed = inbox.passed_over
        self._out.print(
            f"studies: {len(inbox.studies)}; passed over: {passed.other_studies} other studies, "
            f"{passed.not_dicom} files that are not DICOM, {passed.invalid_identity} without valid identifiers, "
            f"{passed.outside_links} links that lead elsewhere; the network runs on {provider}"
        )
        self._out.print(
            f"clinical file: {clinical_path.name}" if clinical_path else "clinical file: none at the root of the input"
        )

    def step(self, study: Study, label: str) -> None:
        """Say which step begins."""
        self._out.print(f"[dim]{perf_counter() - self._started:6.1f} s[/] {_short(study.study_instance_uid)}  {label}")

    def finished(self, result: StudyResult) -> None:
        """Say what became of a study."""
        log.info("study %s: %s", result.study_instance_uid, result.status)

    def refused(self, error: PcrError) -> None:
        """One sentence for a run that could not begin."""
        self._err.print(str(error), markup=False)

    def broke(self, error: Exception, error_log: ErrorLog) -> None:
        """One sentence for what should not happen; the traceback goes to the log."""
        log.error("run failed", exc_info=error)
        self._err.print(f"internal_error: {type(error).__name__}; {error_log.where}", markup=False)

    def summary(self, outcome: RunOutcome, out: Path, error_log: ErrorLog) -> None:
        """The table at the end, one block a study, or the reason why there is none."""
        if outcome.index.reason is not None:
            self._err.print(f"{outcome.index.reason.code}: {outcome.index.reason.message}", markup=False)
        for result in outcome.results:
            self._out.print(_table(result))
            self._out.print(f"files: {out / result.study_instance_uid}", markup=False)
            if result.reason is not None:
                where = f"; {error_log.where}" if result.status == "failed" else ""
                self._err.print(f"{result.reason.code}: {result.reason.message}{where}", markup=False)
        self._out.print(RESEARCH_NOTICE, style="bold")


def _table(result: StudyResult) -> Table:
    table = Table(title=f"Study {result.study_instance_uid}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("status", result.status)
    for name, value in _rows(result):
        # As text: what comes from a header must not be read as markup.
        table.add_row(name, Text(value))
    return table


def _rows(result: StudyResult) -> list[tuple[str, str]]:
    if result.prediction is None or result.lesion is None or result.clinical is None:
        return []
    prediction, lesion, clinical = result.prediction, result.lesion, result.clinical
    low, high = prediction.interval
    judged = {True: "above", False: "below", None: "inputs are missing to judge against"}[prediction.above_threshold]
    found = "outlined in the study" if lesion.score is None else f"found by the program, score {lesion.score:.2f}"
    x, y, z = lesion.centroid_lps_mm
    return [
        ("probability of pCR", f"{prediction.probability:.2f} (model spread {low:.2f} to {high:.2f})"),
        ("threshold", f"{judged} {prediction.threshold:.2f}"),
        ("images / clinical alone", f"{prediction.imaging_probability:.2f} / {prediction.clinical_probability:.2f}"),
        (
            "lesion",
            f"{lesion.laterality} breast, {lesion.volume_ml:.1f} ml, {lesion.longest_diameter_mm:.0f} mm, "
            f"at ({x:.0f}, {y:.0f}, {z:.0f}) mm LPS, {lesion.kinetics.curve_type}; {found}",
        ),
        ("phases", ", ".join(f"{p.role} {p.after_injection_s:.0f} s" for p in result.phases)),
        ("clinical", f"used: {', '.join(clinical.used) or 'none'}; missing: {', '.join(clinical.missing) or 'none'}"),
        ("model", f"{result.model.name} {result.model.version} on {result.model.provider}"),
        *(("warning", warning) for warning in result.warnings),
    ]


def _short(uid: str) -> str:
    return uid if len(uid) <= 16 else f"...{uid[-12:]}"
