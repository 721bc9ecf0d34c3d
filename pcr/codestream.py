"""The image size that a compressed frame claims for itself, read before any decoder believes it."""

from __future__ import annotations

from dataclasses import dataclass

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_2000_START = b"\xff\x4f\xff\x51"
# Start of frame of JPEG (ISO/IEC 10918-1 B.1.1.3), without the tables DHT, JPG and DAC among its codes, and of JPEG-LS.
_JPEG_LS = 0xF7
_START_OF_FRAME = {*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xC8, 0xCC}


class DamagedStream(Exception):
    """A compressed stream does not hold what the header of its image says."""


@dataclass(frozen=True, slots=True)
class CodedSize:
    """Rows, columns, components and bits of a sample, as a codestream states them."""

    rows: int
    columns: int
    components: int
    bits: int


def coded_size(stream: bytes) -> CodedSize:
    """The size that a JPEG, JPEG-LS or JPEG 2000 codestream states.

    Raises:
        DamagedStream: it is none of these, or ends before it states a size.
    """
    if stream.startswith(_JPEG_2000_START):
        return _jpeg_2000_size(stream)
    if stream.startswith(_JPEG_START):
        return _jpeg_size(stream)
    raise DamagedStream("no codestream that is known")


def _jpeg_size(stream: bytes) -> CodedSize:
    at = len(_JPEG_START)
    while at + 10 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        if marker in _START_OF_FRAME:
            # CharLS takes seconds to find out that a stream has no end.
            if marker == _JPEG_LS and not stream.rstrip(b"\0").endswith(_JPEG_END):
                raise DamagedStream("no end of image")
            rows, columns = (int.from_bytes(stream[i : i + 2]) for i in (at + 5, at + 7))
            return CodedSize(rows, columns, stream[at + 9], stream[at + 4])
        at += 2 + int.from_bytes(stream[at + 2 : at + 4])
    raise DamagedStream("no start of frame")


def _jpeg_2000_size(stream: bytes) -> CodedSize:
    """From the SIZ marker segment (ISO/IEC 15444-1 A.5.1)."""
    if len(stream) < 43:
        raise DamagedStream("no image size")
    right, bottom, left, top = (int.from_bytes(stream[i : i + 4]) for i in (8, 12, 16, 20))
    return CodedSize(bottom - top, right - left, int.from_bytes(stream[40:42]), (stream[42] & 0x7F) + 1)
