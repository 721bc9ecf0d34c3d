"""One job, called as often as workers are lost: published once, and again only when there is a reason."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app.batch.job import Job, run_job
from app.batch.journal import read_finished
from app.batch.place import Place, hold
from app.batch.process import environment
from app.batch.sources import FolderSource

from .batch_jobs import job_without_study
from .conftest import MODELS


def _place(job: Job) -> Place:
    return Place(job.common.out)


@pytest.fixture
def done(tmp_path: Path) -> Job:
    job = job_without_study(tmp_path)
    assert run_job(job).ran
    return job


def test_a_published_job_is_not_run_again(done: Job) -> None:
    again = run_job(replace(done, common=replace(done.common, run="second")))
    assert (again.ran, again.statuses, again.reason) == (False, ("not_evaluable",), None)


def test_what_is_published_has_the_form_of_the_application_s_output(done: Job) -> None:
    folder = _place(done).finished(done.name)
    assert json.loads((folder / "result.json").read_text())["reason"]["code"] == "no_study"
    assert not list(_place(done).studies.glob(".*"))
    assert not _place(done).log(done.name).exists()


def test_a_job_whose_input_changed_is_run_again(done: Job) -> None:
    (done.source.path / "more.txt").touch()
    assert run_job(done).ran


def test_a_job_whose_records_changed_is_run_again(done: Job) -> None:
    assert run_job(replace(done, common=replace(done.common, records_sha256="other"))).ran


def test_a_job_whose_result_was_cut_short_is_run_again(done: Job) -> None:
    (_place(done).finished(done.name) / "result.json").write_text('{"schema')
    assert run_job(done).ran


def test_a_job_that_was_killed_while_it_replaced_its_result_keeps_the_earlier_one(done: Job) -> None:
    place = _place(done)
    place.staged(done.name).mkdir()
    place.finished(done.name).rename(place.replaced(done.name))
    assert not run_job(done).ran
    assert [path.name for path in place.studies.iterdir()] == [done.name]


def test_only_what_failed_in_an_earlier_run_is_retried(done: Job) -> None:
    index = _place(done).finished(done.name) / "result.json"
    entry = {"study_instance_uid": "1.2", "status": "failed", "reason": None, "path": "1.2"}
    index.write_text(json.dumps({"studies": [entry]}))
    (index.parent / "1.2").mkdir()
    model = {"name": "pcr", "version": "1", "sha256": "0", "provider": "CPUExecutionProvider"}
    result = {"notice": "", "status": "failed", "study_instance_uid": "1.2", "model": model}
    (index.parent / "1.2" / "result.json").write_text(json.dumps(result))
    assert run_job(done).statuses == ("failed",)
    retry = replace(done.common, retry_failed=True)
    assert not run_job(replace(done, common=retry)).ran
    assert run_job(replace(done, common=replace(retry, run="second"))).ran


def test_an_input_that_is_not_there_publishes_nothing_and_says_why(tmp_path: Path) -> None:
    job = replace(job_without_study(tmp_path), source=FolderSource(tmp_path / "JANE DOE"))
    outcome = run_job(job)
    assert outcome.statuses == ("failed",) and outcome.reason is not None
    assert "No such file" in outcome.reason[1] and "DOE" not in outcome.reason[1]
    assert read_finished(_place(job), job.name) is None


def test_a_refusal_of_the_configuration_is_a_failure_of_this_job_with_its_log(tmp_path: Path) -> None:
    job = job_without_study(tmp_path, models=tmp_path / "absent")
    outcome = run_job(job)
    assert outcome.reason is not None and outcome.reason[0] == "bad_configuration"
    assert "model folder" in (_place(job).log(job.name) / "console.txt").read_text()


def test_a_job_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    outcome = run_job(job_without_study(tmp_path, timeout_s=0.2))
    assert outcome.reason is not None and "longer than 0.2 s" in outcome.reason[1]


def test_two_processes_never_work_at_one_job(tmp_path: Path) -> None:
    job = job_without_study(tmp_path, timeout_s=0.2)
    with hold(_place(job).lock(job.name), 0):
        outcome = run_job(job)
    assert outcome.reason is not None and "another process" in outcome.reason[1]
    assert not _place(job).log(job.name).exists()


def test_a_worker_with_another_version_does_nothing(tmp_path: Path) -> None:
    job = job_without_study(tmp_path, software_version="0.0.0")
    outcome = run_job(job)
    assert outcome.reason is not None and "version" in outcome.reason[1]
    assert not _place(job).lock(job.name).exists()


def test_a_process_that_a_signal_ended_is_tried_a_second_time(tmp_path: Path) -> None:
    deadly = tmp_path / "bin"
    deadly.mkdir()
    (deadly / "setpriv").write_text(f"#!/bin/sh\necho x >> {tmp_path}/tries\nkill -KILL $$\n")
    (deadly / "setpriv").chmod(0o755)
    # A mock: no input is known that kills the application.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{deadly}:{os.environ['PATH']}")
        outcome = run_job(job_without_study(tmp_path))
    assert outcome.reason is not None and "SIGKILL" in outcome.reason[1]
    assert (tmp_path / "tries").read_text() == "x\n" * 2


def test_a_full_study_is_published_with_its_objects(phantom_study: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(phantom_study, tmp_path / "study"))
    job = replace(job_without_study(tmp_path), source=FolderSource(source))
    assert run_job(job).statuses == ("completed",)
    finished = read_finished(_place(job), job.name)
    assert finished is not None
    assert all(
        (finished.folder / finished.results[0].study_instance_uid / name).is_file()
        for name in finished.results[0].outputs
    )


def test_the_environment_of_a_worker_changes_no_setting() -> None:
    inherited = {"PATH": "/bin", "BREAST_PCR_DEVICE": "cuda", "HOLOSCAN_INPUT_PATH": "/x", "ORTHANC_CREDENTIALS": "a:b"}
    seen = environment(inherited, MODELS / "app.yaml", Path("/log"))
    assert seen["HOLOSCAN_CONFIG_PATH"] == str(MODELS / "app.yaml")
    assert {name for name in seen if name in inherited} == {"PATH"}
