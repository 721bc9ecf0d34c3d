"""Files below a folder, whatever their names, as DICOM studies: headers read once, pixels when they are asked for."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from pcr.body_part import body_part
from pcr.dicom_file import Header, read_header, same_data_set
from pcr.element_scan import PixelElement
from pcr.enhanced import anatomic_region
from pcr.patient_identity import contradiction
from pcr.reasons import BadConfiguration, NotEvaluable, ReasonCode

# How many kinds of series a refusal names.
_KINDS_QUOTED = 4
_CODE = re.compile(r"[A-Za-z ]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# Characters of a value of VR LO, and of the five components of one of VR PN (PS3.5 6.2).
_LO = 64
_PN = 5 * 64


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance: where its file lies, its data set without the pixels, and where in the file those lie."""

    path: Path
    header: Header
    pixel_element: PixelElement | None = None

    @property
    def sop_instance_uid(self) -> str:
        return str(self.header.SOPInstanceUID)

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.SOPClassUID)


@dataclass(frozen=True)
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

    @cached_property
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
    is_too_large: bool = False

    def check_identity(self) -> None:
        """Refuse a study whose files can not all be of the one patient and the one acquisition that they claim.

        Raises:
            NotEvaluable: `too_large` where the study has more files than were to be read or was let go of for its
                headers, `mixed_patients` where `pcr.patient_identity.contradiction` finds one, `corrupt_pixels` where
                two different data sets claim to be the same instance.
        """
        if self.is_too_large:
            raise NotEvaluable(
                ReasonCode.TOO_LARGE,
                "the headers of the input need too much memory, and those of this study the most; send fewer studies "
                "at once or raise limits.max_all_headers_mib",
            )
        if self.surplus_files:
            read = sum(len(series.instances) for series in self.series)
            raise NotEvaluable(
                ReasonCode.TOO_LARGE,
                f"the study has {read + self.surplus_files:,} files, {read:,} are accepted; raise limits.max_files",
            )
        if found := contradiction(instance.header for series in self.series for instance in series.instances):
            raise NotEvaluable(ReasonCode.MIXED_PATIENTS, f"the study holds {found}; correct the identity in the PACS")
        if self.conflicting_instances:
            raise NotEvaluable(
                ReasonCode.CORRUPT_PIXELS,
                f"{self.conflicting_instances} instances came twice with different content; send the study again",
            )

    @property
    def header(self) -> Dataset:
        """The header of one image, for attributes of patient and study; derived objects leave some of them out.

        Empty where the study was too large for any to be kept.
        """
        images = [series for series in self.series if series.modality == "MR"]
        return (images or self.series)[0].header if self.series else Dataset()

    @property
    def patient_id(self) -> str:
        """That of `header`, or of the first instance that has one; empty where none has."""
        return self._stated("PatientID")

    @property
    def accession_number(self) -> str:
        """That of `header`, or of the first instance that has one; empty where none has."""
        return self._stated("AccessionNumber")

    def _stated(self, keyword: str) -> str:
        others = (i.header for series in self.series for i in series.instances)
        stated = (str(header.get(keyword) or "").strip() for header in chain((self.header,), others))
        return next(filter(None, stated), "")


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
    """What an input may ask of the memory.

    Attributes:
        max_files: of one study.
        max_all_files: of the whole input, whatever they are.
        max_header_mib: of one file before its pixels, as it is read.
        max_all_headers_mib: of the headers of the whole input, as they are kept.
    """

    max_files: int = 100_000
    max_all_files: int = 500_000
    max_header_mib: int = 64
    max_all_headers_mib: int = 8192

    def __post_init__(self) -> None:
        for limit in fields(self):
            if (value := getattr(self, limit.name)) < 1:
                raise ValueError(f"{limit.name} must be positive, got {value}")


@dataclass(slots=True)
class _Gathering:
    """Instances of one study by their UID, while files are still being read."""

    max_files: int
    instances: dict[str, Instance] = field(default_factory=dict)
    conflicts: int = 0
    surplus: int = 0
    header_bytes: int = 0
    is_let_go: bool = False
    is_meant: bool = False

    def add(self, instance: Instance) -> None:
        if self.is_let_go:
            self.is_meant |= _is_meant([instance])
            return
        known = self.instances.get(instance.sop_instance_uid)
        if known is not None:
            self.conflicts += not _is_same(known, instance)
        elif len(self.instances) < self.max_files:
            self.instances[instance.sop_instance_uid] = instance
            self.header_bytes += instance.header.memory_bytes
        else:
            self.surplus += 1

    def let_go(self) -> None:
        """Keep of the study no more than whether it could be meant."""
        self.is_meant = _is_meant(self.instances.values())
        self.is_let_go = True
        self.instances.clear()
        self.header_bytes = 0


@dataclass(slots=True)
class _Studies:
    """All studies of an input while files are still being read, none of which takes the memory of the others."""

    limits: InboxLimits
    gathered: dict[str, _Gathering] = field(default_factory=dict)
    header_bytes: int = 0

    def add(self, instance: Instance) -> None:
        study = self.gathered.setdefault(str(instance.header.StudyInstanceUID), _Gathering(self.limits.max_files))
        before = study.header_bytes
        study.add(instance)
        self.header_bytes += study.header_bytes - before
        while self.header_bytes > self.limits.max_all_headers_mib * 2**20:
            largest = max(self.gathered.values(), key=lambda gathering: gathering.header_bytes)
            self.header_bytes -= largest.header_bytes
            largest.let_go()


def read_inbox(folder: Path, beside: Path | None = None, limits: InboxLimits = InboxLimits()) -> Inbox:
    """Read the headers of all DICOM files below a folder, but for the file `beside` them that is meant to be there.

    Links that lead out of the folder are not followed. Studies without any MR of a breast are passed over. Of a study
    with more files than `limits` allow, the first are kept; where the headers of all studies together take more memory,
    the study with the most is let go of, without any series; `Study.check_identity` refuses both.

    Raises:
        NotEvaluable: `no_study` when nothing in the folder is a study that could be meant, `too_large` when there are
            more files than `limits` allow: any study could be incomplete.
        BadConfiguration: a file or folder can not be read; what it hides could be a part of a study.
    """
    studies = _Studies(limits)
    not_dicom = invalid = 0
    inside, outside_links = _files_inside(folder, limits.max_all_files)
    for path in inside:
        if path == beside:
            continue
        instance = _read_instance(path, limits.max_header_mib * 2**20)
        if instance is None:
            not_dicom += 1
        elif not _has_valid_identity(instance.header):
            invalid += 1
        else:
            studies.add(instance)
    sorted_out: dict[bool, list[Study]] = {True: [], False: []}
    for uid, gathering in sorted(studies.gathered.items()):
        study = _study(uid, gathering)
        sorted_out[gathering.is_meant or _could_be_breast_mr(study.series)].append(study)
    meant, others = tuple(sorted_out[True]), tuple(sorted_out[False])
    passed_over = PassedOver(not_dicom, outside_links, invalid, len(others))
    if not meant:
        raise NotEvaluable(
            ReasonCode.NO_STUDY,
            f"no breast MR study among the input: {_counted(others)}, {not_dicom} files that "
            f"are not DICOM, {invalid} without valid identifiers, {outside_links} links that lead elsewhere",
        )
    return Inbox(meant, others, passed_over)


def _files_inside(folder: Path, max_files: int) -> tuple[list[Path], int]:
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
                if len(found) > max_files:
                    raise NotEvaluable(
                        ReasonCode.TOO_LARGE,
                        f"the input holds more than {max_files:,} files; send fewer studies at once or raise "
                        "limits.max_all_files",
                    )
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
    series = _series(instance for _, instance in sorted(gathering.instances.items()))
    return Study(uid, series, gathering.conflicts, gathering.surplus, gathering.is_let_go)


def _series(instances: Iterable[Instance]) -> tuple[Series, ...]:
    by_uid: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[str(instance.header.SeriesInstanceUID)].append(instance)
    return tuple(Series(uid, tuple(found)) for uid, found in sorted(by_uid.items()))


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


def _is_meant(instances: Iterable[Instance]) -> bool:
    return _could_be_breast_mr(_series(instances))


def _could_be_breast_mr(series: Sequence[Series]) -> bool:
    """Whether one of the series is an MR that names the breast, or no part of the body at all."""
    return any(body_part(s.body_part, s.header) != "other" for s in series if s.modality == "MR")


def _without_identity(text: str, header: Dataset) -> str:
    name = re.split(r"[\^=\s]+", str(header.get("PatientName") or "")[:_PN])
    birth = str(header.get("PatientBirthDate") or "")
    dated = [birth, f"{birth[:4]}-{birth[4:6]}-{birth[6:]}"] if len(birth) == 8 else []
    patient_id = str(header.get("PatientID") or "").strip()[:_LO]
    tokens = [token for token in (*name, patient_id, *dated) if len(token) > 2]
    pattern = "|".join(rf"(?<!\w){re.escape(token)}(?!\w)" for token in tokens)
    # Cut after they are removed, so that no half of one is left at the end.
    text = text[: _LO + _PN]
    return (re.sub(pattern, "[removed]", text, flags=re.IGNORECASE) if pattern else text)[:_LO]


def _unreadable() -> BadConfiguration:
    return BadConfiguration("a file or folder of the input can not be read; check its permissions")


def _refuse_unreadable(_: OSError) -> None:
    raise _unreadable()
