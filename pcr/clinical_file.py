"""The clinical file that comes with a study: its records, whom they are for, and which one is for this study.

Three forms are read: `{"records": [{...}, ...]}` with `study_instance_uid`, `accession_number` and/or `patient_id` in
each; an object keyed by StudyInstanceUID or PatientID; one bare record. A FHIR R4 Bundle (`pcr.fhir`) and a table
(`pcr.clinical_csv`) do as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator, model_validator
from pydicom.dataset import Dataset
from pydicom.valuerep import DA

from pcr.clinical import PLAUSIBLE_AGE_YEARS, ClinicalRecord, MenopausalStatus, invalid_record
from pcr.clinical_csv import table_records
from pcr.fhir import bundle_records
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Study

# Beyond this, a record without a key and the DICOM header are of two persons; one with a key gets a warning.
AGE_TOLERANCE_YEARS = 2.0
# A key does not outweigh ages so far apart.
KEYED_AGE_TOLERANCE_YEARS = 10.0
_MAX_FILE_BYTES = 16 * 1024 * 1024
_MAX_RECORDS = 100_000
_MINUTES_PER_YEAR = 525_600
_DAYS_PER_YEAR = 365.2425

_Source = Literal["clinical.json", "clinical.csv", "FHIR R4 Bundle"]


class KeyKind(IntEnum):
    """By what a record names a study; the greater tells more."""

    NONE = 0
    PATIENT_ID = 1
    ACCESSION_NUMBER = 2
    STUDY_INSTANCE_UID = 3


class Identified(Protocol):
    """Whatever has the keys of a study; a blank one is none."""

    @property
    def study_instance_uid(self) -> str: ...

    @property
    def accession_number(self) -> str: ...

    @property
    def patient_id(self) -> str: ...


class ClinicalEntry(BaseModel):
    """One record as it is written in the file; everything may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study_instance_uid: str | None = None
    accession_number: str | None = None
    patient_id: str | None = None
    patient_ids: tuple[str, ...] = ()
    birth_date: date | None = None
    age: float | None = Field(default=None, strict=True, allow_inf_nan=False)
    menopausal_status: MenopausalStatus | None = None
    hr: StrictBool | None = None
    er: StrictBool | None = None
    pr: StrictBool | None = None
    her2: StrictBool | None = None

    @field_validator("birth_date", mode="before")
    @classmethod
    def _is_written_as_a_date(cls, value: object) -> object:
        """A number would be read as seconds since 1970."""
        if value is not None and not isinstance(value, str):
            raise ValueError("must be a date written YYYY-MM-DD")
        return value

    @field_validator("study_instance_uid", "accession_number", "patient_id")
    @classmethod
    def _blank_is_absent(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @property
    def all_patient_ids(self) -> frozenset[str]:
        """Every id that the file gives this patient, without blanks around it; a blank one is no id."""
        stripped = (value.strip() for value in (*self.patient_ids, self.patient_id or ""))
        return frozenset(value for value in stripped if value)

    @property
    def key_kind(self) -> KeyKind:
        """The kind of its most telling key."""
        if self.study_instance_uid is not None:
            return KeyKind.STUDY_INSTANCE_UID
        if self.accession_number is not None:
            return KeyKind.ACCESSION_NUMBER
        return KeyKind.PATIENT_ID if self.all_patient_ids else KeyKind.NONE

    def names(self, study: Identified) -> KeyKind:
        """The most telling key of this record that is the study's; `NONE`, which is false, where none is."""
        if self.study_instance_uid == study.study_instance_uid:
            return KeyKind.STUDY_INSTANCE_UID
        if self.accession_number is not None and self.accession_number == study.accession_number.strip():
            return KeyKind.ACCESSION_NUMBER
        return KeyKind.PATIENT_ID if study.patient_id.strip() in self.all_patient_ids else KeyKind.NONE

    def contradicts(self, study: Identified) -> bool:
        """Whether a key of this record is another than the study's."""
        other_study = self.study_instance_uid not in (None, study.study_instance_uid)
        other_order = self.accession_number not in (None, study.accession_number.strip())
        other_patient = bool(self.all_patient_ids) and study.patient_id.strip() not in self.all_patient_ids
        return other_study or other_order or other_patient


class _RecordList(BaseModel):
    """The first form; `source` and `waited_minutes` are for programs that collect records."""

    model_config = ConfigDict(extra="forbid")

    records: list[Any]
    source: _Source = "clinical.json"
    waited_minutes: float | None = Field(default=None, strict=True, ge=0, le=_MINUTES_PER_YEAR, allow_inf_nan=False)

    @model_validator(mode="after")
    def _waits_for_nothing_that_is_here(self) -> Self:
        if self.records and self.waited_minutes is not None:
            raise ValueError("it was waited for a record, and yet there is one")
        return self

    @property
    def remarks(self) -> tuple[str, ...]:
        if self.waited_minutes is None:
            return ()
        if self.waited_minutes == 0:
            return ("no clinical record had arrived when the study was complete",)
        unit = "minute" if self.waited_minutes == 1 else "minutes"
        return (f"no clinical record arrived within {self.waited_minutes:g} {unit} of the study",)


@dataclass(frozen=True, slots=True)
class ClinicalFile:
    """The entries of a clinical file, the kind of source that they are, and sentences for the report."""

    entries: tuple[ClinicalEntry, ...]
    source: str
    remarks: tuple[str, ...] = ()

    @property
    def is_keyed(self) -> bool:
        """Whether every record says whose it is: one that does not would be taken for anybody's."""
        return all(entry.key_kind for entry in self.entries)

    def record_for(self, study: Study, studies: Sequence[Study]) -> ClinicalRecord:
        """The record of one study among all studies of the input, its age completed from the DICOM header.

        Raises:
            NotEvaluable: `clinical_record_mismatch` when the file speaks of somebody else, or a record without a
                key could be for several studies; `clinical_record_invalid` when records contradict each other.
        """
        entry = self._entry_for(study, studies)
        record = ClinicalRecord() if entry is None else _record(entry, study, self.source)
        stated = age_from_header(study.header)
        tolerated = AGE_TOLERANCE_YEARS if entry is None or not entry.key_kind else KEYED_AGE_TOLERANCE_YEARS
        if _differ(record.age, stated, tolerated):
            raise _mismatch(f"its age and the one in the DICOM header are more than {tolerated:g} years apart")
        return record if stated is None else record.with_age(stated, "DICOM header")

    def _entry_for(self, study: Study, studies: Sequence[Study]) -> ClinicalEntry | None:
        unkeyed = [entry for entry in self.entries if not entry.key_kind]
        if unkeyed and len(studies) + len(self.entries) > 2:
            raise _mismatch("it has no key, and there is more than one study or record")
        if unkeyed:
            return unkeyed[0]
        # A patient may have several studies: a record that names another one more tellingly is for that.
        others = [other for other in studies if other.study_instance_uid != study.study_instance_uid]
        found = [
            entry
            for entry in self.entries
            if (kind := entry.names(study)) and all(entry.names(other) <= kind for other in others)
        ]
        best = max((entry.names(study) for entry in found), default=KeyKind.NONE)
        chosen = [entry for entry in found if entry.names(study) == best]
        if any(entry.contradicts(study) for entry in chosen):
            raise _mismatch("one of its keys names this study, another somebody else")
        if any(entry != chosen[0] for entry in chosen):
            raise NotEvaluable(
                ReasonCode.CLINICAL_RECORD_INVALID, "the clinical file holds several different records for this study"
            )
        if not chosen and self.entries and not any(e.names(s) for e in self.entries for s in studies):
            raise _mismatch(
                "none of its keys is the StudyInstanceUID, AccessionNumber or PatientID of a study in the input"
            )
        return chosen[0] if chosen else None


def no_clinical_file() -> ClinicalFile:
    """Where no file came: everything but the age in the DICOM header is missing."""
    return ClinicalFile((), "none")


def read_clinical_file(path: Path) -> ClinicalFile:
    """Read a clinical file, a table where its name ends in .csv, else JSON.

    Raises:
        NotEvaluable: `clinical_record_invalid`, naming the entry that is wrong and never its value.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise invalid_record(f"the file can not be read ({type(error).__name__})") from None
    return parse_clinical_file(content, path.suffix)


def parse_clinical_file(content: bytes, suffix: str) -> ClinicalFile:
    """The clinical file that these bytes are, by the suffix of its name; raises as `read_clinical_file` does."""
    if len(content) > _MAX_FILE_BYTES:
        raise invalid_record(f"the file is larger than {_MAX_FILE_BYTES // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid_record("the file is not UTF-8 text") from None
    return _read_table(text) if suffix.lower() == ".csv" else _read_json(text)


def _read_table(text: str) -> ClinicalFile:
    return ClinicalFile(_entries(table_records(text)), "clinical.csv")


def _read_json(text: str) -> ClinicalFile:
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise invalid_record(f"the file is not readable JSON ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise invalid_record("the file must hold an object")
    if content.get("resourceType") == "Bundle":
        records, remarks = bundle_records(content)
        return ClinicalFile(_entries(records), "FHIR R4 Bundle", remarks)
    listed = _record_list(content)
    return ClinicalFile(_entries(listed.records), listed.source, listed.remarks)


def age_from_header(header: Dataset) -> float | None:
    """Age in years at the study from PatientAge (PS3.5 6.2, AS), else from birth and study date; None if absent."""
    text = str(header.get("PatientAge") or "").strip().upper()
    per_year = {"Y": 1.0, "M": 12.0, "W": _DAYS_PER_YEAR / 7, "D": _DAYS_PER_YEAR}
    if len(text) == 4 and text[:3].isdecimal() and text[3] in per_year and int(text[:3]) > 0:
        return int(text[:3]) / per_year[text[3]]
    try:
        born = DA(header.get("PatientBirthDate") or None)
    except ValueError:
        return None
    age = None if born is None else _age_at_study(born, header)
    # De-identification leaves birth dates such as 19000101, which say nothing of the patient.
    return None if age is None or age > PLAUSIBLE_AGE_YEARS[1] else age


def _record(entry: ClinicalEntry, study: Study, source: str) -> ClinicalRecord:
    age = entry.age
    born = None if entry.birth_date is None else _age_at_study(entry.birth_date, study.header)
    if age is None:
        age = born
    elif born is not None and abs(age - born) > 1:
        raise invalid_record("age contradicts birth_date; correct the record")
    return ClinicalRecord(
        age=age,
        menopausal_status=entry.menopausal_status,
        hr=entry.hr,
        er=entry.er,
        pr=entry.pr,
        her2=entry.her2,
        source=source,
    )


def _age_at_study(born: date, header: Dataset) -> float | None:
    try:
        taken = DA(header.get("StudyDate") or None)
    except ValueError:
        return None
    return None if taken is None else round((date.toordinal(taken) - born.toordinal()) / _DAYS_PER_YEAR, 1)


def _record_list(content: dict[str, Any]) -> _RecordList:
    if "records" in content:
        try:
            return _RecordList.model_validate(content)
        except ValidationError as error:
            raise _invalid(error, "the file has an entry beside 'records' that is not known") from None
    if set(ClinicalEntry.model_fields) & content.keys() or not content:
        return _RecordList(records=[content] if content else [])
    if not all(isinstance(record, dict) for record in content.values()):
        raise invalid_record("the file is neither one record nor records by StudyInstanceUID or PatientID")
    return _RecordList(records=[_keyed(key, record) for key, record in content.items()])


def _keyed(key: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record under its key: dots and digits alone make a StudyInstanceUID, anything else a PatientID."""
    looks_like_uid = "." in key and key.replace(".", "").isdecimal()
    name = "study_instance_uid" if looks_like_uid else "patient_id"
    if record.get(name, key) != key:
        raise invalid_record(f"the {name} of a record is not the key that it stands under")
    return {name: key} | record


def _entries(records: Sequence[object]) -> tuple[ClinicalEntry, ...]:
    # Each takes some hundred times the bytes of the `{}` that it may be written as.
    if len(records) > _MAX_RECORDS:
        raise invalid_record(f"the file holds more than {_MAX_RECORDS:,} records")
    return tuple(_entry(record) for record in records)


def _entry(record: object) -> ClinicalEntry:
    try:
        return ClinicalEntry.model_validate(record)
    except ValidationError as error:
        known = ", ".join(ClinicalEntry.model_fields)
        raise _invalid(error, f"a record has a field that is not known; the fields are {known}") from None


def _invalid(error: ValidationError, unknown: str) -> NotEvaluable:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":  # its name may be an id, so it is not repeated
        return invalid_record(unknown)
    where = ".".join(str(part) for part in first["loc"]) or "record"
    return invalid_record(f"{where}: {first['msg']}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("an object has the same key twice")
    return dict(pairs)


def _differ(age: float | None, stated: float | None, tolerated_years: float) -> bool:
    return age is not None and stated is not None and abs(age - stated) > tolerated_years


def _mismatch(message: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.CLINICAL_RECORD_MISMATCH, f"the clinical record can not be for this study: {message}"
    )


def compare_ages(record: ClinicalRecord, header: Dataset) -> str | None:
    """A warning where the record's age and the header's are apart, else None."""
    if _differ(record.age, age_from_header(header), AGE_TOLERANCE_YEARS):
        return f"age of the clinical record and of the DICOM header differ by more than {AGE_TOLERANCE_YEARS:g} years"
    return None
