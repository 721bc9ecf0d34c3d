"""A file gives its header and the place of its pixels, whatever it claims about itself."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tiny_mr import change, mr_image, save, signal

from pcr.dicom_file import read_header

MIB = 2**20


def written(image: Dataset, folder: Path) -> Path:
    return save([image], folder) / "0000"


@contextmanager
def peak_below(limit_bytes: int) -> Iterator[None]:
    """Holds the memory that Python allocates meanwhile below a limit."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit_bytes
    finally:
        tracemalloc.stop()


def with_sequences(image: Dataset, undefined: bool) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPInstanceUID, reference.TextComments = "1.2.3", "Größe"
    image.SpecificCharacterSet = "ISO_IR 100"
    image.PatientComments = "müde"
    image.SeriesNumber, image.OperatorsName = None, ""
    image.ReferencedImageSequence = [reference, reference]
    image["ReferencedImageSequence"].is_undefined_length = undefined
    reference.is_undefined_length_sequence_item = undefined
    image.ReferencedStudySequence = []
    image.add_new(0x00090010, "LO", "OURS")
    image.add_new(0x00091001, "UN", b"12")
    return image


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_a_header_is_what_another_reader_reads(tmp_path: Path, syntax: str, undefined: bool) -> None:
    image = with_sequences(mr_image(PixelData=None), undefined)
    image.file_meta.TransferSyntaxUID = syntax
    path = written(image, tmp_path)
    header, _ = read_header(path, MIB)
    expected = pydicom.dcmread(path)
    assert Dataset(header) == Dataset(expected)
    assert header.file_meta == expected.file_meta
    assert header.ReferencedImageSequence[1].TextComments == "Größe"


def test_a_header_written_in_another_transfer_syntax_than_it_says_is_read(tmp_path: Path) -> None:
    path = written(mr_image(1, 2), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
    header, pixels = read_header(path, MIB)
    assert header.PatientID == "T-1"
    assert content[pixels.offset :][: pixels.length] == signal(1, 2).tobytes()


@pytest.mark.parametrize("private_bytes", [0, 40_000, 3 * MIB])
def test_pixels_lie_where_the_header_says_however_long_it_is(tmp_path: Path, private_bytes: int) -> None:
    (image := mr_image(1, 2)).add_new(0x00091001, "OB", bytes(private_bytes))
    path = written(image, tmp_path)
    header, pixels = read_header(path, 16 * MIB)
    assert path.read_bytes()[pixels.offset :][: pixels.length] == signal(1, 2).tobytes()
    assert header.PatientID == "T-1"


def test_a_header_longer_than_the_limit_is_no_dicom(tmp_path: Path) -> None:
    (image := mr_image()).add_new(0x00091001, "OB", bytes(3 * MIB))
    assert read_header(written(image, tmp_path), 2 * MIB) is None


def test_a_header_keeps_nothing_of_the_file_in_memory(tmp_path: Path) -> None:
    header, _ = read_header(written(mr_image(), tmp_path), MIB)
    assert header.buffer is None
    assert "PixelData" not in header


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("undefined", [False, True])
def test_of_long_values_only_the_sequences_of_the_standard_are_kept(
    tmp_path: Path, syntax: str, undefined: bool
) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = syntax
    item = Dataset()
    item.add_new(0x00091002, "OB", bytes(100_000))
    image.add_new(0x00091001, "OB", bytes(100_000))
    image.add_new(0x00091002, "OB", bytes(60_000))
    image.ReferencedImageSequence = [item]
    image["ReferencedImageSequence"].is_undefined_length = undefined
    header, pixels = read_header(written(image, tmp_path), MIB)
    assert (0x00091001 in header, 0x00091002 in header) == (False, True)
    assert len(header.ReferencedImageSequence[0][0x00091002].value) == 100_000
    assert header.memory_bytes > 160_000
    assert pixels is not None


@pytest.mark.parametrize("undefined", [False, True])
def test_a_long_private_sequence_is_not_kept(tmp_path: Path, undefined: bool) -> None:
    item = Dataset()
    item.add_new(0x00091002, "OB", bytes(100_000))
    (image := mr_image()).add_new(0x00091001, "SQ", [item])
    image[0x00091001].is_undefined_length = undefined
    header, pixels = read_header(written(image, tmp_path), MIB)
    assert 0x00091001 not in header
    assert pixels is not None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("undefined", [False, True])
def test_a_header_weighs_more_with_every_element_in_its_sequences(tmp_path: Path, syntax: str, undefined: bool) -> None:
    weights = []
    for count in (0, 1000):
        (image := mr_image()).file_meta.TransferSyntaxUID = syntax
        inner, outer = Dataset(), Dataset()
        for number in range(count):
            inner.add_new(0x00091001 + number, "LO", "")
        outer.ReferencedStudySequence = [inner]
        outer["ReferencedStudySequence"].is_undefined_length = undefined
        image.ReferencedImageSequence = [outer]
        header, _ = read_header(written(image, tmp_path / str(count)), MIB)
        weights.append(header.memory_bytes)
    assert weights[1] - weights[0] >= 200_000


def test_a_length_of_gigabytes_allocates_none(tmp_path: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = written(image, tmp_path)
    path.write_bytes(
        path.read_bytes().replace(b"\x08\x00\x60\x00\x02\x00\x00\x00", b"\x08\x00\x60\x00\xfe\xff\xff\xef")
    )
    with peak_below(MIB):
        header, pixels = read_header(path, 64 * MIB)
    assert pixels is None
    assert "Rows" not in header


def test_a_deflated_bomb_is_inflated_no_further_than_a_header_may_be(tmp_path: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.add_new(0x00091001, "OB", b"")
    path = written(image, tmp_path)
    whole = path.read_bytes()
    meta_end = 132 + 12 + int.from_bytes(whole[140:144], "little")
    plain = zlib.decompress(whole[meta_end:], -zlib.MAX_WBITS)
    bomb = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    at = plain.index(b"\x09\x00\x01\x10OB\0\0")
    stream = bomb.compress(plain[: at + 8] + (2**31).to_bytes(4, "little"))
    stream += b"".join(bomb.compress(bytes(MIB)) for _ in range(300)) + bomb.flush()
    path.write_bytes(whole[:meta_end] + stream)
    with peak_below(32 * MIB):
        read_header(path, 4 * MIB)


def test_a_value_that_is_not_what_it_should_be_stays_its_bytes(tmp_path: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = written(image, tmp_path)
    rows = b"\x28\x00\x10\x00\x02\x00\x00\x00\x08\x00"
    path.write_bytes(path.read_bytes().replace(rows, b"\x28\x00\x10\x00\x03\x00\x00\x00\xff\xff\xff"))
    header, _ = read_header(path, MIB)
    assert not isinstance(header.Rows, int)
    assert header.Columns == 10


def test_sequences_nested_deeply_are_taken_apart_one_by_one(tmp_path: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = written(image, tmp_path)
    nested = b""
    for _ in range(3000):
        item = b"\xfe\xff\x00\xe0" + len(nested).to_bytes(4, "little") + nested
        nested = b"\x08\x00\x40\x11" + len(item).to_bytes(4, "little") + item
    content = path.read_bytes()
    at = content.index(b"\x18\x00\x15\x00")
    path.write_bytes(content[:at] + nested + content[at:])
    header, pixels = read_header(path, 16 * MIB)
    assert pixels is not None
    walked = header.get("ReferencedImageSequence")
    while walked:
        walked = walked[0].get("ReferencedImageSequence")


def test_sequences_of_undefined_length_nested_too_deeply_are_no_dicom(tmp_path: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = written(image, tmp_path)
    content = path.read_bytes()
    at = content.index(b"\x18\x00\x15\x00")
    opened = b"\x08\x00\x40\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(content[:at] + opened * 3000 + content[at:])
    assert read_header(path, 16 * MIB) is None


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@given(damage=st.dictionaries(st.integers(132, 900), st.integers(0, 255), min_size=1, max_size=12))
def test_every_attribute_of_a_damaged_header_can_be_asked_for(
    tmp_path_factory: pytest.TempPathFactory, damage: dict[int, int]
) -> None:
    folder = tmp_path_factory.mktemp("in")
    change(image := mr_image(), SpecificCharacterSet="ISO_IR 100")
    path = written(image, folder)
    content = bytearray(path.read_bytes())
    for place, value in damage.items():
        if place < len(content):
            content[place] = value
    path.write_bytes(content)
    found = read_header(path, MIB)
    for keyword in [] if found is None else found[0].dir():
        str(found[0].get(keyword))
