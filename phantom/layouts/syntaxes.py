"""The data of duke-siemens-series-per-phase in other transfer syntaxes, and written twice."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
from imagecodecs import jpeg2k_encode, jpeg8_encode
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from phantom.layouts import siemens
from phantom.layouts.base import Layout


def _rle(image: Dataset) -> Iterator[Dataset]:
    image.compress(RLELossless, generate_instance_uid=False)
    yield image


def _jpegls(image: Dataset) -> Iterator[Dataset]:
    image.compress(JPEGLSLossless, generate_instance_uid=False)
    yield image


def _jpeg2000(image: Dataset) -> Iterator[Dataset]:
    stream = jpeg2k_encode(_stored(image), codecformat="j2k", reversible=True, level=0, bitspersample=image.BitsStored)
    return _encapsulated(image, stream, JPEG2000Lossless)


def _jpeg_lossless(image: Dataset) -> Iterator[Dataset]:
    stream = jpeg8_encode(_stored(image), lossless=True, predictor=1, bitspersample=image.BitsStored)
    return _encapsulated(image, stream, JPEGLosslessSV1)


def _big_endian(image: Dataset) -> Iterator[Dataset]:
    image.PixelData = _stored(image).astype(">u2").tobytes()
    return _in_syntax(image, ExplicitVRBigEndian)


def _implicit(image: Dataset) -> Iterator[Dataset]:
    return _in_syntax(image, ImplicitVRLittleEndian)


def _deflated(image: Dataset) -> Iterator[Dataset]:
    return _in_syntax(image, DeflatedExplicitVRLittleEndian)


def _twice(image: Dataset) -> Iterator[Dataset]:
    yield image
    yield deepcopy(image)


def _stored(image: Dataset) -> NDArray[np.uint16]:
    """The stored values, [R, C]."""
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


def _encapsulated(image: Dataset, stream: bytes, syntax: UID) -> Iterator[Dataset]:
    image.PixelData = encapsulate([bytes(stream)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    return _in_syntax(image, syntax)


def _in_syntax(image: Dataset, syntax: UID) -> Iterator[Dataset]:
    image.file_meta.TransferSyntaxUID = syntax
    yield image


_SYNTAXES = {
    "rle": ("RLE Lossless", _rle),
    "jpegls": ("JPEG-LS Lossless", _jpegls),
    "jpeg2000": ("JPEG 2000 Lossless", _jpeg2000),
    "jpeg-lossless": ("JPEG Lossless, first-order prediction", _jpeg_lossless),
    "big-endian": ("Explicit VR Big Endian (retired)", _big_endian),
    "implicit": ("Implicit VR Little Endian", _implicit),
    "deflated": ("Deflated Explicit VR Little Endian", _deflated),
}

LAYOUTS = (
    *(
        Layout(
            name=f"duke-siemens-{name}",
            summary=f"as duke-siemens-series-per-phase, in {syntax}",
            equipment=siemens.EQUIPMENT,
            dynamic=siemens.dynamic,
            others=siemens.others,
            encoded=encoded,
        )
        for name, (syntax, encoded) in _SYNTAXES.items()
    ),
    Layout(
        name="duplicated",
        summary="as duke-siemens-series-per-phase, every file there twice under two names",
        equipment=siemens.EQUIPMENT,
        dynamic=siemens.dynamic,
        others=siemens.others,
        encoded=_twice,
    ),
)
