"""Inputs in turn in a process of bounded memory: python -m tests.fuzz.batch SEEDS SEED START STOP STEP."""

from __future__ import annotations

import faulthandler
import logging
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from tests.fuzz.harness import read
from tests.fuzz.inputs import Seeds

MAX_GROWTH_BYTES = 3 * 2**29
# Of the processor, so that a busy machine makes no findings.
MAX_SECONDS = 10.0


def main(folder: str, seed: int, start: int, stop: int, step: int) -> None:
    """Say which input begins, and what came of it: one line each, so that the last one tells what ended the process."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    # Says where the process is, then ends it.
    faulthandler.register(signal.SIGPROF, chain=True)
    seeds = Seeds(Path(folder))
    with tempfile.TemporaryDirectory() as scratch:
        seeds.place(Path(scratch))
        first = True
        for index in range(start, stop, step):
            mutant = seeds.mutant(seed, index)
            print(f"begin {index}", flush=True)
            with seeds.spoiled(Path(scratch), mutant) as study:
                if first:
                    bound_memory()
                    first = False
                signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
                try:
                    found = read(study)
                except Exception:  # which is what is looked for
                    found = "finding " + traceback.format_exc().replace("\n", "\\n")
                signal.setitimer(signal.ITIMER_PROF, 0)
            print(f"end {index} {found}", flush=True)


def bound_memory() -> None:
    """Let this process grow by 1.5 GiB of address space and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MAX_GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
