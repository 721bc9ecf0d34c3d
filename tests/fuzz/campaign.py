"""Many inputs over several processes: what came of them, and which of them ended a process or took too long."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# On the clock, for a process that waits for something; one that works too long ends itself.
_STUCK_S = 120.0


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that came to neither a volume nor a refusal, and how."""

    index: int
    what: str


@dataclass(slots=True)
class Tally:
    """How many inputs came to what, and the findings."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, index: int, outcome: str) -> None:
        """Count one input."""
        if outcome.startswith("finding "):
            self.findings.append(Finding(index, outcome.removeprefix("finding ").replace("\\n", "\n")))
            outcome = "finding"
        self.outcomes[outcome] += 1


def run(
    seeds: Path,
    seed: int,
    inputs: int,
    workers: int,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Send the first `inputs` draws of a seed through the reader."""
    tally, lock = Tally(), threading.Lock()

    def work(worker: int) -> None:
        for index, outcome in _outcomes(seeds, seed, worker, inputs, workers):
            with lock:
                tally.add(index, outcome)
                progress(tally)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.findings.sort(key=lambda finding: finding.index)
    return tally


def _outcomes(seeds: Path, seed: int, start: int, stop: int, step: int) -> Iterator[tuple[int, str]]:
    """The outcomes of one worker's share; a process that ended early or hangs is replaced by one for the rest."""
    while start < stop:
        command = [sys.executable, "-m", "tests.fuzz.batch", str(seeds), *map(str, (seed, start, stop, step))]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        readers = (
            threading.Thread(target=_forward, args=(process, lines), daemon=True),
            threading.Thread(target=lambda p=process, e=errors: e.append(p.stderr.read()), daemon=True),
        )
        for reader in readers:
            reader.start()
        begun: int | None = None
        while True:
            try:
                line = lines.get(timeout=None if begun is None else _STUCK_S)
            except queue.Empty:
                process.kill()
                yield start, f"finding no end within {_STUCK_S:g} s"
                start += step
                break
            if line is None:
                process.wait()
                readers[1].join()
                if process.returncode or begun is not None:
                    yield start, f"finding process ended with {process.returncode}: {errors[0][:1200]}"
                    start += step
                else:
                    start = stop
                break
            word, index, *rest = line.split(maxsplit=2)
            if word == "begin":
                begun = start = int(index)
            else:
                yield int(index), rest[0]
                begun, start = None, int(index) + step
        process.wait()


def _forward(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    for line in process.stdout:  # type: ignore[union-attr]
        lines.put(line.rstrip("\n"))
    lines.put(None)
