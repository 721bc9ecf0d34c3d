"""What becomes a job and when: complete studies, with their record or after a wait, and again when it comes late."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from trigger_parts import MR, Clock, instance, record, send

from deploy.trigger.keeper import Keeper
from deploy.trigger.pacs import PacsUnavailable
from deploy.trigger.queue import Queue
from deploy.trigger.records import FoundRecord, RecordsUnavailable, StudyIdentity
from deploy.trigger.settings import TriggerSettings
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store
from deploy.trigger.work import Workshop


class Records:
    """A source of one record, which a test gives and takes."""

    def __init__(self) -> None:
        self.record: FoundRecord | None = None
        self.down = False
        self.looks = 0

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        if self.down:
            raise RecordsUnavailable("the server does not answer")
        return self.record

    def generation(self) -> str:
        return f"{self.record} {self.down}"

    def problems(self) -> tuple[str, ...]:
        return ()


class ScriptedPacs:
    """A PACS that has what a test says; the real one is asked in tests/integration."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, tuple[str, int | None]]] = {}
        self.fetched: list[tuple[str, str]] = []
        self.down = False

    def series_of(self, study_instance_uid: str) -> dict[str, tuple[str, int | None]]:
        if self.down:
            raise PacsUnavailable("no association")
        return self.series.get(study_instance_uid, {})

    def recent_studies(self, since: date, study_description: str) -> list[tuple[str, int | None]]:
        return [(uid, None) for uid in self.series]

    def fetch(self, study_instance_uid: str, series_instance_uid: str) -> None:
        self.fetched.append((study_instance_uid, series_instance_uid))


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def pacs() -> ScriptedPacs:
    return ScriptedPacs()


def _keeper(
    store: Store, spool: Spool, queue: Queue, tmp_path: Path, clock: Clock, records: Records,
    pacs: ScriptedPacs | None = None, model: str = "m",
) -> Keeper:  # fmt: skip
    given = TriggerSettings.model_validate(
        {
            "state": tmp_path,
            "pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": 104},
            "listener": {"allowed_ae_titles": ["PACS"]},
            "records": {} if pacs else {"drop_folder": {"path": tmp_path}, "wait_minutes": 30},
            "reconcile": {"every_s": 60} if pacs else None,
        }
    )
    workshop = Workshop(store, spool, queue, None, tmp_path)  # type: ignore[arg-type]
    return Keeper(
        given, store, spool, queue, workshop, records=records, pacs=pacs, model=model, now=clock  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def keeper(store: Store, spool: Spool, queue: Queue, tmp_path: Path, clock: Clock, records: Records) -> Keeper:
    return _keeper(store, spool, queue, tmp_path, clock, records)


def _finish(queue: Queue) -> str:
    job = queue.claim()
    assert job is not None
    queue.processed(job)
    queue.sent(job)
    return job.record_digest


def test_a_study_with_its_record_is_queued_as_soon_as_it_is_complete(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.record = record("hers")
    send(spool, instance(1))
    keeper.look()
    assert queue.claim() is None
    clock.wait(30)
    keeper.look()
    assert _finish(queue) == "hers"


def test_without_a_record_it_waits_as_long_as_the_settings_say_and_then_says_so(
    keeper: Keeper, spool: Spool, queue: Queue, clock: Clock
) -> None:
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    clock.wait(30 * 60 - 1)
    keeper.look()
    assert queue.claim() is None
    clock.wait(1)
    keeper.look()
    job = queue.claim()
    assert job is not None and '"waited_minutes": 30' in job.record


def test_a_source_of_records_that_is_down_does_not_hold_a_study_for_ever(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.down = True
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    clock.wait(30 * 60)
    keeper.look()
    assert queue.claim() is not None


def test_a_record_that_comes_late_makes_one_new_job_and_the_same_record_none(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    clock.wait(1800)
    keeper.look()
    assert _finish(queue) == "none"
    records.record = record("late")
    keeper.look()
    keeper.look()
    assert _finish(queue) == "late"
    assert queue.claim() is None


def test_a_study_that_is_sent_again_is_not_processed_again_even_when_its_record_is_gone(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.record = record("hers")
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    _finish(queue)
    records.record = None
    send(spool, instance(1), association="again")
    clock.wait(3600)
    keeper.look()
    assert queue.claim() is None and spool.quiet(0) == []


def test_a_new_model_processes_a_study_that_is_sent_again(
    keeper: Keeper, store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path
) -> None:
    records.record = record("hers")
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    _finish(queue)
    upgraded = _keeper(store, spool, queue, tmp_path, clock, records, model="newer")
    send(spool, instance(1), association="again")
    clock.wait(30)
    upgraded.look()
    job = queue.claim()
    assert job is not None and job.model == "newer"


def test_series_that_the_pacs_has_and_that_did_not_come_are_fetched_first(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs
) -> None:
    keeper = _keeper(store, spool, queue, tmp_path, clock, records, pacs)
    pacs.series = {"1.2.3": {"1.2.3.1": ("MR", 2), "1.2.3.9": ("SR", 1)}}
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    assert queue.claim() is None and set(pacs.fetched) == {("1.2.3", "1.2.3.1")}
    send(spool, instance(2), association="fetched")
    clock.wait(30)
    keeper.look()
    assert queue.claim() is not None


def test_a_study_that_never_came_is_fetched_and_one_that_is_done_is_not(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs
) -> None:
    pacs.series = {"1.2.3": {"1.2.3.1": ("MR", 1)}, "7.7": {"7.7.1": ("MR", 3)}}
    keeper = _keeper(store, spool, queue, tmp_path, clock, records, pacs)
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    assert pacs.fetched == [("7.7", "7.7.1")]


def test_a_pacs_that_does_not_answer_delays_a_study_and_loses_nothing(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs
) -> None:
    keeper = _keeper(store, spool, queue, tmp_path, clock, records, pacs)
    pacs.down = True
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    assert queue.claim() is None
    pacs.down = False
    clock.wait(10)
    keeper.look()
    assert queue.claim() is not None


def test_images_and_results_are_removed_after_the_days_that_the_settings_say_but_never_before_the_study_is_done(
    keeper: Keeper, spool: Spool, queue: Queue, clock: Clock, tmp_path: Path
) -> None:
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    clock.wait(8 * 86400)
    keeper.look()
    assert list((tmp_path / "spool").rglob("*.dcm"))
    _finish(queue)
    keeper.look()
    clock.wait(8 * 86400)
    keeper.look()
    assert not list((tmp_path / "spool").rglob("*.dcm"))


def test_only_images_make_a_study_worth_a_job(keeper: Keeper, spool: Spool, queue: Queue, clock: Clock) -> None:
    send(spool, instance(1, sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22"), instance(2, study="5.5", sop_class_uid=MR))
    clock.wait(30 + 1800)
    keeper.look()
    clock.wait(1800)
    keeper.look()
    assert [job.study_uid for job in queue.in_state("queued")] == ["5.5"]


def test_a_study_that_never_became_a_job_is_not_forgotten_however_long_the_machine_was_off(
    store: Store, spool: Spool, queue: Queue, tmp_path: Path, clock: Clock, records: Records
) -> None:
    send(spool, instance(1))
    clock.wait(30 * 86400)
    keeper = _keeper(store, spool, queue, tmp_path, clock, records)
    for _ in range(3):
        keeper.look()
        clock.wait(3600)
    assert len(queue.of_study("1.2.3")) == 1


def test_a_late_record_makes_no_job_of_a_study_that_is_growing(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    clock.wait(1800)
    keeper.look()
    _finish(queue)
    spool.accept("open", instance(2))
    records.record = record("late")
    keeper.look()
    assert queue.claim() is None
    spool.end("open", released=True)
    clock.wait(30)
    keeper.look()
    job = queue.claim()
    assert job is not None and job.record_digest == "late"


def test_a_study_that_grows_while_another_is_fetched_is_not_taken_for_complete(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    keeper = _keeper(store, spool, queue, tmp_path, clock, records, pacs)
    send(spool, instance(1, study="1.1"), association="x")
    clock.wait(1)
    send(spool, instance(1, study="2.2"), association="y")
    clock.wait(30)
    pacs.series = {"1.1": {"1.1.1": ("MR", 5)}, "2.2": {"2.2.1": ("MR", 1)}}
    monkeypatch.setattr(pacs, "fetch", lambda study, series: spool.accept("open", instance(2, study="2.2")))
    keeper.look()
    assert queue.claim() is None


def test_what_the_pacs_does_not_send_ends_as_incomplete_and_is_not_asked_for_without_end(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs
) -> None:
    keeper = _keeper(store, spool, queue, tmp_path, clock, records, pacs)
    pacs.series = {"1.2.3": {"1.2.3.1": ("MR", 2)}}
    send(spool, instance(1))
    for _ in range(600):
        clock.wait(5)
        keeper.look()
    assert [job.reason_code for job in queue.in_state("dead")] == ["incomplete"]
    assert len(pacs.fetched) == 5 and queue.claim() is None


def test_images_that_come_during_the_wait_for_a_record_are_compared_with_the_pacs_again(
    store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock, tmp_path: Path, pacs: ScriptedPacs
) -> None:
    send(spool, instance(1))
    spool.note_complete("1.2.3")
    send(spool, instance(2), association="b")
    clock.wait(30)
    assert [study.complete_since for study in spool.quiet(0)] == [None]


def test_after_the_images_were_removed_a_part_of_the_study_is_not_taken_for_all_of_it(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.record = record("hers")
    send(spool, *(instance(number) for number in range(1, 6)))
    clock.wait(30)
    keeper.look()
    _finish(queue)
    clock.wait(8 * 86400)
    keeper.look()
    send(spool, instance(6), association="b")
    clock.wait(30)
    keeper.look()
    assert queue.claim() is None and [job.reason_code for job in queue.in_state("dead")] == ["incomplete"]


def test_a_record_that_says_again_what_it_said_before_another_one_makes_a_result_again(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.record = record("right")
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    _finish(queue)
    records.record = record("typo")
    keeper.look()
    records.record = record("right")
    keeper.look()
    assert queue.claim() is None  # the typo was corrected before its job began
    records.record = record("typo")
    keeper.look()
    assert _finish(queue) == "typo"
    records.record = record("right")
    keeper.look()
    keeper.look()
    assert _finish(queue).startswith("right after") and queue.claim() is None


def test_nothing_of_the_patient_is_kept_longer_than_the_images(
    keeper: Keeper, store: Store, spool: Spool, queue: Queue, records: Records, clock: Clock
) -> None:
    records.record = FoundRecord('{"records": [{"patient_id": "SIMULATED-1"}]}', "hers", "drop folder")
    send(spool, instance(1))
    clock.wait(30)
    keeper.look()
    _finish(queue)
    clock.wait(8 * 86400)
    keeper.look()
    kept = [tuple(row) for table in ("study", "job") for row in store.rows(f"SELECT * FROM {table}")]
    assert "SIMULATED-1" not in str(kept) and "A1" not in str(kept)


def test_one_study_that_breaks_the_keeper_does_not_keep_the_others_back(
    keeper: Keeper, spool: Spool, queue: Queue, records: Records, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.record = record("hers")
    find = records.find

    def breaks(study: StudyIdentity) -> FoundRecord | None:
        if study.study_instance_uid == "1.1":
            raise AttributeError
        return find(study)

    monkeypatch.setattr(records, "find", breaks)
    send(spool, instance(1, study="1.1"), association="x")
    send(spool, instance(1, study="2.2"), association="y")
    clock.wait(30)
    keeper.look()
    job = queue.claim()
    assert job is not None and job.study_uid == "2.2"
