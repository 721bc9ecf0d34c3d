"""A DICOM file as a tree of elements that may say anything: lengths that lie, VRs that do not fit, wrong order."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
UNDEFINED = 0xFFFFFFFF
PIXELS = 0x7FE00010
_TRANSFER_SYNTAX = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(slots=True)
class Element:
    """One element; `length` is what it claims where that is not the truth, None for the truth."""

    tag: int
    vr: bytes
    value: bytes | list[list[Element]]
    length: int | None = None


@dataclass(slots=True)
class File:
    """Preamble, file meta information and data set; `claims` is a transfer syntax that the data set is not in."""

    preamble: bytes
    meta: list[Element]
    elements: list[Element]
    syntax: str
    claims: str | None = None
    tail: bytes = field(default=b"")

    def every(self) -> list[tuple[list[Element], int]]:
        """All elements of the data set at any depth, each as the list that holds it and its place there."""
        return list(_every(self.elements))


def parse(content: bytes) -> File:
    """The tree of a file that is valid."""
    meta, at = _elements(content, 132, len(content), explicit=True, little=True, only_group=2)
    syntax = next(str(e.value, "ascii").strip("\0 ") for e in meta if e.tag == _TRANSFER_SYNTAX)  # type: ignore[arg-type]
    body = zlib.decompress(content[at:], -15) if syntax == DeflatedExplicitVRLittleEndian else content[at:]
    elements, _ = _elements(body, 0, len(body), explicit=syntax != ImplicitVRLittleEndian, little=_little(syntax))
    return File(content[:132], meta, elements, str(syntax))


def written(file: File) -> bytes:
    """The bytes of a tree, lies included."""
    claims = (file.claims or file.syntax).encode()
    for element in file.meta:
        if element.tag == _TRANSFER_SYNTAX:
            element.value = claims + b"\0" * (len(claims) % 2)
    explicit, little = file.syntax != ImplicitVRLittleEndian, _little(file.syntax)
    body = b"".join(_written(e, explicit=explicit, little=little) for e in file.elements) + file.tail
    if file.syntax == DeflatedExplicitVRLittleEndian:
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(body) + deflate.flush()
    return file.preamble + b"".join(_written(e, explicit=True, little=True) for e in file.meta) + body


def _little(syntax: str) -> bool:
    return syntax != ExplicitVRBigEndian


def _every(elements: list[Element]):
    for place, element in enumerate(elements):
        yield elements, place
        if isinstance(element.value, list):
            for item in element.value:
                yield from _every(item)


def _elements(
    content: bytes, at: int, end: int, *, explicit: bool, little: bool, only_group: int | None = None
) -> tuple[list[Element], int]:
    found: list[Element] = []
    order = "<" if little else ">"
    while at + 8 <= end:
        group, number = struct.unpack_from(f"{order}HH", content, at)
        tag = group << 16 | number
        if tag in (_ITEM_END, _SEQUENCE_END) or (only_group is not None and group != only_group):
            break
        if not explicit:
            vr, head = _vr_of(tag), 8
            (length,) = struct.unpack_from(f"{order}I", content, at + 4)
        else:
            vr = content[at + 4 : at + 6]
            head = 12 if vr in LONG_VRS else 8
            (length,) = struct.unpack_from(
                f"{order}I" if head == 12 else f"{order}H", content, at + head - (head - 4) // 2
            )
        at += head
        value: bytes | list[list[Element]]
        if vr == b"SQ":
            stop = end if length == UNDEFINED else at + length
            value, at = _items(content, at, stop, explicit=explicit, little=little)
            found.append(Element(tag, vr, value))
        elif length == UNDEFINED:
            stop = content.index(struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0), at) + 8
            found.append(Element(tag, vr, content[at:stop], UNDEFINED))
            at = stop
        else:
            found.append(Element(tag, vr, content[at : at + length]))
            at += length
    return found, at


def _items(content: bytes, at: int, end: int, *, explicit: bool, little: bool) -> tuple[list[list[Element]], int]:
    items = []
    order = "<" if little else ">"
    while at + 8 <= end:
        group, number, length = struct.unpack_from(f"{order}HHI", content, at)
        at += 8
        if (group << 16 | number) != _ITEM:
            break
        stop = end if length == UNDEFINED else at + length
        item, at = _elements(content, at, stop, explicit=explicit, little=little)
        items.append(item)
        at = at + 8 if length == UNDEFINED else stop
    return items, at


def _written(element: Element, *, explicit: bool, little: bool) -> bytes:
    order = "<" if little else ">"
    value = element.value
    if isinstance(value, list):
        parts = [b"".join(_written(e, explicit=explicit, little=little) for e in item) for item in value]
        value = b"".join(struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(part)) + part for part in parts)
    tag = struct.pack(f"{order}HH", element.tag >> 16, element.tag & 0xFFFF)
    length = len(value) if element.length is None else element.length
    if not explicit:
        return tag + struct.pack(f"{order}I", length & UNDEFINED) + value
    if element.vr in LONG_VRS:
        return tag + element.vr + b"\0\0" + struct.pack(f"{order}I", length & UNDEFINED) + value
    return tag + element.vr + struct.pack(f"{order}H", length & 0xFFFF) + value


def _vr_of(tag: int) -> bytes:
    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"
