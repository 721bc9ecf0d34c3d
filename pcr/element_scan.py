"""The elements of a data set up to its pixels, cut out of memory in half the time that pydicom takes for them.

Only what is regular is read here; pydicom knows how to read what is not.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import BinaryIO, Literal, cast

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

PixelKeyword = Literal["PixelData", "FloatPixelData", "DoubleFloatPixelData"]
Elements = dict[BaseTag, DataElement | RawDataElement]

PIXEL_KEYWORDS: dict[int, PixelKeyword] = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
UNDEFINED_LENGTH = 0xFFFFFFFF
# A data set of an image has some hundreds; each costs far more time and memory than the bytes it is written in.
MAX_ELEMENTS = 20_000
# Thousands of frames in one object have some hundreds each.
MAX_NESTED_ELEMENTS = 1_000_000
# What is longer and no sequence of the standard is a blob of a manufacturer, a table or an icon: nobody asks for it.
MAX_VALUE_BYTES = 64 * 1024
# Of pydicom's objects for one element, measured.
_ELEMENT_BYTES = 200

_implicit = Struct("<HHL").unpack_from
_explicit = Struct("<HH2sH").unpack_from
_length = Struct("<L").unpack_from
_VRS = {str(vr).encode(): str(vr) for vr in VR if len(str(vr)) == 2}
_LONG_VRS = frozenset(map(str, EXPLICIT_VR_LENGTH_32))
_ITEM, _BIG_ENDIAN_ITEM = b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"
_ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_SEQUENCE_END_BYTES = b"\xfe\xff\xdd\xe0"
_SMALLEST_ELEMENT = 8
# The end of what only a delimiter ends.
_OPEN = 2**62


class IrregularData(Exception):
    """A data set is not written as its transfer syntax demands (PS3.5 7.1)."""


class TooManyElements(Exception):
    """A header has more elements, at any depth, than could be taken apart in a short time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the pixels of a file lie: offset and length in bytes, in the inflated data set where it is deflated.

    The length is None where it is undefined, as that of encapsulated pixels is (PS3.5 A.4).
    """

    keyword: PixelKeyword
    vr: str | None
    offset: int
    length: int | None


def scan_elements(part: bytes, start: int, *, implicit: bool) -> tuple[Elements, PixelElement | None]:
    """Elements of a little endian data set from `start` up to its pixels or the end of `part`, and the pixels' place.

    Those of `is_superfluous` are left out.

    Raises:
        IrregularData: an element is not where or what it should be.
        TooManyElements: the sequences hold too many.
    """
    elements: Elements = {}
    at, end = start, len(part)
    if implicit and part[at + 4 : at + 6] in _VRS:
        raise IrregularData("explicit VR")
    count = 0
    while at + 8 <= end:
        begin = at
        count += 1
        if count > MAX_ELEMENTS:
            raise IrregularData("too many elements")
        group, number, vr, length, at = _element_head(part, at, implicit)
        tag = _tag(group, number)
        if keyword := PIXEL_KEYWORDS.get(tag):
            known = None if length == UNDEFINED_LENGTH else length
            return elements, PixelElement(keyword=keyword, vr=vr, offset=at, length=known)
        if length == UNDEFINED_LENGTH:
            bound = _end_of_sequence(part, at, vr, implicit)
            if is_superfluous(tag, bound - at):
                at = bound
            else:
                elements[tag], at = _of_undefined_length(part, begin, bound, implicit, elements)
            continue
        if is_superfluous(tag, length):
            at += length
            continue
        value = part[at : at + length] if length else cast("bytes | None", empty_value_for_VR(vr, raw=True))
        elements[tag] = RawDataElement(tag, vr, length, value, at, implicit, True)
        at += length
    return elements, None


def is_superfluous(tag: int, length_bytes: int) -> bool:
    """Whether the value of a top-level element is left out of a header for its length."""
    return length_bytes > MAX_VALUE_BYTES and not _is_standard_sequence(tag)


def memory_bytes(dataset: Dataset) -> int:
    """About how many bytes a data set takes in memory once all its sequences are taken apart.

    Raises:
        TooManyElements: at all depths together.
    """
    value_bytes = count = 0
    waiting = [dataset]
    while waiting:
        for element in waiting.pop().values():
            count += 1
            if isinstance(element, RawDataElement):
                value_bytes += len(element.value or b"")
                count += _count_inside(element)
            elif element.VR == VR.SQ:
                waiting.extend(element.value or [])
        if count > MAX_NESTED_ELEMENTS:
            raise TooManyElements
    return value_bytes + _ELEMENT_BYTES * count


def _count_inside(raw: RawDataElement) -> int:
    value = raw.value or b""
    if not _holds_items(raw.tag, raw.VR, value[:4]):
        return 0
    # Files that have these are rare, so they are taken for as many as there can be.
    if not raw.is_little_endian:
        return len(value) // _SMALLEST_ELEMENT
    return _walk(value, 0, len(value), raw.is_implicit_VR)[1]


def _holds_items(tag: int, vr: str | None, begin: bytes) -> bool:
    if vr in (None, VR.UN):
        return begin in (_ITEM, _BIG_ENDIAN_ITEM) or _is_standard_sequence(tag)
    return vr == VR.SQ


def _end_of_sequence(part: bytes, at: int, vr: str | None, implicit: bool) -> int:
    """No earlier place than the end of a value of undefined length that begins at `at`."""
    if vr in (None, VR.SQ, VR.UN):
        return _walk(part, at, _OPEN, implicit)[0]
    end = part.find(_SEQUENCE_END_BYTES, at)
    return len(part) if end < 0 else end + _SMALLEST_ELEMENT


def _walk(part: bytes, at: int, end: int, implicit: bool) -> tuple[int, int]:
    """Where a sequence of items from `at` to `end` ends in fact, and the number of items and elements in it.

    Steps as pydicom would, which takes whatever stands in the place of an item for one, and guesses the VR of its
    elements by the first; but builds nothing.
    """
    opened = [(end, implicit, True)]
    count = 0
    while opened and at + _SMALLEST_ELEMENT <= len(part):
        end, implicit, is_sequence = opened[-1]
        if at >= end:
            opened.pop()
            continue
        count += 1
        if count > MAX_NESTED_ELEMENTS:
            raise TooManyElements
        group, number, vr, length, at = _nested_head(part, at, implicit or is_sequence)
        if (group, number) == (_SEQUENCE_END if is_sequence else _ITEM_END):
            opened.pop()
            at = at if end == _OPEN else end
        elif is_sequence:
            implicit = implicit or not _looks_explicit(part[at + 4 : at + 6])
            opened.append((_OPEN if length == UNDEFINED_LENGTH else at + length, implicit, False))
        elif length == UNDEFINED_LENGTH and vr in (None, VR.SQ, VR.UN):
            opened.append((_OPEN, implicit, True))
        elif length == UNDEFINED_LENGTH:
            at = _end_of_sequence(part, at, vr, implicit)
        elif _holds_items(group << 16 | number, vr, part[at : at + 4]):
            opened.append((at + length, implicit, True))
        else:
            at += length
    return min(at, len(part)) if not opened else len(part), count


def _nested_head(part: bytes, at: int, implicit: bool) -> tuple[int, int, str | None, int, int]:
    """As `_element_head`, of what may be irregular."""
    group, number, code, length = _explicit(part, at)
    if implicit or group == 0xFFFE or not _looks_explicit(code):
        return group, number, None, _length(part, at + 4)[0], at + 8
    vr = _VRS.get(code, "unknown")
    if vr in _LONG_VRS and at + 12 <= len(part):
        return group, number, vr, _length(part, at + 8)[0], at + 12
    return group, number, vr, length, at + 8


def _looks_explicit(code: bytes) -> bool:
    return len(code) == 2 and code.isalpha() and code.isupper()


@lru_cache(maxsize=4096)
def _is_standard_sequence(tag: int) -> bool:
    try:
        return dictionary_VR(tag) == VR.SQ
    except KeyError:
        return False


def _element_head(part: bytes, at: int, implicit: bool) -> tuple[int, int, str | None, int, int]:
    """Group, element number, VR, length of the value and where it begins."""
    if implicit:
        group, number, length = _implicit(part, at)
        vr = None
    else:
        group, number, code, length = _explicit(part, at)
        vr = _VRS.get(code)
        if vr is None:
            raise IrregularData("unknown VR")
        if vr in _LONG_VRS:
            if at + 12 > len(part):
                raise IrregularData("no length")
            (length,) = _length(part, at + 8)
            at += 4
    if group == 0xFFFE:
        raise IrregularData("an item outside a sequence")
    return group, number, vr, length, at + 8


def _of_undefined_length(part: bytes, at: int, bound: int, implicit: bool, before: Elements) -> tuple[DataElement, int]:
    # Nothing but what was walked through is given to pydicom, so it builds no more than was counted.
    stream = io.BytesIO(part[at:bound])
    encoding = convert_encodings(Dataset(before).get("SpecificCharacterSet"))
    found = next(data_element_generator(cast(BinaryIO, stream), implicit, True, encoding=encoding))
    return cast(DataElement, found), at + stream.tell()


@lru_cache(maxsize=4096)
def _tag(group: int, number: int) -> BaseTag:
    return BaseTag(group << 16 | number)
