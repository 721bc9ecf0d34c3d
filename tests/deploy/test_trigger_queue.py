"""The queue: once for each images, record and model; killed at any moment, nothing is lost and nothing done twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trigger_parts import Clock, instance, record, send

from deploy.trigger.queue import Queue
from deploy.trigger.settings import Reception, Retry
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store, state_folder
from pcr.reasons import BadConfiguration


@pytest.fixture(autouse=True)
def _studies(spool: Spool) -> None:
    send(spool, instance(1, study="1.1"), instance(1, study="1.2"))


def test_a_study_is_processed_once_for_its_images_record_and_model(queue: Queue) -> None:
    assert queue.add("1.1", "images", record(), "model 1") is not None
    job = queue.claim()
    assert job is not None
    queue.processed(job)
    queue.sent(job)
    assert queue.add("1.1", "images", record(), "model 1") is None
    assert queue.add("1.1", "more images", record(), "model 1") is not None
    assert queue.add("1.1", "images", record("a record"), "model 1") is not None
    assert queue.add("1.1", "images", record(), "model 2") is not None


def test_what_overtakes_a_waiting_job_takes_its_place(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "m")
    queue.add("1.1", "images", record("late"), "m")
    job = queue.claim()
    assert job is not None and job.record_digest == "late"
    assert queue.claim() is None


def test_two_jobs_of_one_study_never_run_at_once(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "m")
    first = queue.claim()
    queue.add("1.1", "images", record("late"), "m")
    assert first is not None and queue.claim() is None
    queue.processed(first)
    assert queue.claim() is None
    queue.sent(first)
    assert queue.claim() is not None


def test_failures_are_tried_again_after_growing_pauses_and_end_in_the_dead_letter_list(
    queue: Queue, clock: Clock
) -> None:
    queue.add("1.1", "images", record(), "m")
    for pause in (10, 15):
        job = queue.claim()
        assert job is not None and queue.failed(job, "timeout", "too long") == "queued"
        clock.wait(pause - 1)
        assert queue.claim() is None
        clock.wait(1)
    job = queue.claim()
    assert job is not None and queue.failed(job, "timeout", "too long") == "dead"
    (dead,) = queue.in_state("dead")
    assert (dead.reason_code, dead.reason, dead.runs) == ("timeout", "too long", 3)


def test_sending_the_study_again_revives_what_failed_but_not_what_was_refused(queue: Queue) -> None:
    for study, code in (("1.1", "timeout"), ("1.2", "no_dce_series")):
        queue.add(study, "images", record(), "m")
        job = queue.claim()
        assert job is not None
        queue.dead(job, code, "a sentence")
    assert queue.add("1.1", "images", record(), "m") is not None
    assert queue.add("1.2", "images", record(), "m") is None


def test_results_that_could_not_be_delivered_are_sent_again_and_not_made_again(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "m")
    job = queue.claim()
    assert job is not None
    queue.processed(job)
    sending = queue.to_send()
    assert sending is not None
    queue.note_delivered(sending, ["1.1/SR/a.dcm"])
    queue.dead(sending, "not_delivered", "the PACS is away")
    queue.retry(queue.job(job.id))
    sending = queue.to_send()
    assert sending is not None and queue.delivered(sending) == {"1.1/SR/a.dcm"} and queue.claim() is None


def test_the_page_of_a_refusal_is_sent_and_the_study_is_still_a_dead_letter(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "m")
    job = queue.claim()
    assert job is not None
    queue.processed(job, "no_dce_series", "nothing dynamic")
    sending = queue.to_send()
    assert sending is not None
    queue.sent(sending)
    assert queue.job(job.id).state == "dead" and queue.job(job.id).reason == "nothing dynamic"


def test_a_study_that_kills_the_trigger_again_and_again_lets_others_go_first_and_is_given_up(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "m")
    queue.add("1.2", "images", record(), "m")
    deadly = queue.claim()
    assert deadly is not None and deadly.study_uid == "1.1"
    queue.recover()
    other = queue.claim()
    assert other is not None and other.study_uid == "1.2"
    queue.processed(other)
    for _ in range(2):
        assert queue.claim() is not None
        queue.recover()
    assert queue.job(deadly.id).state == "dead"


def test_a_new_model_takes_over_what_has_not_begun(queue: Queue) -> None:
    queue.add("1.1", "images", record(), "old")
    queue.remodel("new")
    job = queue.claim()
    assert job is not None and job.model == "new"


def test_a_state_folder_has_one_trigger_and_one_version(tmp_path: Path) -> None:
    with state_folder(tmp_path / "state") as folder:
        with pytest.raises(BadConfiguration, match="another trigger"), state_folder(folder):
            pass
        store = Store(folder)
        with store.transaction() as connection:
            connection.execute("PRAGMA user_version=99")
        store.close()
        with pytest.raises(BadConfiguration, match="version 99"):
            Store(folder)


def test_a_refusal_whose_page_can_not_be_sent_stays_a_refusal(queue: Queue, clock: Clock) -> None:
    queue.add("1.1", "images", record(), "m")
    job = queue.claim()
    assert job is not None
    queue.processed(job, "no_dce_series", "nothing dynamic")
    while (sending := queue.to_send()) is not None:
        queue.failed(sending, "not_delivered", "the PACS is away")
        clock.wait(15)
    assert queue.job(job.id).state == "dead" and queue.job(job.id).reason_code == "no_dce_series"


def test_a_job_whose_results_are_gone_is_processed_again(queue: Queue, clock: Clock) -> None:
    queue.add("1.1", "images", record(), "m")
    job = queue.claim()
    assert job is not None
    queue.processed(job)
    queue.note_delivered(job, ["a"])
    sending = queue.to_send()
    assert sending is not None and queue.lost(sending) == "queued"
    queue.add("1.1", "images", record("late"), "m")
    assert queue.add("1.1", "images", record(), "m") is not None


class KilledAtAnyMoment(RuleBasedStateMachine):
    """Studies arrive, jobs run, fail, are sent, and the trigger is killed in between, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._clock = Clock()
        self._done: list[tuple[str, str, str]] = []
        self._wanted: set[tuple[str, str, str]] = set()
        self._open()

    def _open(self) -> None:
        self.store = Store(Path(self._folder.name))
        self.spool = Spool(self.store, Path(self._folder.name), Reception(min_free_mib=1), self._clock)
        self.queue = Queue(self.store, Retry(runs=100, deliveries=100, interruptions=100), self._clock)

    @rule(study=st.sampled_from("123"), images=st.sampled_from("xy"), digest=st.sampled_from(["none", "r"]))
    def arrives(self, study: str, images: str, digest: str) -> None:
        send(self.spool, instance(1, study=study))
        added = self.queue.add(study, images, record(digest), "m")
        # What has not begun is overtaken by what the study is now.
        self._wanted = {key for key in self._wanted if key[0] != study or key in self._begun()}
        if added:
            self._wanted.add((study, images, digest))

    @rule(ends=st.sampled_from(["processed", "failed", "killed"]))
    def runs(self, ends: str) -> None:
        job = self.queue.claim()
        if job is None:
            return
        if ends == "processed":
            self.queue.processed(job)
        elif ends == "failed":
            self.queue.failed(job, "internal_error", "a sentence")
        else:
            self.kill()

    @rule(arrives=st.booleans())
    def sends(self, arrives: bool) -> None:
        job = self.queue.to_send()
        if job is not None and arrives:
            self.queue.sent(job)
            self._done.append((job.study_uid, job.images, job.record_digest))
        elif job is not None:
            self.queue.failed(job, "not_delivered", "a sentence")

    @rule()
    def kill(self) -> None:
        self.store.close()
        self._open()
        self.queue.recover()

    @rule()
    def time_passes(self) -> None:
        self._clock.wait(4000)

    @invariant()
    def nothing_is_done_twice_and_nothing_wanted_is_lost(self) -> None:
        assert len(self._done) == len(set(self._done))
        rows = self.store.rows("SELECT study_uid, images, record_digest FROM job WHERE state!='superseded'")
        assert self._wanted <= {tuple(row) for row in rows}

    def _begun(self) -> set[tuple[str, str, str]]:
        rows = self.store.rows(
            "SELECT study_uid, images, record_digest FROM job WHERE state IN ('running','sending','done')"
        )
        return {tuple(row) for row in rows}

    def teardown(self) -> None:
        self.store.close()
        self._folder.cleanup()


TestKilledAtAnyMoment = KilledAtAnyMoment.TestCase
TestKilledAtAnyMoment.settings = hypothesis_settings(max_examples=30, stateful_step_count=30, deadline=None)
