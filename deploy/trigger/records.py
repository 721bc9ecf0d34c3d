"""Clinical records for studies that come without one: who asks for them, what is found, and what its meaning is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from pcr.clinical_file import ClinicalEntry

_NO_RECORD = "none"
_KEYS = {"study_instance_uid", "accession_number", "patient_id", "patient_ids"}


class RecordsUnavailable(Exception):
    """A source can not be asked now, and may be later; the message is a sentence without anything of a patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIdentity:
    """What a record can be asked for by; only the StudyInstanceUID may stand in a log.

    Attributes:
        study_date: where it is known, findings of much later days are left aside.
    """

    study_instance_uid: str
    patient_id: str = field(repr=False)
    accession_number: str = field(repr=False)
    study_date: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record for one study.

    Attributes:
        content: text of the clinical file that goes with the study.
        digest: the same for records that say the same, in whatever file, order or writing.
        source: the kind of source, for logs.
    """

    content: str = field(repr=False)
    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What somebody should look after.

    Attributes:
        where: name of a file, which may name a patient, so it is for eyes on this machine; or of a server.
        sentence: what is wrong, with nothing of a patient.
    """

    where: str
    sentence: str


class RecordSource(Protocol):
    """Where records come from. `problems` may be called from any thread, the others from one."""

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        """The record of a study, None where there is none so far.

        Raises:
            RecordsUnavailable: the source can not be asked now.
        """

    def generation(self) -> str:
        """Changes when `find` may have another answer for a study than before."""

    def problems(self) -> Sequence[Problem]:
        """What could not be read, as of the last look."""


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Several sources, of which the first that has a record is believed."""

    sources: tuple[RecordSource, ...]

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        """As `RecordSource.find`; one that can not be asked is waited for: the next might have an older record."""
        return next((found for source in self.sources if (found := source.find(study))), None)

    def generation(self) -> str:
        """As `RecordSource.generation`, over all sources."""
        return " ".join(source.generation() for source in self.sources)

    def problems(self) -> Sequence[Problem]:
        """The problems of all sources."""
        return [problem for source in self.sources for problem in source.problems()]


def no_record(waited_minutes: float | None) -> FoundRecord:
    """What goes with a study for which no record came in time; None where there is no source to wait for."""
    content: dict[str, object] = {"records": []}
    if waited_minutes is not None:
        content["waited_minutes"] = waited_minutes
    return FoundRecord(json.dumps(content), _NO_RECORD, "none")


def meaning(entries: Iterable[ClinicalEntry], study: StudyIdentity) -> str:
    """Digest of what records say of a study: their values, and whether one of their keys is of somebody else."""
    said = {
        json.dumps(
            [entry.model_dump(mode="json", exclude=_KEYS, exclude_none=True), entry.contradicts(study)], sort_keys=True
        )
        for entry in entries
    }
    return digest_of("\n".join(sorted(said)))


def digest_of(text: str) -> str:
    """SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
