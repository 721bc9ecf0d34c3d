"""Received studies: nothing lost, nothing taken for complete that is not, and our own results change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from trigger_parts import Clock, instance, send

from deploy.trigger.reception import IntakeRefused
from deploy.trigger.settings import Reception
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store

SR = "1.2.840.10008.5.1.4.1.1.88.34"
SC = "1.2.840.10008.5.1.4.1.1.7"
PRESENTATION = "1.2.840.10008.5.1.4.1.1.11.1"


def _quiet(spool: Spool) -> list[str]:
    return [study.identity.study_instance_uid for study in spool.quiet(0)]


def test_a_study_is_complete_when_nothing_has_come_for_a_while(spool: Spool, clock: Clock) -> None:
    send(spool, instance(1))
    clock.wait(29)
    assert _quiet(spool) == []
    clock.wait(1)
    assert _quiet(spool) == ["1.2.3"]


def test_a_study_is_not_complete_while_a_sender_is_still_connected(spool: Spool, clock: Clock) -> None:
    spool.accept("open", instance(1))
    clock.wait(10_000)
    assert _quiet(spool) == []
    spool.end("open", released=True)
    assert _quiet(spool) == ["1.2.3"]


def test_a_broken_transfer_is_waited_for_until_a_later_one_ends_well(spool: Spool, clock: Clock) -> None:
    send(spool, instance(1), released=False)
    clock.wait(300)
    assert _quiet(spool) == []
    send(spool, instance(1), instance(2), association="b")
    clock.wait(30)
    assert _quiet(spool) == ["1.2.3"]


def test_a_transfer_that_ran_beside_the_broken_one_does_not_make_up_for_it(spool: Spool, clock: Clock) -> None:
    spool.accept("beside", instance(1))
    clock.wait(1)
    send(spool, instance(2), association="broken", released=False)
    spool.end("beside", released=True)
    clock.wait(599)
    assert _quiet(spool) == []
    clock.wait(1)
    assert _quiet(spool) == ["1.2.3"]


def test_a_trigger_killed_in_the_middle_of_a_transfer_knows_that_it_broke_off(
    spool: Spool, store: Store, tmp_path: Path, clock: Clock
) -> None:
    spool.accept("open", instance(1))
    (tmp_path / "spool" / "1.2.3" / ".partial-half").write_bytes(b"half")
    again = Spool(store, tmp_path, Reception(quiet_s=30, interrupted_wait_s=600), clock)
    again.recover()
    clock.wait(599)
    assert _quiet(again) == []
    assert [path.name for path in (tmp_path / "spool" / "1.2.3").iterdir()] == ["1.2.3.1.1.dcm"]


def test_what_is_sent_twice_counts_once_and_what_changed_counts_anew(spool: Spool) -> None:
    send(spool, instance(1))
    digest = spool.images_digest("1.2.3")
    send(spool, instance(1))
    assert spool.images_digest("1.2.3") == digest
    send(spool, instance(1, content=b"other pixels"))
    assert spool.images_digest("1.2.3") != digest
    assert spool.series_counts("1.2.3") == {"1.2.3.1": 1}


def test_our_results_and_other_peoples_reports_make_no_study_new(spool: Spool, tmp_path: Path, clock: Clock) -> None:
    send(spool, instance(1), instance(2, is_own=True, sop_class_uid=SC), instance(3, is_own=True, sop_class_uid=SR))
    digest = spool.images_digest("1.2.3")
    send(spool, instance(4, sop_class_uid=PRESENTATION))
    assert spool.images_digest("1.2.3") == digest
    kept = sorted(path.stem for path in (tmp_path / "spool" / "1.2.3").iterdir())
    assert kept == ["1.2.3.1.1", "1.2.3.1.3", "1.2.3.1.4"]
    send(spool, instance(1, study="9.9", is_own=True, sop_class_uid=SR), association="b")
    clock.wait(100)
    assert _quiet(spool) == ["1.2.3"]


def test_a_job_keeps_the_images_that_it_was_given(spool: Spool, tmp_path: Path) -> None:
    send(spool, instance(1))
    (tmp_path / "in").mkdir()
    spool.link_into(tmp_path / "in", "1.2.3")
    send(spool, instance(1, content=b"other pixels"), instance(2))
    (linked,) = (tmp_path / "in").iterdir()
    assert linked.read_bytes() == b"pixels of 1"


def test_a_full_disk_and_an_endless_study_are_refused_before_anything_is_written(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    full = Spool(store, tmp_path, Reception(min_free_mib=2**40), clock)
    with pytest.raises(IntakeRefused) as refusal:
        full.accept("a", instance(1))
    assert refusal.value.status == 0xA700
    short = Spool(store, tmp_path, Reception(max_instances=2, min_free_mib=1), clock)
    send(short, instance(1), instance(2))
    with pytest.raises(IntakeRefused):
        short.accept("a", instance(3))
    assert len(list((tmp_path / "spool").rglob("*.dcm"))) == 2


def test_what_was_refused_is_missing_however_well_the_transfer_ends(store: Store, tmp_path: Path, clock: Clock) -> None:
    spool = Spool(
        store, tmp_path, Reception(quiet_s=30, interrupted_wait_s=600, max_instances=1, min_free_mib=1), clock
    )
    spool.accept("a", instance(1))
    with pytest.raises(IntakeRefused):
        spool.accept("a", instance(2))
    spool.end("a", released=True)
    clock.wait(599)
    assert _quiet(spool) == []


def test_a_transfer_whose_end_was_not_heard_holds_nothing_up_for_ever(
    store: Store, spool: Spool, tmp_path: Path, clock: Clock
) -> None:
    spool.accept("a", instance(1))
    again = Spool(store, tmp_path, Reception(quiet_s=30, interrupted_wait_s=600), clock)
    assert _quiet(again) == []
    clock.wait(600)
    assert _quiet(again) == ["1.2.3"]
