"""A real PACS and the trigger: results appear in the pushed study; whatever is killed, nothing is lost or twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from tests.integration.containers import built_image, podman_environment
from tests.integration.pacs_loop import METRICS_PORT, Loop, running_loop, small_study
from tests.integration.sniffer import listening_to

pytestmark = pytest.mark.integration

REAL_STUDY = Path(__file__).resolve().parents[3] / "shared" / "data" / "study"
VARIABLES = {"hr": True, "her2": False}


def _identity(folder: Path) -> tuple[str, str]:
    """StudyInstanceUID and PatientID of the first study in a folder."""
    header = pydicom.dcmread(next(path for path in sorted(folder.rglob("*.dcm"))), stop_before_pixels=True)
    return str(header.StudyInstanceUID), str(header.PatientID)


def test_a_pushed_study_gets_its_results_and_an_unsuitable_one_its_reason_with_the_image_as_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = built_image()
    for name, value in podman_environment().items():
        monkeypatch.setenv(name, value)
    source = REAL_STUDY if REAL_STUDY.is_dir() else small_study(tmp_path / "suitable", seed=11).folder
    uid, patient = _identity(source)
    unsuitable = small_study(tmp_path / "unsuitable", seed=12, layout="other-frame-pre")
    with running_loop(tmp_path, {"kind": "podman", "image": image}) as loop:
        (loop.records / "records.json").write_text(json.dumps({patient: VARIABLES}))
        loop.until(lambda: loop.events("started"), 60)
        loop.orthanc.store(source)
        loop.orthanc.store(unsuitable.folder)
        loop.until(lambda: loop.jobs("done") and loop.jobs("dead"), 180)
        assert loop.orthanc.modalities_of(uid).keys() >= {"SR", "SEG", "OT"}
        (report,) = loop.reports(uid, tmp_path / "reports")
        assert {"hr", "her2"} <= set(report.clinical.used)
        assert loop.orthanc.modalities_of(unsuitable.study_instance_uid).keys() == {"MR"}
        dead = loop.command("dead")
        assert "mixed_geometry" in dead and unsuitable.study_instance_uid in dead and uid not in dead


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    with running_loop(tmp_path_factory.mktemp("loop"), {"kind": "process"}) as loop:
        yield loop


def test_killed_ten_times_nothing_is_lost_and_nothing_is_there_twice(loop: Loop, tmp_path: Path) -> None:
    studies = [small_study(tmp_path / f"study{seed}", seed=seed) for seed in (1, 2, 3)]
    kills = 0

    def kill_trigger_when(state: str) -> None:
        nonlocal kills
        loop.until(lambda: loop.jobs(state), 90)
        loop.kill()
        kills += 1
        loop.start()

    loop.orthanc.store(studies[0].folder)  # the trigger dies while images are coming in
    spool = loop.state / "spool" / studies[0].study_instance_uid
    loop.until(lambda: len(list(spool.glob("*.dcm"))) > 10, 60)
    loop.kill()
    loop.orthanc.store(studies[1].folder)  # these can not be routed: nobody listens
    loop.orthanc.store(studies[2].folder)
    kills += 1
    loop.start()
    for _ in range(3):
        kill_trigger_when("running")
    for _ in range(2):
        loop.until(lambda: loop.jobs("running") and _kill_applications(loop), 90)
        kills += 1
    kill_trigger_when("queued")
    for _ in range(2):
        kill_trigger_when("sending")
    loop.until(lambda: loop.jobs("running"), 90)
    loop.orthanc.kill()
    kills += 1
    loop.orthanc.start()
    assert kills == 10

    loop.until(lambda: len(loop.jobs("done")) == len(studies) == len(loop.jobs()), 240)
    for study in studies:
        found = loop.orthanc.modalities_of(study.study_instance_uid)
        assert found["MR"] == len(study.files)
        reports = loop.reports(study.study_instance_uid, tmp_path / "reports")
        assert [report.predecessors for report in reports] == [()] and found["SEG"] == 1


def test_a_record_that_comes_late_makes_a_result_that_names_the_one_before(loop: Loop, tmp_path: Path) -> None:
    study = small_study(tmp_path / "study", seed=4)
    _, patient = _identity(study.folder)
    uid = study.study_instance_uid
    loop.until(lambda: not loop.jobs("running"), 60)
    loop.orthanc.store(study.folder)
    loop.until(lambda: [job for job in loop.jobs("done") if job["study_uid"] == uid], 90)
    (first,) = loop.reports(uid, tmp_path / "first")
    assert not {"hr", "her2"} & set(first.clinical.used)
    assert any("no clinical record arrived" in warning for warning in first.warnings)
    (loop.records / "late.csv").write_text(f"patient_id,hr,her2\n{patient},yes,no\n")
    loop.until(lambda: len([job for job in loop.jobs("done") if job["study_uid"] == uid]) == 2, 90)
    reports = {report.sop_instance_uid: report for report in loop.reports(uid, tmp_path / "both")}
    (second,) = reports.keys() - {first.sop_instance_uid}
    assert set(reports[second].clinical.used) >= {"hr", "her2"}
    assert [str(named) for named in reports[second].predecessors] == [first.sop_instance_uid]


def test_the_trigger_says_how_it_fares_without_naming_anybody(loop: Loop) -> None:
    with loop.orthanc.namespace.entered():
        from urllib.request import urlopen

        metrics = urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=10).read().decode()
    assert 'breast_pcr_jobs_ended_total{outcome="done"' in metrics
    assert "PHANTOM-" not in metrics + loop.log()
    assert all(line.startswith("{") for line in loop.log().splitlines())
    assert "done" in loop.command("status")


def test_no_connection_is_opened_that_the_settings_do_not_name(tmp_path: Path) -> None:
    study = small_study(tmp_path / "study", seed=5)
    with running_loop(tmp_path, {"kind": "process"}) as loop:
        loop.stop()
        with listening_to(loop.orthanc.namespace) as traffic:
            loop.orthanc.store(study.folder)
            loop.start()
            loop.until(lambda: loop.jobs("done"), 120)
            loop.stop()
    # storescu and the trigger to the PACS, the PACS to the trigger; nothing takes the way out of the machine.
    assert traffic.opened == {("127.0.0.1", 4242), ("127.0.0.1", 11112)}
    assert traffic.outside == []


def _kill_applications(loop: Loop) -> int:
    """Kill the processes of the job that is running, not the trigger; how many."""
    killed = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                marked = b"PCR_TRIGGER_ATTEMPT=breast-pcr-" in (entry / "environ").read_bytes()
            except OSError:
                continue
            if marked:
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    return killed
