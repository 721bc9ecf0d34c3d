"""The fuzz run: python -m tests.fuzz --inputs 20000 --workers 2 --seed 1 [--keep FOLDER]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Finding, Tally, run
from tests.fuzz.inputs import Seeds, write_seeds


def main() -> int:
    """Exit status 0 where there are no findings, 1 where there are."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="mutated files through the reader")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files of the findings")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder))
        tally = run(Path(folder), given.seed, given.inputs, given.workers, progress=_progress)
        if given.keep:
            _keep(tally.findings, Seeds(Path(folder)), given.seed, given.keep)
    for outcome, count in tally.outcomes.most_common():
        print(f"{count:7d}  {outcome}")
    for cause, count in Counter(finding.what.strip().splitlines()[-1] for finding in tally.findings).most_common():
        first = next(f for f in tally.findings if f.what.strip().splitlines()[-1] == cause)
        print(f"\n{count} x {cause}; first is input {first.index}:\n{first.what}")
    return 1 if tally.findings else 0


def _progress(tally: Tally) -> None:
    done = sum(tally.outcomes.values())
    if done % 500 == 0:
        print(f"{done} inputs, {len(tally.findings)} findings", file=sys.stderr, flush=True)


def _keep(findings: list[Finding], seeds: Seeds, seed: int, folder: Path) -> None:
    """The mutated files of each finding, in a folder named after its input and the layout that they belong to."""
    for finding in findings:
        mutant = seeds.mutant(seed, finding.index)
        target = folder / f"{finding.index:06d}-{mutant.layout}"
        target.mkdir(parents=True, exist_ok=True)
        (target / "finding.txt").write_text(finding.what)
        for name, content in mutant.files.items():
            (target / name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
