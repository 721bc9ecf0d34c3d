"""What goes wrong with files: each mutation changes a tree of elements, or bytes, by what a generator draws."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.fuzz.elements import LONG_VRS, PIXELS, UNDEFINED, Element, File

Draw = np.random.Generator

# What the reader looks at, and so what is worth being wrong.
_LOOKED_AT = """SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality PatientID
PatientBirthDate PatientAge PatientSex PatientName StudyDate StudyTime AcquisitionDate AcquisitionTime ContentDate
ContentTime SeriesDescription StudyDescription ProtocolName BodyPartExamined ImageType Manufacturer ScanningSequence
SequenceVariant MRAcquisitionType RepetitionTime EchoTime EchoNumbers FlipAngle TriggerTime TemporalPositionIdentifier
NumberOfTemporalPositions AcquisitionNumber InstanceNumber SeriesNumber ImagePositionPatient ImageOrientationPatient
PixelSpacing SliceThickness SpacingBetweenSlices SliceLocation Rows Columns NumberOfFrames SamplesPerPixel
PhotometricInterpretation BitsAllocated BitsStored HighBit PixelRepresentation RescaleSlope RescaleIntercept
ContrastBolusAgent ContrastBolusStartTime SpecificCharacterSet PatientPosition PixelData TemporalPositionIndex
FrameAcquisitionDateTime FrameReferenceDateTime InStackPositionNumber StackID DimensionIndexValues FrameType
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence FrameContentSequence PlanePositionSequence
PlaneOrientationSequence PixelMeasuresSequence PixelValueTransformationSequence MREchoSequence EffectiveEchoTime
"""
_TAGS = {tag_for_keyword(keyword) for keyword in _LOOKED_AT.split()}

_TEXTS = [
    b"", b"0", b"-1", b"1", b"2", b"7", b"nan", b"inf", b"-inf", b"1e308", b"1e400", b"-1e-320", b"1e-300\\1e300",
    b"nan\\nan", b"0\\0", b"0.5\\0.5", b"1\\2\\3", b"1\\0\\0\\1\\0\\0", b"1\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0",
    b"1e200\\1e200\\1e200", b"99999999999999999999", b"2147483648", b"-2147483649", b"0x10", b"1,5", b"1.5.5",
    b"\\\\\\\\", b" ", b"\0\0\0\0", b"240000", b"235960.999999", b"9999", b"00", b"25:61:61", b"00000000", b"20201301",
    b"99999999", b"18000101000000.000000+9999", b"ORIGINAL\\PRIMARY", b"M", b"YES", b"000Y", b"\xff\xfe\xfd", b"\x1b$B",
    b"ISO_IR 192", b"ISO 2022 IR 87\\ISO 2022 IR 159", b"\\ISO 2022 IR 58", b"NONSENSE", b"MONOCHROME1", b"RGB", b"MR",
    b"1.2.840.10008.5.1.4.1.1.4.1", b"1.2.840.10008.5.1.4.1.1.4", b"../../../etc", b"a" * 70, b"9" * 5000, b"\\" * 3000,
    b"post " * 2000, b"GE MEDICAL SYSTEMS", b"Philips",
]  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 7, 8, 12, 15, 16, 17, 31, 32, 63, 64, 255, 256, 1024, 32767, 32768, 65534, 65535)
_VRS = [b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
        b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
        b"UT", b"UV", b"ZZ", b"\0\0", b"  "]  # fmt: skip
_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGBaseline8Bit,
    "1.2.840.10008.1.2.4.100",
    "1.2.3",
    "",
)
_BOMB_BYTES = 300 * 2**20


def value(file: File, draw: Draw) -> None:
    """An attribute has a value that it should not have."""
    holder, place = _looked_at(file, draw)
    element = holder[place]
    if isinstance(element.value, list):
        element.value = _of(draw, ([], element.value[:1], element.value[1:], element.value * 2, [[]], [[], []]))
    elif element.vr in (b"US", b"SS", b"UL", b"SL"):
        element.value = struct.pack("<H" if element.vr in (b"US", b"SS") else "<I", _of(draw, _NUMBERS))
        if file.syntax == ExplicitVRBigEndian:
            element.value = element.value[::-1]
    elif element.vr in (b"FD", b"FL"):
        number = _of(draw, (0.0, -1.0, float("nan"), float("inf"), 1e300, 5e-324))
        element.value = struct.pack("<d", number) if element.vr == b"FD" else struct.pack("<f", np.float32(number))
    elif element.vr in LONG_VRS:
        element.value = element.value[: int(draw.integers(len(element.value) + 1))]
    else:
        text = _of(draw, _TEXTS)
        element.value = text + b" " * (len(text) % 2)


def length(file: File, draw: Draw) -> None:
    """An element claims another length than it has."""
    holder, place = _any(file, draw)
    true = len(holder[place].value)
    holder[place].length = int(
        _of(draw, (0, 1, true + 1, true + 2, max(0, true - 2), 0xFFFF, 0xFFFFFFFE, UNDEFINED, 0x7FFFFFFF, 2**28))
    )


def vr(file: File, draw: Draw) -> None:
    """An element is said to be of another VR."""
    holder, place = _any(file, draw)
    holder[place].vr = _of(draw, _VRS)


def drop(file: File, draw: Draw) -> None:
    """An element is missing."""
    holder, place = _looked_at(file, draw)
    del holder[place]


def duplicate(file: File, draw: Draw) -> None:
    """An element comes twice, the second time elsewhere."""
    holder, place = _any(file, draw)
    holder.insert(int(draw.integers(len(holder) + 1)), holder[place])


def shuffle(file: File, draw: Draw) -> None:
    """Elements are not in order."""
    draw.shuffle(file.elements)  # type: ignore[arg-type]


def retag(file: File, draw: Draw) -> None:
    """A value stands under another tag."""
    holder, place = _any(file, draw)
    holder[place].tag = int(_of(draw, (*_TAGS, 0x00000000, 0xFFFFFFFF, 0xFFFEE000, 0xFFFEE0DD, 0x00020010, PIXELS)))


def nest(file: File, draw: Draw) -> None:
    """A sequence holds itself many times over."""
    tag = _of(draw, (0x00081140, 0x52009229, 0x52009230, 0x00400275, 0x00091001))
    order = ">" if file.syntax == ExplicitVRBigEndian else "<"
    group_and_number = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    vr = b"" if file.syntax == ImplicitVRLittleEndian else b"SQ\0\0"
    inside = b""
    for _ in range(int(_of(draw, (10, 200, 1500)))):
        item = struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(inside)) + inside
        inside = group_and_number + vr + struct.pack(f"{order}I", len(item)) + item
    file.elements.insert(0, Element(tag, b"SQ", struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(inside)) + inside))


def bulk(file: File, draw: Draw) -> None:
    """A private element is large."""
    size = int(_of(draw, (2**16, 2**20, 2**22)))
    file.elements.insert(int(draw.integers(len(file.elements))), Element(0x00091001, b"UN", bytes(size)))


def items(file: File, draw: Draw) -> None:
    """A functional group, or another sequence, lacks items, repeats them or is empty."""
    sequences = [(h, p) for h, p in file.every() if isinstance(h[p].value, list)]
    if sequences:
        holder, place = _of(draw, sequences)
        found = holder[place].value
        holder[place].value = _of(draw, (found[:-1], found[1:], found * 2, [], [[]] * len(found), found[::-1]))


def syntax(file: File, draw: Draw) -> None:
    """The file says that it is in another transfer syntax."""
    file.claims = str(_of(draw, _SYNTAXES))


def fragments(file: File, draw: Draw) -> None:
    """Bits of the pixels are flipped, or those of the headers of their fragments and codestreams."""
    for element in file.elements:
        if element.tag == PIXELS and isinstance(element.value, bytes) and element.value:
            pixels = bytearray(element.value)
            reach = int(_of(draw, (16, 32, 80, 200, len(pixels))))
            for _ in range(int(draw.integers(1, 6))):
                pixels[int(draw.integers(min(reach, len(pixels))))] ^= 1 << int(draw.integers(8))
            element.value = bytes(pixels)


def short_pixels(file: File, draw: Draw) -> None:
    """Pixels end early, come twice or are none."""
    for element in file.elements:
        if element.tag == PIXELS and isinstance(element.value, bytes):
            cut = int(draw.integers(len(element.value) + 1))
            element.value = _of(draw, (b"", element.value[:cut], element.value[cut:], element.value * 2))


def tail(file: File, draw: Draw) -> None:
    """Junk follows the data set."""
    file.tail = draw.bytes(int(draw.integers(1, 4000)))


def big_claim(file: File, draw: Draw) -> None:
    """The image claims to be huge, in every attribute that sizes it."""
    for element in file.elements:
        if element.tag in (0x00280010, 0x00280011) and isinstance(element.value, bytes):
            element.value = b"\xff\xff" if draw.random() < 0.7 else element.value
        if element.tag == 0x00280008:
            element.value = b"99999999"
    if draw.random() < 0.5:
        file.elements[:] = [e for e in file.elements if e.tag != 0x00280008]
        file.elements.append(Element(0x00280008, b"IS", _of(draw, (b"2147483647", b"0 ", b"-5", b"1 ", b"40"))))
        file.elements.sort(key=lambda e: e.tag)


TREE_MUTATIONS: tuple[Callable[[File, Draw], None], ...] = (
    value, value, value, value, value, length, length, vr, vr, drop, drop, duplicate, shuffle, retag, nest, bulk, items,
    items, syntax, fragments, fragments, short_pixels, tail, big_claim,
)  # fmt: skip


def cut(content: bytes, draw: Draw) -> bytes:
    """The file ends early."""
    return content[: int(draw.integers(len(content) + 1))]


def flip(content: bytes, draw: Draw) -> bytes:
    """A few bits are flipped, mostly of the header."""
    found = bytearray(content)
    reach = len(found) if draw.random() < 0.3 else min(len(found), 2000)
    for _ in range(int(draw.integers(1, 9))):
        found[int(draw.integers(reach))] ^= 1 << int(draw.integers(8))
    return bytes(found)


def splice(content: bytes, draw: Draw) -> bytes:
    """A run of bytes is lost, repeated or something else."""
    at, count = int(draw.integers(len(content))), int(draw.integers(1, 64))
    middle = _of(draw, (b"", content[at : at + count] * 2, draw.bytes(count), b"\xff" * count, bytes(count)))
    return content[:at] + middle + content[at + count :]


def noise(content: bytes, draw: Draw) -> bytes:
    """Nothing but noise, with or without the prefix of DICOM and the file meta information."""
    kept = int(_of(draw, (0, 132, 300, 400)))
    return content[:kept] + draw.bytes(int(draw.integers(0, 3000)))


def bomb(draw: Draw) -> bytes:
    """A deflated data set that is far larger than its file: small elements, or a large one, without end."""
    element = _of(draw, (bytes(8), b"\x09\x00\x01\x10UN\0\0" + b"\xf0\xff\xff\x7f", b"\x08\x00\x60\x00CS\x02\x00MR"))
    deflate = zlib.compressobj(wbits=-15)
    # After a full flush, a block stands for itself and can be repeated.
    block = deflate.compress(element * (2**20 // len(element))) + deflate.flush(zlib.Z_FULL_FLUSH)
    meta = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    head = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta)) + meta
    return head + block * (_BOMB_BYTES // 2**20) + deflate.flush()


BYTE_MUTATIONS: tuple[Callable[[bytes, Draw], bytes], ...] = (cut, flip, flip, flip, splice, splice, noise)


def _of(draw: Draw, choices):
    return choices[int(draw.integers(len(choices)))]


def _any(file: File, draw: Draw) -> tuple[list[Element], int]:
    return _of(draw, file.every())


def _looked_at(file: File, draw: Draw) -> tuple[list[Element], int]:
    every = file.every()
    known = [(holder, place) for holder, place in every if holder[place].tag in _TAGS]
    return _of(draw, known if known and draw.random() < 0.8 else every)
