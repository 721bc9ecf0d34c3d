"""A DICOM file in two parts: its header, read from a bounded first part of it, and where its pixels lie."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pcr.element_scan import (
    MAX_ELEMENTS,
    PIXEL_KEYWORDS,
    UNDEFINED_LENGTH,
    IrregularData,
    PixelElement,
    is_superfluous,
    memory_bytes,
    scan_elements,
)

_FIRST_PART = 32 * 1024
_GROWTH = 8
_CHUNK = 2**20
_PREFIX_END = 132
# Thousands of frames in one object have some ten items each.
_MAX_ITEMS = 200_000
# pydicom builds sequences while it reads, without a bound.
_MAX_IRREGULAR = 2 * 2**20
_SMALLEST_ITEM = 8
_ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # little and big endian


class Header(FileDataset):
    """A data set without its pixels, whose every attribute can be asked for.

    Values are converted when they are first asked for. One that is not what its VR demands (PS3.5 6.2) stays the bytes
    that it was, so that no reader takes it for a number; a sequence that can not be read has no items.

    Values of more than 64 KiB are left out but for the sequences of the standard. `memory_bytes` is about what the
    header takes in memory once those are taken apart.
    """

    memory_bytes: int = 0

    def __getitem__(self, key: Any) -> Any:
        tag = None if isinstance(key, slice) else key if isinstance(key, int) else _tag(key)
        found = None if tag is None else self._dict.get(cast(BaseTag, tag))
        if isinstance(found, DataElement):
            return _empty(found) if _is_no_sequence(found) else found
        try:
            return super().__getitem__(key)
        except Exception:  # a damaged value breaks its conversion in ways that have no common type
            if not isinstance(found, RawDataElement):
                raise
            self._dict[found.tag] = element = _unconverted(found)
            return element


@dataclass(slots=True)
class _UpToPixels:
    """Stops pydicom's reader at the pixels and remembers where that was; breaks it off after too many elements."""

    stream: io.BytesIO
    found: PixelElement | None = None
    count: int = 0

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise IrregularData("too many elements")
        if tag not in PIXEL_KEYWORDS:
            return False
        self.found = PixelElement(
            keyword=PIXEL_KEYWORDS[tag],
            vr=vr,
            offset=self.stream.tell(),
            length=None if length == UNDEFINED_LENGTH else length,
        )
        return True


def read_header(path: Path, max_bytes: int) -> tuple[Header, PixelElement | None] | None:
    """The data set of a file up to its pixels, and where they lie; None where no DICOM is in its first `max_bytes`.

    A header of more elements than `pcr.element_scan` bounds is none either.

    Raises:
        OSError: the file can not be read.
    """
    size = min(_FIRST_PART, max_bytes)
    with path.open("rb", buffering=0) as file:
        while True:
            part = os.pread(file.fileno(), size, 0)
            whole = len(part) < size
            if part[128:_PREFIX_END] != b"DICM":
                return None
            try:
                header, pixels = _parse(part, max_bytes)
            except Exception:  # a damaged or hostile header breaks the parser in ways that have no common type
                header, pixels = None, None
            if pixels is not None or whole:
                return None if header is None else (header, pixels)
            if size >= max_bytes:
                return None
            size = min(size * _GROWTH, max_bytes)


def open_pixels(path: Path, header: Dataset, end: int) -> BinaryIO:
    """The file, or the first `end` bytes of its inflated data set: what the offset of a `PixelElement` counts in.

    Raises:
        OSError: the file can not be read.
        ValueError, zlib.error: a deflated file is damaged.
    """
    if not is_deflated(header):
        return path.open("rb", buffering=0)
    content = path.read_bytes()
    return io.BytesIO(_inflated(content, _data_set_start(content)[0], end))


def same_data_set(one: Path, other: Path) -> bool:
    """Whether two files hold the same data set in the same transfer syntax, whatever program wrote them.

    Raises:
        OSError: a file can not be read.
    """
    with one.open("rb") as a, other.open("rb") as b:
        syntaxes = []
        for file in (a, b):
            start, meta = _data_set_start(file.read(_FIRST_PART))
            syntaxes.append(meta.get("TransferSyntaxUID"))
            file.seek(start)
        if syntaxes[0] != syntaxes[1]:
            return False
        while (chunk := a.read(_CHUNK)) == b.read(_CHUNK):
            if not chunk:
                return True
    return False


def is_deflated(header: Dataset) -> bool:
    """Whether a file is of the Deflated Explicit VR Little Endian transfer syntax (PS3.5 A.5)."""
    meta = getattr(header, "file_meta", None) or Dataset()
    return bool(meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _parse(part: bytes, max_bytes: int) -> tuple[Header, PixelElement | None]:
    start, meta = _data_set_start(part)
    syntax = meta.get("TransferSyntaxUID")
    content = part
    if syntax == DeflatedExplicitVRLittleEndian:
        content, start = _inflated(part, start, max_bytes), 0
    if len(content) > _MAX_ITEMS * _SMALLEST_ITEM and max(map(content.count, _ITEM_TAGS)) > _MAX_ITEMS:
        raise IrregularData("too many items")
    if syntax is None or syntax == ExplicitVRBigEndian:
        return _parse_by_pydicom(part)
    try:
        implicit = syntax == ImplicitVRLittleEndian
        elements, pixels = scan_elements(content, start, implicit=implicit)
    except IrregularData:
        # pydicom inflates without a bound, so a deflated file is never given to it.
        if syntax == DeflatedExplicitVRLittleEndian:
            raise
        return _parse_by_pydicom(part)
    return _header(Dataset(elements), part[:128], meta, (implicit, True)), pixels


def _parse_by_pydicom(part: bytes) -> tuple[Header, PixelElement | None]:
    stream = io.BytesIO(part[:_MAX_IRREGULAR])
    stop = _UpToPixels(stream)
    read = read_partial(cast(BinaryIO, stream), stop_when=stop)
    if stop.found is None and len(part) > _MAX_IRREGULAR:
        raise IrregularData("too long to be read by guess")
    for element in [e for e in read.values() if is_superfluous(e.tag, _length(e))]:
        del read[element.tag]
    return _header(read, read.preamble, read.file_meta, read.original_encoding), stop.found


def _header(
    dataset: Dataset, preamble: bytes | None, meta: FileMetaDataset, encoding: tuple[bool | None, bool | None]
) -> Header:
    implicit, little = encoding
    header = Header(io.BytesIO(), dataset, preamble, meta, bool(implicit), bool(little))
    header.buffer = None
    header.memory_bytes = memory_bytes(header)
    return header


def _length(element: DataElement | RawDataElement) -> int:
    return len(element.value or b"") if isinstance(element, RawDataElement) else 0


def _data_set_start(part: bytes) -> tuple[int, FileMetaDataset]:
    """Where the data set begins, and the file meta information before it (PS3.10 7.1), which is never deflated."""
    stream = io.BytesIO(part[:_FIRST_PART])
    stream.seek(_PREFIX_END)
    meta = read_dataset(cast(BinaryIO, stream), False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    return stream.tell(), FileMetaDataset(meta)


def _inflated(content: bytes, start: int, max_bytes: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], max_bytes)


def _tag(key: object) -> BaseTag:
    try:
        return Tag(key)  # type: ignore[arg-type]
    except Exception as error:
        raise KeyError(key) from error


def _is_no_sequence(element: DataElement) -> bool:
    """Whether an attribute that is none by the dictionary was written as a sequence (PS3.6)."""
    if element.VR != "SQ" or element.tag.is_private:
        return False
    try:
        return dictionary_VR(element.tag) != "SQ"
    except KeyError:
        return False


def _empty(element: DataElement) -> DataElement:
    return DataElement(element.tag, "LO", "")


def _unconverted(raw: RawDataElement) -> DataElement:
    try:
        vr = raw.VR or dictionary_VR(raw.tag)
    except KeyError:
        vr = "UN"
    return DataElement(raw.tag, "SQ", []) if vr == "SQ" else DataElement(raw.tag, "OB", raw.value or b"")
