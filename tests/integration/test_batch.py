"""Many studies over workers that die: everything is there in the end, and nothing was done twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from app.batch.sources import FolderSource, job_name
from phantom import Identity, simulate, write_study
from tests.integration.orthanc import HTTP_PORT, running_orthanc
from tests.integration.small_spec import small_spec

ROOT = Path(__file__).resolve().parents[2]

_LOOK_EVERY_S = 0.05
_BATCH = (sys.executable, "-m", "app.batch")

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients with a study each, and a folder that holds none."""
    archive = tmp_path_factory.mktemp("archive")
    for seed in (1, 2, 3):
        identity = Identity(patient_id=f"SIM-{seed}", study_date=f"202{seed}0101")
        written = write_study(simulate(small_spec(seed)), out=archive / str(seed), identity=identity, distractors=False)
        written.truth.unlink()
    (archive / "none").mkdir()
    (archive / "none" / "readme.txt").write_text("no image")
    return archive


def _command(out: Path, *options: str | Path, workers: int = 2) -> list[str | Path]:
    return [*_BATCH, *options, "-o", out, "--workers", str(workers)]


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _is_fork(process: psutil.Process, command: list[str]) -> bool:
    """Whether it is the application's own child, which has its command line until it becomes another program."""
    try:
        parent = process.parent()
    except psutil.NoSuchProcess:
        return True
    return parent is not None and _command_line(parent) == command


def _heed_ctrl_c() -> None:
    """A shell lets what it starts in the background ignore SIGINT, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watched:
    """A batch that runs, and every process of the application that it started, by the folder that it writes to."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_heed_ctrl_c
        )
        self.runs: dict[str, set[int]] = {}

    def look(self) -> list[psutil.Process]:
        """The processes of the application at this moment; never two for one study."""
        found: dict[str, psutil.Process] = {}
        for process in _descendants(self.process.pid):
            command = _command_line(process)
            if command[1:3] != ["-m", "app"] or _is_fork(process, command):
                continue
            out = command[command.index("-o") + 1]
            assert out not in found, "two processes work at one study"
            found[out] = process
            self.runs.setdefault(out, set()).add(process.pid)
        return list(found.values())

    def until_one_works(self) -> psutil.Process:
        """Wait for the first process of the application."""
        while self.process.poll() is None:
            if found := self.look():
                return found[0]
            sleep(_LOOK_EVERY_S)
        raise AssertionError("the batch ended before it began")

    def to_the_end(self) -> str:
        """Wait for the end; what was printed."""
        while self.process.poll() is None:
            self.look()
            sleep(_LOOK_EVERY_S)
        assert self.process.stdout is not None
        return self.process.stdout.read()


def _descendants(pid: int) -> Iterator[psutil.Process]:
    try:
        yield from psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _wait_for_the_end_of(processes: Sequence[psutil.Process]) -> None:
    """Without any help: whoever outlives the ten seconds would go on."""
    latest = monotonic() + 10
    while alive := [process for process in processes if _is_alive(process)]:
        assert monotonic() < latest, f"{len(alive)} processes live on"
        sleep(_LOOK_EVERY_S)


def _is_alive(process: psutil.Process) -> bool:
    # One that its new parent has not asked after is a zombie, and dead.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_with_a_worker_killed_in_the_middle_all_results_are_there_and_none_twice(archive: Path, tmp_path: Path) -> None:
    watched = Watched(_command(tmp_path, "--below", archive))
    worker = watched.until_one_works().parent()
    assert worker is not None and worker.pid != watched.process.pid
    orphans = [process for process in worker.children() if _command_line(process)[1:3] == ["-m", "app"]]
    worker.kill()
    _wait_for_the_end_of(orphans)
    printed = watched.to_the_end()
    assert watched.process.returncode == 3, printed
    # Killed, its study was begun a second time; every other one has been begun once.
    assert sorted(len(pids) for pids in watched.runs.values()) == [1, 1, 1, 2]
    rows = _rows(tmp_path)
    assert sorted(row["status"] for row in rows) == ["completed"] * 3 + ["not_evaluable"]
    assert len({row["study_instance_uid"] for row in rows}) == 4
    assert {row["inputs"] for row in rows} == {"1"}
    assert len(list(tmp_path.glob("studies/*/*/SR/*.dcm"))) == 3
    assert not list(tmp_path.glob("studies/.*"))
    direct = tmp_path / "direct"
    subprocess.run([sys.executable, "-m", "app", "-i", archive / "1", "-o", direct], cwd=ROOT, check=True)
    (alone,) = direct.glob("*/result.json")
    (spread,) = tmp_path.glob(f"studies/*/{alone.parent.name}/result.json")
    assert _facts(spread) == _facts(alone)


def _facts(result: Path) -> dict[str, object]:
    return {name: value for name, value in json.loads(result.read_text()).items() if name != "timings_s"}


def test_a_batch_that_was_killed_goes_on_where_it_ended(archive: Path, tmp_path: Path) -> None:
    studies = [archive / name / "study" for name in "12"]
    watched = Watched(_command(tmp_path, *studies, workers=1))
    while not (done := list(tmp_path.glob("studies/[!.]*"))):
        watched.until_one_works()
        sleep(_LOOK_EVERY_S)
    second = watched.until_one_works()
    inode = done[0].stat().st_ino
    os.kill(watched.process.pid, signal.SIGKILL)
    _wait_for_the_end_of([second])
    resumed = Watched(_command(tmp_path, *studies, workers=1))
    printed = resumed.to_the_end()
    assert resumed.process.returncode == 0, printed
    assert "done before 1 inputs" in printed
    assert len(resumed.runs) == 1
    assert done[0].stat().st_ino == inode
    now = {path.name for path in tmp_path.glob("studies/*")}
    assert now == {job_name(FolderSource(study.resolve())) for study in studies}
    assert [row["status"] for row in _rows(tmp_path)] == ["completed"] * 2


def test_ctrl_c_ends_everything_that_runs(archive: Path, tmp_path: Path) -> None:
    watched = Watched(_command(tmp_path, archive / "1" / "study"))
    watched.until_one_works()
    family = list(_descendants(watched.process.pid))
    watched.process.send_signal(signal.SIGINT)
    printed = watched.to_the_end()
    assert watched.process.returncode == 130 and "goes on where this one ended" in printed
    _wait_for_the_end_of(family)


def test_a_running_scheduler_spreads_a_batch(archive: Path, tmp_path: Path) -> None:
    address = tmp_path / "scheduler.json"
    started = [_dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", address)]
    try:
        while not address.exists():
            sleep(0.05)
        started.append(_dask("worker", "--scheduler-file", address, "--nthreads", "1", "--no-nanny"))
        found = json.loads(address.read_text())["address"]
        options = [archive / "none", archive / "1" / "study", "-o", tmp_path / "out", "--scheduler", found]
        done = subprocess.run([*_BATCH, *options], cwd=ROOT, capture_output=True, text=True)
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert done.returncode == 3, done.stderr
    assert sorted(row["status"] for row in _rows(tmp_path / "out")) == ["completed", "not_evaluable"]


def _dask(kind: str, *options: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_studies_are_taken_from_an_orthanc_by_a_query(archive: Path, tmp_path: Path) -> None:
    with running_orthanc(tmp_path / "orthanc") as pacs:
        for name in "12":
            pacs.store(archive / name)
        query = ["--query", "StudyDate=20210101-20211231", "--query", "ModalitiesInStudy=MR"]
        server = ["--orthanc", f"http://127.0.0.1:{HTTP_PORT}"]
        done = pacs.namespace.run(_command(tmp_path / "out", *server, *query, workers=1), cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = _rows(tmp_path / "out")
    assert row["status"] == "completed"
    assert not list((tmp_path / "out" / ".batch" / "fetched").iterdir())
