"""The clinical file that comes with a study: its records, whom they are for, and which one is for this study.

Three forms are read: `{"records": [{...}, ...]}` with `study_instance_uid` and/or `patient_id` in each; an object
keyed by StudyInstanceUID or PatientID; one bare record. A FHIR R4 Bundle does as well (see `pcr.fhir`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator
from pydicom.dataset import Dataset
from pydicom.valuerep import DA

from pcr.clinical import PLAUSIBLE_AGE_YEARS, ClinicalRecord, MenopausalStatus, invalid_record
from pcr.fhir import bundle_records
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Study

# Beyond this, a record without a key and the DICOM header are of two persons; one with a key gets a warning.
AGE_TOLERANCE_YEARS = 2.0
# A key does not outweigh ages so far apart.
KEYED_AGE_TOLERANCE_YEARS = 10.0
_MAX_FILE_BYTES = 16 * 1024 * 1024
_DAYS_PER_YEAR = 365.2425


class ClinicalEntry(BaseModel):
    """One record as it is written in the file; everything may be absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study_instance_uid: str | None = None
    patient_id: str | None = None
    patient_ids: tuple[str, ...] = ()
    birth_date: date | None = None
    age: float | None = Field(default=None, strict=True)
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

    @property
    def all_patient_ids(self) -> frozenset[str]:
        """Every id that the file gives this patient, without blanks around it; a blank one is no id."""
        stripped = (value.strip() for value in (*self.patient_ids, self.patient_id or ""))
        return frozenset(value for value in stripped if value)

    @property
    def has_key(self) -> bool:
        return self.study_instance_uid is not None or bool(self.all_patient_ids)

    def names(self, study: Study) -> bool:
        """Whether a key of this record is that of the study, or of its patient."""
        return self.study_instance_uid == study.study_instance_uid or study.patient_id in self.all_patient_ids

    def contradicts(self, study: Study) -> bool:
        """Whether one key names the study and another key names something else."""
        other_study = self.study_instance_uid not in (None, study.study_instance_uid)
        other_patient = bool(self.all_patient_ids) and study.patient_id not in self.all_patient_ids
        return other_study or other_patient


@dataclass(frozen=True, slots=True)
class ClinicalFile:
    """The entries of a clinical file, the kind of source that they are, and sentences for the report."""

    entries: tuple[ClinicalEntry, ...]
    source: str
    remarks: tuple[str, ...] = ()

    def record_for(self, study: Study, studies: Sequence[Study]) -> ClinicalRecord:
        """The record of one study among all studies of the input, its age completed from the DICOM header.

        Raises:
            NotEvaluable: `clinical_record_mismatch` when the file speaks of somebody else, or a record without a
                key could be for several studies; `clinical_record_invalid` when records contradict each other.
        """
        entry = self._entry_for(study, studies)
        record = ClinicalRecord() if entry is None else _record(entry, study, self.source)
        stated = age_from_header(study.header)
        tolerated = AGE_TOLERANCE_YEARS if entry is None or not entry.has_key else KEYED_AGE_TOLERANCE_YEARS
        if _differ(record.age, stated, tolerated):
            raise _mismatch(f"its age and the one in the DICOM header are more than {tolerated:g} years apart")
        return record if stated is None else record.with_age(stated, "DICOM header")

    def _entry_for(self, study: Study, studies: Sequence[Study]) -> ClinicalEntry | None:
        unkeyed = [entry for entry in self.entries if not entry.has_key]
        if unkeyed and len(studies) + len(self.entries) > 2:
            raise _mismatch("it has no study_instance_uid or patient_id, and there is more than one study or record")
        if unkeyed:
            return unkeyed[0]
        found = [entry for entry in self.entries if entry.names(study)]
        # A patient may have records for several of her studies; the study's own goes first.
        own = [entry for entry in found if entry.study_instance_uid == study.study_instance_uid]
        elsewhere = {s.study_instance_uid for s in studies} - {study.study_instance_uid}
        for entry in own or [e for e in found if e.study_instance_uid not in elsewhere]:
            if entry.contradicts(study):
                raise _mismatch("one of its keys names this study, the other somebody else")
        chosen = own or [entry for entry in found if entry.study_instance_uid is None]
        if len(chosen) > 1 and any(entry != chosen[0] for entry in chosen):
            raise NotEvaluable(
                ReasonCode.CLINICAL_RECORD_INVALID, "the clinical file holds several different records for this study"
            )
        if not chosen and self.entries and not any(e.names(s) for e in self.entries for s in studies):
            raise _mismatch("none of its keys is the StudyInstanceUID or PatientID of a study in the input")
        return chosen[0] if chosen else None


def no_clinical_file() -> ClinicalFile:
    """Where no file came: everything but the age in the DICOM header is missing."""
    return ClinicalFile((), "none")


def read_clinical_file(path: Path) -> ClinicalFile:
    """Read a clinical file.

    Raises:
        NotEvaluable: `clinical_record_invalid`, naming the entry that is wrong and never its value.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise invalid_record(f"the file is larger than {_MAX_FILE_BYTES // 2**20} MiB")
        content = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_unique_keys)
    except (OSError, ValueError, RecursionError) as error:
        raise invalid_record(f"the file is not readable JSON ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise invalid_record("the file must hold an object")
    if content.get("resourceType") == "Bundle":
        records, unused = bundle_records(content)
        remark = (
            f"{unused} observations of the clinical file are not used: their code or value is not known, or not final"
        )
        return ClinicalFile(tuple(map(_entry, records)), "FHIR R4 Bundle", (remark,) if unused else ())
    return ClinicalFile(tuple(_entry(record) for record in _plain_records(content)), "clinical.json")


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


def _plain_records(content: dict[str, Any]) -> list[dict[str, Any]]:
    fields = set(ClinicalEntry.model_fields)
    if "records" in content:
        records = content["records"]
        if not isinstance(records, list) or len(content) > 1:
            raise invalid_record("'records' must be a list, and the only entry of the file")
        return records
    if fields & content.keys() or not content:
        return [content] if content else []
    if not all(isinstance(record, dict) for record in content.values()):
        raise invalid_record("the file is neither one record nor records by StudyInstanceUID or PatientID")
    return [_keyed(key, record) for key, record in content.items()]


def _keyed(key: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record under its key: dots and digits alone make a StudyInstanceUID, anything else a PatientID."""
    looks_like_uid = "." in key and key.replace(".", "").isdecimal()
    name = "study_instance_uid" if looks_like_uid else "patient_id"
    if record.get(name, key) != key:
        raise invalid_record(f"the {name} of a record is not the key that it stands under")
    return {name: key} | record


def _entry(record: object) -> ClinicalEntry:
    try:
        return ClinicalEntry.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":  # its name may be an id, so it is not repeated
            known = ", ".join(ClinicalEntry.model_fields)
            raise invalid_record(f"a record has a field that is not known; the fields are {known}") from None
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise invalid_record(f"{where}: {first['msg']}") from None


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
