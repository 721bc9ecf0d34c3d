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
