"""What tests of the trigger make their cases of: a clock of their own, instances, a transfer, a record."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.trigger.reception import ReceivedInstance
from deploy.trigger.records import FoundRecord
from deploy.trigger.spool import Spool

MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Clock:
    """Time that passes when a test says so."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


def instance(number: int = 1, study: str = "1.2.3", **changed: object) -> ReceivedInstance:
    values: dict[str, object] = {
        "study_instance_uid": study,
        "series_instance_uid": f"{study}.1",
        "sop_instance_uid": f"{study}.1.{number}",
        "sop_class_uid": MR,
        "patient_id": "SIMULATED-1",
        "accession_number": "A1",
        "study_date": "20200101",
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
