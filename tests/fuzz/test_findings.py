"""What the fuzz run found, and is mended, made again without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pcr.dicom_file import read_header
from pcr.study import read_inbox
from tests.fuzz.elements import Element, parse, written

_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
_LIMIT = 2**24


@pytest.fixture
def study(seeds: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeds / "duke-siemens-series-per-phase" / "study", tmp_path / "in"))


def first_file(study: Path) -> Path:
    return sorted(study.iterdir())[0]


@pytest.mark.parametrize(
    "padding",
    [
        [Element(0x00070000 + n % 2**16, b"LO", b"") for n in range(30_000)],
        [Element(0x00071001, b"SQ", _ITEM * 300_000)],
        [Element(0x00071001, b"SQ", _ITEM * 300_000 + b"\xfe\xff\xdd\xe0\0\0\0\0", 0xFFFFFFFF)],
    ],
    ids=["elements", "items", "items to their delimiter"],
)
def test_a_header_of_very_many_parts_is_not_taken_apart(padding: list[Element], study: Path) -> None:
    """Each costs a hundred times its bytes: a deflated file of 600 kB had taken a minute."""
    file = parse(first_file(study).read_bytes())
    file.elements[:0] = padding
    first_file(study).write_bytes(written(file))
    assert read_header(first_file(study), _LIMIT) is None


@pytest.mark.parametrize("length", [None, 0xFFFFFFFF], ids=["by length", "to the delimiter"])
@pytest.mark.parametrize("tag", [0x00081140, 0x00071001], ids=["standard", "private"])
def test_an_item_of_very_many_elements_is_not_taken_apart(tag: int, length: int | None, study: Path) -> None:
    """Two million in one item had taken 20 s and 340 MiB."""
    inside = b"\x07\x00\x01\x10LO\0\0" * 1_100_000
    value = b"\xfe\xff\x00\xe0" + len(inside).to_bytes(4, "little") + inside
    file = parse(first_file(study).read_bytes())
    delimiter = b"" if length is None else b"\xfe\xff\xdd\xe0\0\0\0\0"
    file.elements[:0] = [Element(tag, b"SQ", value + delimiter, length)]
    first_file(study).write_bytes(written(file))
    found = read_header(first_file(study), _LIMIT)
    # A long private sequence is stepped over where its length says how far.
    assert found is None or tag not in found[0]


@pytest.mark.parametrize(("vr", "value"), [(b"OB", b"1.2 "), (b"LO", b"1.2.840.10008.5.1.4.1.1.4 "), (b"DS", b"1.2 ")])
def test_a_class_that_is_no_uid_is_an_invalid_identity(vr: bytes, value: bytes, study: Path) -> None:
    """Its name had been asked for."""
    file = parse(first_file(study).read_bytes())
    (place,) = [place for place, element in enumerate(file.elements) if element.tag == 0x00080016]
    file.elements[place] = Element(0x00080016, vr, value)
    first_file(study).write_bytes(written(file))
    assert read_inbox(study).passed_over.invalid_identity == 1
