"""What the tests of the trigger share: a clock of their own, a store, a spool and a queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.trigger.queue import Queue
from deploy.trigger.reception import ReceivedInstance
from deploy.trigger.records import FoundRecord
from deploy.trigger.settings import Reception, Retry
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store

MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Clock:
    """Time that passes when a test says so."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def spool(store: Store, tmp_path: Path, clock: Clock) -> Spool:
    return Spool(store, tmp_path, Reception(quiet_s=30, interrupted_wait_s=600, min_free_mib=1), clock)


@pytest.fixture
def queue(store: Store, clock: Clock) -> Queue:
    return Queue(store, Retry(runs=3, deliveries=3, interruptions=3, first_s=10, longest_s=15), clock)


def instance(number: int = 1, study: str = "1.2.3", **changed: object) -> ReceivedInstance:
    values: dict[str, object] = {
        "study_instance_uid": study,
        "series_instance_uid": f"{study}.1",
        "sop_instance_uid": f"{study}.1.{number}",
        "sop_class_uid": MR,
        "patient_id": "SIMULATED-1",
        "accession_number": "A1",
        "is_own": False,
        "content": f"pixels of {number}".encode(),
    }
    return ReceivedInstance(**(values | changed))  # type: ignore[arg-type]


def send(spool: Spool, *instances: ReceivedInstance, association: str = "a", released: bool = True) -> None:
    spool.begin(association)
    for each in instances:
        spool.accept(association, each)
    spool.end(association, released=released)


def record(digest: str = "none") -> FoundRecord:
    return FoundRecord(content='{"records": []}', digest=digest, source="none")
