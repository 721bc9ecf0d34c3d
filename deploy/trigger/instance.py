"""A received instance, and what is read of its header: a bounded first part, and nothing but what says whose it is."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from pcr.report.provenance import is_own_making

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# Headers as scanners write them, and headers that begin with long sequences of references.
_FIRST_PARTS = (16 * 1024, 2**20)
_LONGEST_TEXT = 1024  # bytes; 64 characters of any character set are fewer
_CHARACTER_SET = 0x00080005
_TEXTS = {
    "patient_id": 0x00100020,
    "accession_number": 0x00080050,
    "study_date": 0x00080020,
    "manufacturer": 0x00080070,
    "model": 0x00081090,
}
_UIDS = {
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
}
_LAST = max(_UIDS.values())


class UnusableInstance(Exception):
    """A data set does not say whose it is; the message says what is wrong, without repeating a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """One instance as it was received.

    Attributes:
        study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid: digits and dots, 64 characters at
            most: they may name files.
        is_own: whether this software made it.
        study_date: as it is written; empty where it is missing.
        content: a DICOM file (PS3.10 7) with the data set as it was received.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    patient_id: str
    accession_number: str
    study_date: str
    is_own: bool
    content: bytes

    def __post_init__(self) -> None:
        for uid in (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid, self.sop_class_uid):
            if not _is_uid(uid):
                raise ValueError("an instance is known by UIDs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What a data set says of its identity."""

    uids: dict[str, str]
    patient_id: str
    accession_number: str
    study_date: str
    is_own: bool


def identify(data_set: bytes, transfer_syntax: UID) -> Identification:
    """Read whose a data set is, without its file meta information.

    Raises:
        UnusableInstance: a UID is missing or none, a value too long, or the header no DICOM.
    """
    for size in _FIRST_PARTS:
        part = _first_part(data_set, transfer_syntax, size)
        try:
            values = _scan(part, transfer_syntax)
        except Exception:  # a header that is damaged, hostile or cut off breaks the parser in any way
            values = None
        if values is not None:
            return _identification(values)
        if len(part) < size:
            break
    raise UnusableInstance("the header can not be read, or is too long")


def _first_part(data_set: bytes, transfer_syntax: UID, size: int) -> bytes:
    if transfer_syntax != DeflatedExplicitVRLittleEndian:
        return data_set[:size]
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data_set, size)
    except zlib.error:
        raise UnusableInstance("the data set can not be inflated") from None


def _scan(part: bytes, transfer_syntax: UID) -> dict[int, bytes] | None:
    """Values by tag up to SeriesInstanceUID; None where the part ends before that is sure."""
    stream = io.BytesIO(part)
    past = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal past
        past = int(tag) > _LAST
        return past

    values: dict[int, bytes] = {}
    for element in data_element_generator(
        cast(BinaryIO, stream),
        transfer_syntax.is_implicit_VR,
        transfer_syntax.is_little_endian,
        stop_when=stop,
        specific_tags=[BaseTag(tag) for tag in (_CHARACTER_SET, *_TEXTS.values(), *_UIDS.values())],
    ):
        values[int(element.tag)] = _value(element)
    is_whole = stream.tell() == len(part) and _LAST in values
    return values if past or is_whole else None


def _value(element: RawDataElement | DataElement) -> bytes:
    if not isinstance(element, RawDataElement) or len(element.value or b"") != element.length:
        raise ValueError("a value that is no text, or is cut off")
    return bytes(element.value or b"")


def _identification(values: dict[int, bytes]) -> Identification:
    uids = {name: values.get(tag, b"").rstrip(b"\0 ").decode("ascii", "replace") for name, tag in _UIDS.items()}
    for name, uid in uids.items():
        if not _is_uid(uid):
            raise UnusableInstance(f"{name} is missing or no UID")
    texts = {name: values.get(tag, b"") for name, tag in _TEXTS.items()}
    if any(len(text) > _LONGEST_TEXT for text in texts.values()):
        raise UnusableInstance("PatientID, AccessionNumber or Manufacturer is too long")
    encodings = _encodings(values.get(_CHARACTER_SET, b""))
    text = {name: decode_bytes(value, encodings, set()).strip("\0 ") for name, value in texts.items()}
    # No real data set: pydicom would warn of odd values, and repeat them.
    maker = cast(Dataset, {"Manufacturer": text["manufacturer"], "ManufacturerModelName": text["model"]})
    return Identification(
        uids=uids,
        patient_id=text["patient_id"],
        accession_number=text["accession_number"],
        study_date=text["study_date"],
        is_own=is_own_making(maker),
    )


def _encodings(character_set: bytes) -> list[str]:
    names = [name.strip("\0 ") for name in character_set.decode("ascii", "replace").split("\\")]
    try:
        return list(convert_encodings(names))
    except LookupError:
        return list(convert_encodings(None))


def _is_uid(uid: str) -> bool:
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None
