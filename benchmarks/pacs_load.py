"""Many studies at once through PACS and trigger: `python -m benchmarks.pacs_load`; needs root, orthanc and dcmtk.

Simulated studies are pushed into a real Orthanc by several senders at once; the trigger beside it processes them. Told
are the time until all results are in the PACS, that of each study, and the memory of the trigger and of its jobs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import track

from phantom import WrittenStudy
from phantom.errors import PhantomError
from tests.integration.pacs_loop import Loop, running_loop, small_study

_MIB = 2**20
_PAUSE_S = 0.2


class MemoryWatch(threading.Thread):
    """Looks again and again at the resident memory of the trigger and of the jobs that it runs.

    Attributes:
        trigger_mib, jobs_mib: the most that was seen, of the jobs together.
        jobs: the most that ran at once.
    """

    def __init__(self, loop: Loop) -> None:
        super().__init__(daemon=True)
        self._loop = loop
        self._over = threading.Event()
        self.trigger_mib = self.jobs_mib = 0.0
        self.jobs = 0

    def run(self) -> None:
        """Look until stopped."""
        while not self._over.wait(_PAUSE_S):
            jobs = list(_resident(b"PCR_TRIGGER_ATTEMPT="))
            self.jobs = max(self.jobs, len(jobs))
            self.jobs_mib = max(self.jobs_mib, sum(jobs))
            self.trigger_mib = max(self.trigger_mib, *_resident_of(self._loop.pid), 0.0)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def _resident(mark: bytes) -> Iterator[float]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                marked = mark in (entry / "environ").read_bytes()
            except OSError:
                continue
            if marked:
                yield from _resident_of(int(entry.name))


def _resident_of(pid: int) -> list[float]:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return []
    return [pages * 4096 / _MIB]


def _studies(folder: Path, number: int) -> list[WrittenStudy]:
    """Different patients; seeds whose lesion does not fit into the small grid are left out."""
    found: list[WrittenStudy] = []
    seeds = count(1)
    for position in track(range(number), "simulating", console=Console(stderr=True)):
        while len(found) <= position:
            seed = next(seeds)
            try:
                found.append(small_study(folder / str(seed), seed=seed))
            except PhantomError:
                continue
    return found


def main() -> None:
    """Run it and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacs_load", description=__doc__)
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        studies = _studies(Path(folder, "studies"), options.studies)
        with running_loop(Path(folder), {"kind": "process", "workers": options.workers}) as loop:
            loop.until(lambda: loop.events("started"), 60)
            watch = MemoryWatch(loop)
            watch.start()
            began = time.monotonic()
            with ThreadPoolExecutor(options.senders) as senders:
                list(senders.map(lambda study: loop.orthanc.store(study.folder), studies))
            pushed_s = time.monotonic() - began
            loop.until(lambda: len(loop.jobs("done")) + len(loop.jobs("dead")) == len(studies), 3600)
            all_s = time.monotonic() - began
            watch.stop()
            durations = [job["finished"] - job["created"] for job in loop.jobs()]
            processing = [job["finished"] - job["started"] for job in loop.jobs()]
            twice = [
                study.study_instance_uid
                for study in studies
                if loop.orthanc.modalities_of(study.study_instance_uid).get("SR", 0) > 1
            ]
            figures = {
                "studies": len(studies),
                "images": sum(len(study.files) for study in studies),
                "senders": options.senders,
                "workers": options.workers,
                "done": len(loop.jobs("done")),
                "dead": sorted(job["reason_code"] for job in loop.jobs("dead")),
                "results_twice": len(twice),
                "pushed_s": round(pushed_s, 1),
                "all_in_pacs_s": round(all_s, 1),
                "studies_per_hour": round(3600 * len(studies) / all_s),
                "processing_and_sending_s": [round(f, 1) for f in _spread(processing)],
                "from_queue_to_pacs_s": [round(f, 1) for f in _spread(durations)],
                "trigger_peak_mib": round(watch.trigger_mib),
                "jobs_peak_mib": round(watch.jobs_mib),
                "jobs_at_once": watch.jobs,
            }
    print(json.dumps(figures, indent=2))


def _spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


if __name__ == "__main__":
    main()
