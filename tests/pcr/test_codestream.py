"""A compressed stream says how large its image is before anything is decoded."""

from __future__ import annotations

import jpeg_ls
import numpy as np
import pytest
from imagecodecs import jpeg2k_encode, ljpeg_encode

from pcr.codestream import CodedSize, DamagedStream, coded_size

VALUES = np.arange(6 * 11, dtype=np.uint16).reshape(6, 11)
STREAMS = {
    "JPEG Lossless": ljpeg_encode(VALUES, bitspersample=12),
    "JPEG-LS": bytes(jpeg_ls.encode_array(VALUES)),
    "JPEG 2000": jpeg2k_encode(VALUES, codecformat="j2k", reversible=True, level=0, bitspersample=12),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_size_is_that_of_the_image(name: str) -> None:
    size = coded_size(STREAMS[name])
    assert (size.rows, size.columns, size.components) == (6, 11, 1)


def test_the_bits_are_those_of_a_sample() -> None:
    assert [coded_size(STREAMS[name]).bits for name in ("JPEG Lossless", "JPEG 2000")] == [12, 12]


def test_fill_bytes_before_a_marker_are_passed_over() -> None:
    stream = STREAMS["JPEG Lossless"]
    assert coded_size(stream[:2] + b"\xff\xff" + stream[2:]) == CodedSize(6, 11, 1, 12)


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\x4f\xff\x51\x00", b"RIFF", b"\xff\xd8\xff\xe0\xff\xff\x00"]
)
def test_a_stream_that_ends_before_its_size_is_damaged(stream: bytes) -> None:
    with pytest.raises(DamagedStream):
        coded_size(stream)


def test_a_jpeg_ls_stream_without_end_reaches_no_decoder() -> None:
    with pytest.raises(DamagedStream, match="no end"):
        coded_size(STREAMS["JPEG-LS"][:-2])
