"""One attempt at a job: what goes in, what the answer means, and what is kept of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from trigger_parts import Clock, instance, record, send

from deploy.trigger.queue import Job, Queue
from deploy.trigger.runner import Attempt, RunnerTimeout, RunnerUnavailable
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store
from deploy.trigger.work import Completed, Failed, Refused, Workshop

STUDY = "1.2.3"
Answer = Callable[[Attempt], int]


class ScriptedRunner:
    """Stands for the application: what it answers is up to the test. The real one runs in the tests of the service."""

    def __init__(self) -> None:
        self.answer: Answer = lambda attempt: 0
        self.stopped: list[str] = []

    def model(self) -> str:
        return "pcr 1 abc"

    def run(self, attempt: Attempt) -> int:
        return self.answer(attempt)

    def stop(self, name: str) -> None:
        self.stopped.append(name)


def publish(attempt: Attempt, status: str = "completed", reason: dict[str, str] | None = None) -> None:
    report = attempt.output / STUDY / "SR" / "1.9.dcm"
    report.parent.mkdir(parents=True)
    report.write_bytes(b"report")
    entry = {"study_instance_uid": STUDY, "status": status, "reason": reason, "path": STUDY}
    (attempt.output / "result.json").write_text(json.dumps({"studies": [entry]}))


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
def workshop(store: Store, spool: Spool, queue: Queue, runner: ScriptedRunner, tmp_path: Path) -> Workshop:
    return Workshop(store, spool, queue, runner, tmp_path)


@pytest.fixture
def job(spool: Spool, queue: Queue) -> Job:
    send(spool, instance(1), instance(2))
    queue.add(STUDY, spool.images_digest(STUDY), record(), "m")
    job = queue.claim()
    assert job is not None
    return job


def test_the_application_gets_the_images_and_the_record_and_its_results_are_kept(
    workshop: Workshop, runner: ScriptedRunner, job: Job, tmp_path: Path
) -> None:
    def answer(attempt: Attempt) -> int:
        assert sorted(path.name for path in attempt.input.iterdir()) == [
            "1.2.3.1.1.dcm",
            "1.2.3.1.2.dcm",
            "clinical.json",
        ]
        publish(attempt)
        return 0

    runner.answer = answer
    assert workshop.process(job) == Completed()
    assert [path.name for path in workshop.results(job)] == ["1.9.dcm"]
    assert not list((tmp_path / "work").iterdir())


def test_a_study_that_changed_since_it_was_queued_is_not_run(workshop: Workshop, spool: Spool, job: Job) -> None:
    send(spool, instance(3))
    assert workshop.process(job) is None


def test_a_later_job_gets_the_earlier_report(
    workshop: Workshop, runner: ScriptedRunner, queue: Queue, spool: Spool, job: Job
) -> None:
    runner.answer = lambda attempt: publish(attempt) or 0  # type: ignore[func-returns-value]
    workshop.process(job)
    queue.processed(job)
    queue.sent(job)
    queue.add(STUDY, spool.images_digest(STUDY), record("late"), "m")
    later = queue.claim()
    seen: list[str] = []
    runner.answer = lambda attempt: seen.extend(path.name for path in attempt.input.iterdir()) or 3  # type: ignore[func-returns-value]
    assert later is not None
    workshop.process(later)
    assert "1.9.dcm" in seen


@pytest.mark.parametrize(
    ("written", "status", "expected"),
    [
        (
            {"studies": [{"study_instance_uid": STUDY, "status": "not_evaluable",
                          "reason": {"code": "no_lesion_found", "message": "none"}}]},
            3, Refused("no_lesion_found", "none"),
        ),
        ({"studies": [], "reason": {"code": "no_study", "message": "empty"}}, 3, Refused("no_study", "empty")),
        (
            {"studies": [{"study_instance_uid": STUDY, "status": "failed",
                          "reason": {"code": "internal_error", "message": "broke"}}]},
            1, Failed("internal_error", "broke"),
        ),
        (None, 137, Failed("internal_error", "the application ended with status 137 and left no result")),
        (None, 2, Failed("bad_configuration", "the application refuses its settings or its model; see its log")),
    ],
    ids=["refused", "no study", "failed", "killed", "misconfigured"],
)  # fmt: skip
def test_what_the_application_answers_decides_whether_it_is_tried_again(
    written: object, status: int, expected: object, workshop: Workshop, runner: ScriptedRunner, job: Job
) -> None:
    def answer(attempt: Attempt) -> int:
        if written is not None:
            (attempt.output / "result.json").write_text(json.dumps(written))
        return status

    runner.answer = answer
    assert workshop.process(job) == expected


@pytest.mark.parametrize("error", [RunnerTimeout(), RunnerUnavailable("no engine")])
def test_an_attempt_that_could_not_be_made_is_tried_again_and_leaves_nothing(
    error: Exception, workshop: Workshop, runner: ScriptedRunner, job: Job, tmp_path: Path
) -> None:
    def answer(attempt: Attempt) -> int:
        publish(attempt)
        raise error

    runner.answer = answer
    assert isinstance(workshop.process(job), Failed)
    assert not list((tmp_path / "work").iterdir()) and not workshop.results(job)


def test_an_index_that_is_a_link_out_of_the_folder_is_no_result(
    workshop: Workshop, runner: ScriptedRunner, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "planted.json").write_text('{"studies": [{"study_instance_uid": "1.2.3", "status": "completed"}]}')
    runner.answer = lambda attempt: (attempt.output / "result.json").symlink_to(tmp_path / "planted.json") or 0  # type: ignore[func-returns-value]
    assert isinstance(workshop.process(job), Failed)


def test_after_a_kill_the_attempt_that_was_left_is_stopped_and_what_it_wrote_removed(
    workshop: Workshop, runner: ScriptedRunner, queue: Queue, store: Store, job: Job, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "work" / job.attempt_name(store.site) / "out").mkdir(parents=True)
    workshop.recover(queue.in_state("running"))
    queue.recover()
    assert runner.stopped == [f"breast-pcr-{store.site}-1-1"]
    assert not list((tmp_path / "work").iterdir())
    again = queue.claim()
    assert again is not None and again.attempt_name(store.site).endswith("-1-2")


def test_an_output_with_anything_but_files_in_it_is_not_looked_at(
    workshop: Workshop, runner: ScriptedRunner, job: Job, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for the PACS")

    def with_a_link(attempt: Attempt) -> int:
        publish(attempt)
        (attempt.output / STUDY / "SR" / "1.10.dcm").symlink_to(secret)
        return 0

    def with_a_pipe(attempt: Attempt) -> int:
        os.mkfifo(attempt.output / "result.json")
        return 0

    for answer in (with_a_link, with_a_pipe):
        runner.answer = answer
        assert isinstance(workshop.process(job), Failed)
    assert not workshop.results(job)
