"""Compressed frames of an image: taken out of their encapsulation, checked, and decoded one by one."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, RLELossless

from pcr.codestream import DamagedStream, coded_size
from pcr.pixel_format import PixelFormat
from pcr.reasons import NotEvaluable, ReasonCode

_JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)


def check_decodable(syntax: UID, form: PixelFormat) -> None:
    """Refuse pixels that nothing here can decode; private and unknown UIDs are no transfer syntax at all.

    Raises:
        NotEvaluable: `unsupported_transfer_syntax`.
    """
    if not _decodable(syntax) or (syntax == JPEGExtended12Bit and form.bits_stored > 8):
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_TRANSFER_SYNTAX,
            f"no decoder for transfer syntax {syntax.name}; send the study as Explicit VR Little Endian",
        )
    if syntax.is_compressed and syntax != RLELossless and form.high_bit + 1 != form.bits_stored:
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT,
            "compressed images of the dynamic series do not keep their values in the lowest bits",
        )


def max_encoded_bytes(form: PixelFormat) -> int:
    """What a frame takes at most: a stream much larger than its pixels is no compression of them."""
    return 2 * form.frame_bytes + 2**16


def decoded_frames(
    encapsulated: bytes, wanted: Container[int], form: PixelFormat, count: int, syntax: UID
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """The wanted frames of `count` in an encapsulated pixel element (PS3.5 A.4), by index, as values to change.

    Raises:
        DamagedStream: a frame is not an image of this format.
    """
    try:
        for index, stream in enumerate(generate_frames(encapsulated, number_of_frames=count)):
            if index in wanted:
                yield index, _decoded(stream, form, syntax)
    except DamagedStream:
        raise
    except Exception as error:  # decoders raise whatever they like on a damaged stream
        raise DamagedStream(type(error).__name__) from error


def _decoded(stream: bytes, form: PixelFormat, syntax: UID) -> npt.NDArray[Any]:
    if len(stream) > max_encoded_bytes(form):
        raise DamagedStream("the stream is larger than its image")
    if syntax != RLELossless:
        size = coded_size(stream)
        if (size.rows, size.columns, size.components) != (form.rows, form.columns, 1):
            raise DamagedStream("the stream is of another size than its image")
        if size.bits > form.bits_allocated:
            raise DamagedStream("the stream has more bits than its image")
    # A JPEG Lossless stream knows no sign: its values are the stored bits.
    values = _by_jpeg_lossless(stream, form) if syntax in _JPEG_LOSSLESS else _by_pydicom(stream, form, syntax)
    if values.shape != (form.rows, form.columns):
        raise DamagedStream("the decoded image has another shape")
    return values


def _by_jpeg_lossless(stream: bytes, form: PixelFormat) -> npt.NDArray[Any]:
    # A large library that hardly any study needs.
    from imagecodecs import jpegsof3_decode

    bits = np.asarray(jpegsof3_decode(stream))
    return bits.astype(f"uint{form.bits_allocated}").view(form.dtype)


def _by_pydicom(stream: bytes, form: PixelFormat, syntax: UID) -> npt.NDArray[Any]:
    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "number_of_frames": 1,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "pixel_keyword": "PixelData",
    }
    values, _ = get_decoder(syntax).as_array(encapsulate([stream]), index=0, raw=True, **options)
    return np.array(values, dtype=form.dtype)


def _decodable(syntax: UID) -> bool:
    if syntax.is_private or not syntax.is_transfer_syntax:
        return False
    try:
        return not syntax.is_compressed or syntax in _JPEG_LOSSLESS or bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
