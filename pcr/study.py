"""Files below a folder, whatever their names, as DICOM studies: headers read once, pixels when they are asked for."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from pcr.body_part import body_part
from pcr.dicom_file import read_header, same_data_set
from pcr.element_scan import PixelElement
from pcr.enhanced import anatomic_region
from pcr.reasons import BadConfiguration, NotEvaluable, ReasonCode

# How many kinds of series a refusal names.
_KINDS_QUOTED = 4
_CODE = re.compile(r"[A-Za-z ]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance: where its file lies, its data set without the pixels, and where in the file those lie."""

    path: Path
    header: FileDataset
    pixel_element: PixelElement | None = None

    @property
    def sop_instance_uid(self) -> str:
        return str(self.header.SOPInstanceUID)

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.SOPClassUID)


@dataclass(frozen=True, slots=True)
class Series:
    """The instances of one SeriesInstanceUID, in no particular order."""

    series_instance_uid: str
    instances: tuple[Instance, ...]

    @property
    def header(self) -> Dataset:
        """The header of one instance, for attributes that are the same throughout a series."""
        return self.instances[0].header

    @property
    def modality(self) -> str:
        return str(self.header.get("Modality", "") or "")

    @property
    def body_part(self) -> str:
        """BodyPartExamined, or the anatomic region of the frames of a multi-frame object."""
        return str(self.header.get("BodyPartExamined") or "").strip() or anatomic_region(self.header)

    @property
    def description(self) -> str:
        """SeriesDescription without what names the patient: technicians write names there, and it is quoted."""
        return _without_identity(str(self.header.get("SeriesDescription", "") or ""), self.header)


@dataclass(frozen=True, slots=True)
class Study:
    """All instances of one StudyInstanceUID; that they are of one patient is for `check_identity` to say."""

    study_instance_uid: str
    series: tuple[Series, ...]
    conflicting_instances: int = 0
    surplus_files: int = 0

    def check_identity(self) -> None:
        """Refuse a study whose files can not all be of the one patient and the one acquisition that they claim.

        Raises:
            NotEvaluable: `too_large` where the study has more files than were to be read, `mixed_patients` where the
                instances carry more than one PatientID or birth date, `corrupt_pixels` where two different data sets
                claim to be the same instance.
        """
        if self.surplus_files:
            read = sum(len(series.instances) for series in self.series)
            raise NotEvaluable(
                ReasonCode.TOO_LARGE,
                f"the study has {read + self.surplus_files:,} files, {read:,} are accepted; raise limits.max_files",
            )
        patients = self._values("PatientID")
        if len(patients) > 1:
            raise NotEvaluable(
                ReasonCode.MIXED_PATIENTS,
                f"the study holds instances of {len(patients)} different PatientIDs; correct the identity in the PACS",
            )
        if len(self._values("PatientBirthDate") - {""}) > 1:
            raise NotEvaluable(
                ReasonCode.MIXED_PATIENTS,
                "the study holds instances with different birth dates; correct the identity in the PACS",
            )
        if self.conflicting_instances:
            raise NotEvaluable(
                ReasonCode.CORRUPT_PIXELS,
                f"{self.conflicting_instances} instances came twice with different content; send the study again",
            )

    @property
    def header(self) -> Dataset:
        """The header of one image, for attributes of patient and study; derived objects leave some of them out."""
        images = [series for series in self.series if series.modality == "MR"]
        return (images or self.series)[0].header

    def _values(self, keyword: str) -> set[str]:
        """Every value that an attribute has among the instances, without blanks around it; empty where it is absent."""
        return {str(i.header.get(keyword) or "").strip() for s in self.series for i in s.instances}

    @property
    def patient_id(self) -> str:
        return str(self.header.get("PatientID", "") or "").strip()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """How many files were left aside, and how many series and studies that are no breast MR."""

    not_dicom: int = 0
    outside_links: int = 0
    invalid_identity: int = 0
    other_studies: int = 0


@dataclass(frozen=True, slots=True)
class Inbox:
    """What an input folder holds: the studies that could be meant, the others, and what was passed over."""

    studies: tuple[Study, ...]
    others: tuple[Study, ...]
    passed_over: PassedOver


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxLimits:
    """What an input may ask of the memory: files of one study, and the part of a file before its pixels."""

    max_files: int = 100_000
    max_header_mib: int = 64

    def __post_init__(self) -> None:
        if self.max_files < 1:
            raise ValueError(f"max_files must be positive, got {self.max_files}")
        if self.max_header_mib < 1:
            raise ValueError(f"max_header_mib must be positive, got {self.max_header_mib}")

    @property
    def max_header_bytes(self) -> int:
        return self.max_header_mib * 2**20


@dataclass(slots=True)
class _Gathering:
    """Instances of one study by their UID, while files are still being read."""

    max_files: int
    instances: dict[str, Instance] = field(default_factory=dict)
    conflicts: int = 0
    surplus: int = 0

    def add(self, instance: Instance) -> None:
        known = self.instances.get(instance.sop_instance_uid)
        if known is not None:
            self.conflicts += not _is_same(known, instance)
        elif len(self.instances) < self.max_files:
            self.instances[instance.sop_instance_uid] = instance
        else:
            self.surplus += 1


def read_inbox(folder: Path, beside: Path | None = None, limits: InboxLimits = InboxLimits()) -> Inbox:
    """Read the headers of all DICOM files below a folder, but for the file `beside` them that is meant to be there.

    Links that lead out of the folder are not followed. Studies without any MR of a breast are passed over. Of a study
    with more files than `limits` allow, the first are kept, and `Study.check_identity` refuses it.

    Raises:
        NotEvaluable: `no_study` when nothing in the folder is a study that could be meant.
        BadConfiguration: a file or folder can not be read; what it hides could be a part of a study.
    """
    gathered: dict[str, _Gathering] = defaultdict(lambda: _Gathering(limits.max_files))
    not_dicom = invalid = 0
    inside, outside_links = _files_inside(folder)
    for path in inside:
        if path == beside:
            continue
        instance = _read_instance(path, limits.max_header_bytes)
        if instance is None:
            not_dicom += 1
        elif not _has_valid_identity(instance.header):
            invalid += 1
        else:
            gathered[str(instance.header.StudyInstanceUID)].add(instance)
    studies = [_study(uid, gathering) for uid, gathering in sorted(gathered.items())]
    sorted_out: dict[bool, list[Study]] = {True: [], False: []}
    for study in studies:
        sorted_out[_could_be_breast_mr(study)].append(study)
    meant, others = tuple(sorted_out[True]), tuple(sorted_out[False])
    passed_over = PassedOver(not_dicom, outside_links, invalid, len(others))
    if not meant:
        raise NotEvaluable(
            ReasonCode.NO_STUDY,
            f"no breast MR study among the input: {_counted(others)}, {not_dicom} files that "
            f"are not DICOM, {invalid} without valid identifiers, {outside_links} links that lead elsewhere",
        )
    return Inbox(meant, others, passed_over)


def _files_inside(folder: Path) -> tuple[list[Path], int]:
    """All files below `folder` by sorted path, and how many links were left aside since they lead out of it."""
    root = folder.resolve()
    found: list[Path] = []
    outside = 0
    for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        for name in (*folders, *names):
            path = Path(parent, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                outside += 1
            elif path.is_file():
                found.append(path)
    return sorted(found), outside


def _read_instance(path: Path, max_bytes: int) -> Instance | None:
    """What a file holds, or None for a file that is no DICOM instance."""
    try:
        found = read_header(path, max_bytes)
    except OSError:
        raise _unreadable() from None
    if found is None:
        return None
    header, pixels = found
    names = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
    if not all(name in header for name in names) or header.SOPClassUID == MediaStorageDirectoryStorage:
        return None
    return Instance(path, header, pixels)


def _is_same(one: Instance, other: Instance) -> bool:
    try:
        return same_data_set(one.path, other.path)
    except OSError:
        raise _unreadable() from None


def _has_valid_identity(header: Dataset) -> bool:
    """Whether the UIDs are UIDs (PS3.5 section 9.1): they name folders in the output, so nothing else may pass."""
    uids = (header.SOPClassUID, header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    # An element of another VR has a value that is no UID, though it may look like one.
    return all(isinstance(uid, UID) and len(uid) <= 64 and _UID.fullmatch(uid) for uid in uids)


def _study(uid: str, gathering: _Gathering) -> Study:
    by_series: dict[str, list[Instance]] = defaultdict(list)
    for _, instance in sorted(gathering.instances.items()):
        by_series[str(instance.header.SeriesInstanceUID)].append(instance)
    series = tuple(Series(series_uid, tuple(instances)) for series_uid, instances in sorted(by_series.items()))
    return Study(uid, series, gathering.conflicts, gathering.surplus)


def _counted(others: Sequence[Study]) -> str:
    """How many studies were passed over, and what the first of them are."""
    # A body part in words of a sender's own could be anything, so it is not quoted.
    kinds = {
        f"{s.modality if _CODE.fullmatch(s.modality) else 'no modality'} of "
        f"{s.body_part if _CODE.fullmatch(s.body_part) else 'an unnamed part'}"
        for other in others
        for s in other.series
    }
    return f"{len(others)} other studies" + (f" ({', '.join(sorted(kinds)[:_KINDS_QUOTED])})" if kinds else "")


def _could_be_breast_mr(study: Study) -> bool:
    """Whether a study has an MR series that names the breast, or no part of the body at all."""
    return any(
        body_part(series.body_part, series.header) != "other" for series in study.series if series.modality == "MR"
    )


def _without_identity(text: str, header: Dataset) -> str:
    name = re.split(r"[\^=\s]+", str(header.get("PatientName") or ""))
    birth = str(header.get("PatientBirthDate") or "")
    dated = [birth, f"{birth[:4]}-{birth[4:6]}-{birth[6:]}"] if len(birth) == 8 else []
    tokens = [token for token in (*name, str(header.get("PatientID") or "").strip(), *dated) if len(token) > 2]
    pattern = "|".join(rf"(?<!\w){re.escape(token)}(?!\w)" for token in tokens)
    return re.sub(pattern, "[removed]", text, flags=re.IGNORECASE) if pattern else text


def _unreadable() -> BadConfiguration:
    return BadConfiguration("a file or folder of the input can not be read; check its permissions")


def _refuse_unreadable(_: OSError) -> None:
    raise _unreadable()
