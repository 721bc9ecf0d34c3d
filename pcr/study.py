"""Files below a folder, whatever their names, as DICOM studies: headers read once, pixels when they are asked for."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import ImplicitVRLittleEndian, MediaStorageDirectoryStorage

from pcr.reasons import BadConfiguration, NotEvaluable, ReasonCode

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_BREAST_WORDS = re.compile(r"breast|mamm|brust|sein|seno|chest|thora", re.IGNORECASE)
_OTHER_PARTS = re.compile(
    r"prostat|brain|head|neuro|knee|shoulder|spine|lumbar|cervical|pelvi|abdom|liver|hepat|kidney|renal|cardiac|heart"
    r"|ankle|wrist|elbow|hip\b|foot|hand\b|neck|rectum|rectal|uter",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance: where its file lies, and its data set without the pixels."""

    path: Path
    header: FileDataset

    @property
    def sop_instance_uid(self) -> str:
        return str(self.header.SOPInstanceUID)

    @property
    def sop_class_uid(self) -> str:
        return str(self.header.SOPClassUID)

    def pixels(self) -> npt.NDArray[Any]:
        """Decode the stored values of a single-frame grayscale image, [rows, columns], before any rescale.

        Raises:
            NotEvaluable: `unsupported_transfer_syntax` where no decoder is installed, `corrupt_pixels` where the
                stream does not hold the image that the header announces.
        """
        syntax = pydicom.uid.UID(self.header.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
        if not _decodable(syntax):
            raise NotEvaluable(
                ReasonCode.UNSUPPORTED_TRANSFER_SYNTAX,
                f"no decoder for transfer syntax {syntax.name}; send the study as Explicit VR Little Endian",
            )
        try:
            pixels: npt.NDArray[Any] = pydicom.dcmread(self.path).pixel_array
        except Exception as error:  # decoders raise whatever they like on a damaged stream
            raise NotEvaluable(
                ReasonCode.CORRUPT_PIXELS,
                f"pixels of instance {self.sop_instance_uid} can not be decoded; send it again",
            ) from error
        if pixels.shape != (self.header.Rows, self.header.Columns):
            raise NotEvaluable(
                ReasonCode.CORRUPT_PIXELS,
                f"instance {self.sop_instance_uid} holds an array of shape {pixels.shape}, not the one its header says",
            )
        return pixels


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
    def description(self) -> str:
        """SeriesDescription without what names the patient: technicians write names there, and it is quoted."""
        return _without_identity(str(self.header.get("SeriesDescription", "") or ""), self.header)


@dataclass(frozen=True, slots=True)
class Study:
    """All instances of one StudyInstanceUID; that they are of one patient is for `check_identity` to say."""

    study_instance_uid: str
    series: tuple[Series, ...]
    conflicting_instances: int = 0

    def check_identity(self) -> None:
        """Refuse a study whose files can not all be of the one patient and the one acquisition that they claim.

        Raises:
            NotEvaluable: `mixed_patients` where the instances carry more than one PatientID or birth date,
                `corrupt_pixels` where two different files claim to be the same instance.
        """
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


@dataclass(slots=True)
class _Gathering:
    """Instances of one study by their UID, while files are still being read."""

    instances: dict[str, Instance] = field(default_factory=dict)
    conflicts: int = 0

    def add(self, instance: Instance) -> None:
        known = self.instances.setdefault(instance.sop_instance_uid, instance)
        if known is not instance and known.path.read_bytes() != instance.path.read_bytes():
            self.conflicts += 1


def read_inbox(folder: Path, beside: Path | None = None) -> Inbox:
    """Read the headers of all DICOM files below a folder, but for the file `beside` them that is meant to be there.

    Links that lead out of the folder are not followed. Studies without any MR of a breast are passed over.

    Raises:
        NotEvaluable: `no_study` when nothing in the folder is a study that could be meant.
        BadConfiguration: a file or folder can not be read; what it hides could be a part of a study.
    """
    gathered: dict[str, _Gathering] = defaultdict(_Gathering)
    not_dicom = invalid = 0
    inside, outside_links = _files_inside(folder)
    for path in inside:
        if path == beside:
            continue
        header = _read_header(path)
        if header is None:
            not_dicom += 1
        elif not _has_valid_identity(header):
            invalid += 1
        else:
            gathered[str(header.StudyInstanceUID)].add(Instance(path, header))
    studies = [_study(uid, gathering) for uid, gathering in sorted(gathered.items())]
    sorted_out: dict[bool, list[Study]] = {True: [], False: []}
    for study in studies:
        sorted_out[_could_be_breast_mr(study)].append(study)
    meant, others = tuple(sorted_out[True]), tuple(sorted_out[False])
    passed_over = PassedOver(not_dicom, outside_links, invalid, len(others))
    if not meant:
        raise NotEvaluable(
            ReasonCode.NO_STUDY,
            f"no breast MR study among the input: {passed_over.other_studies} other studies, {not_dicom} files that "
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


def _read_header(path: Path) -> FileDataset | None:
    """The data set of a DICOM file up to its pixels, or None for a file that is no DICOM instance."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.SOPInstanceUID, header.SOPClassUID, header.StudyInstanceUID, header.SeriesInstanceUID  # noqa: B018
    except OSError:
        raise _unreadable() from None
    except (InvalidDicomError, AttributeError):
        return None
    except Exception:  # a damaged or hostile header breaks the parser in ways that have no common type
        return None
    return None if header.SOPClassUID == MediaStorageDirectoryStorage else header


def _has_valid_identity(header: Dataset) -> bool:
    """Whether the UIDs are UIDs (PS3.5 section 9.1): they name folders in the output, so nothing else may pass."""
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    return all(len(str(uid)) <= 64 and _UID.fullmatch(str(uid)) for uid in uids)


def _study(uid: str, gathering: _Gathering) -> Study:
    by_series: dict[str, list[Instance]] = defaultdict(list)
    for _, instance in sorted(gathering.instances.items()):
        by_series[str(instance.header.SeriesInstanceUID)].append(instance)
    series = tuple(Series(series_uid, tuple(instances)) for series_uid, instances in sorted(by_series.items()))
    return Study(uid, series, gathering.conflicts)


def _could_be_breast_mr(study: Study) -> bool:
    """Whether a study has an MR series that names the breast, or no part of the body at all."""
    return any(_names_breast_or_nothing(series) for series in study.series if series.modality == "MR")


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


def _names_breast_or_nothing(series: Series) -> bool:
    names = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
    part, *texts = (str(series.header.get(name, "") or "") for name in names)
    if any(_BREAST_WORDS.search(text) for text in (part, *texts)):
        return True
    return not part.strip() and not any(_OTHER_PARTS.search(text) for text in texts)


def _decodable(syntax: pydicom.uid.UID) -> bool:
    """Whether pixels of this transfer syntax can be read; private and unknown UIDs are no transfer syntax at all."""
    if syntax.is_private or not syntax.is_transfer_syntax:
        return False
    try:
        return not syntax.is_compressed or bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
