"""`python -m benchmarks.layouts`: one patient in every layout that the phantom writes, and what the program finds.

The same lesion must come out of all layouts that are to be read; the others must be refused with their reason. Beside
them 20 different patients in one layout: agreement means something only where the probability varies at all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import app  # noqa: F401  loads what Holoscan needs, switches telemetry off
from app.run import RunOutcome, run
from app.settings import Folders, Settings
from pcr.report.result import StudyResult
from pcr.study import Inbox, Study
from phantom import LesionSpec, Phantom, PhantomSpec, WrittenStudy, simulate, write_study
from phantom.layouts import DEFAULT, LAYOUTS

ROOT = Path(__file__).resolve().parent.parent
# A mass of a size that most cohorts have, in a place that unilateral fields of view hold too.
PATIENT = PhantomSpec(seed=7, lesion=LesionSpec(side="right", diameter_mm=26, margin="irregular", kinetics="washout"))
PATIENTS = 20
_MARK = "<!-- what follows is written by `python -m benchmarks.layouts --write docs/layouts.md` -->"


class Silent:
    """Progress that nobody hears."""

    def found(self, inbox: Inbox, clinical_path: Path | None, provider: str) -> None:
        """Nothing."""

    def step(self, study: Study, label: str) -> None:
        """Nothing."""

    def finished(self, result: StudyResult) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the program made of one layout.

    Attributes:
        outcome: "read" or the reason code.
        expected: what the layout says should come of it.
        grid: plane, spacing and phase times that the probability depends on.
        centroid_error_mm: distance of the lesion's centroid from the truth.
        volume_ratio: volume of the lesion over the true one.
        probability: of pCR.
        warnings: of the result.
    """

    layout: str
    outcome: str
    expected: str
    grid: tuple[object, ...] = ()
    centroid_error_mm: float | None = None
    volume_ratio: float | None = None
    probability: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A layout that the program has been through, still on disk.

    Attributes:
        found: what the program made of it.
        study: the folder that it read.
        results: the folder of the study's results; None where it held no study.
    """

    found: Found
    study: Path
    results: Path | None


def process(phantom: Phantom, layout: str) -> Found:
    """Write a phantom in a layout and run the whole program on it, in this process."""
    with processed(phantom, layout, Settings()) as done:
        return done.found


@contextmanager
def processed(phantom: Phantom, layout: str, settings: Settings) -> Iterator[Processed]:
    """The same with these settings, and the files are there for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as work:
        written, out = write_study(phantom, layout, Path(work, "phantom")), Path(work, "out")
        outcome = run(Folders(written.folder, out, ROOT / "models"), settings, Silent())
        entries = outcome.index.studies
        yield Processed(
            found=_found(written, layout, outcome),
            study=written.folder,
            results=out / entries[0].path if entries and entries[0].path else None,
        )


def _found(written: WrittenStudy, layout: str, outcome: RunOutcome) -> Found:
    expected = LAYOUTS[layout].outcome
    reason = outcome.index.reason or next((r.reason for r in outcome.results if r.reason), None)
    if reason is not None:
        return Found(layout=layout, outcome=reason.code, expected=expected)
    truth = json.loads(written.truth.read_text())["lesion"]
    (result,) = outcome.results
    lesion, prediction = result.lesion, result.prediction
    assert lesion is not None and prediction is not None
    spec = written.phantom.spec
    return Found(
        layout=layout,
        outcome="read",
        expected=expected,
        grid=(spec.grid, tuple(phase.time_s for phase in result.phases)),
        centroid_error_mm=float(np.linalg.norm(np.subtract(lesion.centroid_lps_mm, truth["centroid_lps_mm"]))),
        volume_ratio=lesion.volume_ml / truth["volume_ml"],
        probability=prediction.probability,
        warnings=result.warnings,
    )


def different_patients(count: int) -> Iterator[PhantomSpec]:
    """Patients with lesions of their own."""
    for seed in range(100, 100 + count):
        yield replace(PATIENT, seed=seed, lesion=LesionSpec())


def spread(found: list[Found]) -> dict[tuple[object, ...], tuple[float, ...]]:
    """Probabilities of the layouts that were read, by plane, grid and times."""
    groups: dict[tuple[object, ...], tuple[float, ...]] = {}
    for row in found:
        if row.probability is not None:
            groups[row.grid] = (*groups.get(row.grid, ()), row.probability)
    return groups


def _row(found: Found) -> tuple[str, ...]:
    if found.probability is None:
        return f"`{found.layout}`", f"refused: `{found.outcome}`", "", "", ""
    return (
        f"`{found.layout}`",
        "read",
        f"{found.centroid_error_mm:.2f}",
        f"{found.volume_ratio:.2f}",
        f"{found.probability:.3f}",
    )


def _markdown(found: list[Found], patients: list[Found]) -> str:
    groups = spread(found)
    within = max(max(p) - min(p) for p in groups.values())
    everything = [p for group in groups.values() for p in group]
    varied = [row.probability for row in patients if row.probability is not None]
    lines = [
        _MARK,
        "",
        "## Measured",
        "",
        "One simulated patient (docs/phantom.md) in every layout, through the whole program.",
        "",
        "| layout | status | centroid off by, mm | volume over truth | probability |",
        "| --- | --- | --- | --- | --- |",
        *("| " + " | ".join(_row(row)) + " |" for row in found),
        "",
        f"Probability among layouts of equal plane, grid and times: at most {within:.3f} apart "
        f"({len(groups)} such groups). Over all layouts: {min(everything):.3f} to {max(everything):.3f}.",
        "",
        f"Over {len(varied)} different patients (of {len(patients)}, the others refused) in one layout: "
        f"{min(varied):.3f} to {max(varied):.3f}, standard deviation {statistics.stdev(varied):.3f}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Process all, print the table, write it where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layouts", description=__doc__)
    parser.add_argument("--layout", action="append", choices=list(LAYOUTS), help="only this one (may be repeated)")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="different patients (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as Markdown, from the mark on")
    options = parser.parse_args()
    phantom = simulate(PATIENT)
    found = [process(phantom, name) for name in track(options.layout or list(LAYOUTS), "layouts")]
    specs = list(different_patients(options.patients))
    patients = [process(simulate(spec), DEFAULT) for spec in track(specs, "patients")]
    table = Table("layout", "status", "mm", "volume", "probability", "expected")
    for row in found:
        table.add_row(*_row(row), row.expected, style="" if row.outcome == row.expected else "red")
    Console().print(table)
    if patients:
        text = _markdown(found, patients)
        Console().print(text.rsplit("|\n\n", 1)[1], markup=False)
        if options.write:
            kept = options.write.read_text("utf-8").split(_MARK)[0] if options.write.exists() else ""
            options.write.write_text(kept + text, "utf-8")


if __name__ == "__main__":
    main()
