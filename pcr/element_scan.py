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

_implicit = Struct("<HHL").unpack_from
_explicit = Struct("<HH2sH").unpack_from
_length = Struct("<L").unpack_from
_VRS = {str(vr).encode(): str(vr) for vr in VR if len(str(vr)) == 2}
_LONG_VRS = frozenset(map(str, EXPLICIT_VR_LENGTH_32))


class IrregularData(Exception):
    """A data set is not written as its transfer syntax demands (PS3.5 7.1)."""


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

    Raises:
        IrregularData: an element is not where or what it should be.
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
            elements[tag], at = _of_undefined_length(part, begin, implicit, elements)
            continue
        value = part[at : at + length] if length else cast("bytes | None", empty_value_for_VR(vr, raw=True))
        elements[tag] = RawDataElement(tag, vr, length, value, at, implicit, True)
        at += length
    return elements, None


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


def _of_undefined_length(part: bytes, at: int, implicit: bool, before: Elements) -> tuple[DataElement, int]:
    stream = io.BytesIO(part)
    stream.seek(at)
    encoding = convert_encodings(Dataset(before).get("SpecificCharacterSet"))
    found = next(data_element_generator(cast(BinaryIO, stream), implicit, True, encoding=encoding))
    return cast(DataElement, found), stream.tell()


@lru_cache(maxsize=4096)
def _tag(group: int, number: int) -> BaseTag:
    return BaseTag(group << 16 | number)
