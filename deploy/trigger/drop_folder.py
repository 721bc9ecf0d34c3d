"""A folder in which a site's own programs drop clinical records; it is only read, and nothing in it is moved."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.trigger import settings
from deploy.trigger.drop_files import MAX_FILES, JudgedFile, Signature, files_in, judge
from deploy.trigger.records import FoundRecord, Problem, RecordsUnavailable, StudyIdentity, meaning
from pcr.clinical_file import ClinicalEntry, ClinicalFile, KeyKind

MAX_RECORDS = 100_000
# What was not written to for so long is not being written; a younger file must look the same twice.
_SETTLED_S = 60.0
_MAX_SHOWN_NAME = 80
_UNREADABLE = "the drop folder can not be read; check that it is mounted, and its permissions"

_TOO_MANY = (
    f"with it the folder holds more than {MAX_RECORDS:,} records; take old files away, then write this one again"
)

_Key = tuple[KeyKind, str]


@dataclass(frozen=True, slots=True)
class _Held:
    """The records that one file has under one key."""

    file: ClinicalFile
    entries: list[ClinicalEntry]


class DropFolder:
    """The records in a folder, which is looked at no oftener than the settings say.

    A record is for the study that its most telling key names: StudyInstanceUID, else AccessionNumber, else PatientID.
    Of several, those with the most telling key are taken, and of these the ones in the newest file.
    """

    def __init__(
        self,
        folder: settings.DropFolder,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = folder.path
        self._every_s = folder.look_every_s
        self._monotonic = monotonic
        self._now = now
        self._next_look = monotonic()
        self._seen: dict[str, Signature] = {}
        self._judged: dict[str, JudgedFile] = {}
        self._index: dict[_Key, _Held] = {}
        self._generation = 0
        self._is_down = False
        self._problems: tuple[Problem, ...] = ()

    def find(self, study: StudyIdentity) -> FoundRecord | None:
        """The record of a study; as `RecordSource.find`."""
        self._look_if_due()
        if self._is_down:
            raise RecordsUnavailable(_UNREADABLE)
        keys = (
            (KeyKind.STUDY_INSTANCE_UID, study.study_instance_uid),
            (KeyKind.ACCESSION_NUMBER, study.accession_number.strip()),
            (KeyKind.PATIENT_ID, study.patient_id.strip()),
        )
        held = next((self._index[key] for key in keys if key in self._index), None)
        return None if held is None else _found(held, study)

    def generation(self) -> str:
        """Changes when the records in the folder do; as `RecordSource.generation`."""
        self._look_if_due()
        return str(self._generation)

    def problems(self) -> Sequence[Problem]:
        """Files that could not be read, by name; as `RecordSource.problems`."""
        return self._problems

    def _look_if_due(self) -> None:
        if self._monotonic() < self._next_look:
            return
        self._next_look = self._monotonic() + self._every_s
        try:
            present = files_in(self._path)
        except OSError:
            self._is_down = True
            self._problems = (Problem("drop folder", _UNREADABLE),)
            return
        self._is_down = False
        before, self._judged = self._judged, self._judge_all(present)
        self._seen = present
        if self._judged != before:
            self._generation += 1
            self._index = _index(self._judged)
        self._problems = tuple(_problems(self._judged, len(present)))

    def _judge_all(self, present: Mapping[str, Signature]) -> dict[str, JudgedFile]:
        """The files that can be judged, the newest first; no more are kept than have `MAX_RECORDS` together."""
        judged: dict[str, JudgedFile] = {}
        room = MAX_RECORDS
        for name, signature in present.items():
            if (file := self._judge(name, signature)) is None:
                continue
            records = len(file.content.entries) if file.content else 0
            judged[name] = file if records <= room else JudgedFile(signature, None, _TOO_MANY)
            room -= records if records <= room else 0
        return judged

    def _judge(self, name: str, signature: Signature) -> JudgedFile | None:
        """What is known of a file; what it held before, or None, where it may still be being written."""
        known = self._judged.get(name)
        if known and known.signature == signature:
            return known
        is_settled = signature.modified_ns / 1e9 < self._now() - _SETTLED_S
        if is_settled or self._seen.get(name) == signature:
            return judge(self._path / name, signature) or known
        return known


def _index(judged: Mapping[str, JudgedFile]) -> dict[_Key, _Held]:
    """The records by their most telling keys, under each those of the newest file."""
    index: dict[_Key, _Held] = {}
    for content in (file.content for file in judged.values() if file.content):
        for entry in content.entries:
            for key in _keys(entry):
                held = index.setdefault(key, _Held(content, []))
                if held.file is content:
                    held.entries.append(entry)
    return index


def _keys(entry: ClinicalEntry) -> list[_Key]:
    if entry.study_instance_uid is not None:
        return [(KeyKind.STUDY_INSTANCE_UID, entry.study_instance_uid)]
    if entry.accession_number is not None:
        return [(KeyKind.ACCESSION_NUMBER, entry.accession_number)]
    return [(KeyKind.PATIENT_ID, patient_id) for patient_id in entry.all_patient_ids]


def _found(held: _Held, study: StudyIdentity) -> FoundRecord:
    """Records under the StudyInstanceUID; their other keys stay, so that what contradicts the images is found."""
    written = [entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for entry in held.entries]
    records = [record | {"study_instance_uid": study.study_instance_uid} for record in written]
    content = json.dumps({"records": records, "source": held.file.source})
    return FoundRecord(content, meaning(held.entries, study), "drop folder")


def _problems(judged: Mapping[str, JudgedFile], present: int) -> list[Problem]:
    found = [Problem(_shown(name), file.problem) for name, file in judged.items() if file.problem]
    if present >= MAX_FILES:
        found.append(
            Problem("drop folder", f"it holds {MAX_FILES:,} files or more; older ones are not read, take them away")
        )
    return found


def _shown(name: str) -> str:
    """A file's name without what would steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name[:_MAX_SHOWN_NAME])
