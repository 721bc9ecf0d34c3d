"""What the tests of the trigger share: a clock of their own, a store, a spool and a queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from trigger_parts import Clock

from deploy.trigger.queue import Queue
from deploy.trigger.settings import Reception, Retry
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store


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
