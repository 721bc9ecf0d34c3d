"""The signal of an image is what its stored values say, however they are written."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import jpeg_ls
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagecodecs import jpeg2k_encode, ljpeg_encode
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from tiny_mr import COLUMNS, ROWS, change, mr_image, save, set_pixels, signal

from pcr.frames import Frame, frames_of
from pcr.pixels import read_signal, signal_dtype
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox

KINDS = {"uint8": 8, "uint12": 12, "uint16": 16, "int16": 16, "int12": 12, "uint32": 32, "int8": 8}
COMPRESSED_KINDS = ["uint8", "uint12", "uint16", "int16", "int12"]


def ramp(kind: str) -> npt.NDArray[Any]:
    """Values [rows, columns] from the lowest to the highest of so many bits."""
    bits, signed = KINDS[kind], kind.startswith("int")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    width = 8 if bits == 8 else 32 if bits == 32 else 16
    values = np.linspace(low, high, ROWS * COLUMNS).round().astype(f"{'int' if signed else 'uint'}{width}")
    return values.reshape(ROWS, COLUMNS)


def image_of(values: npt.NDArray[Any], kind: str = "uint16", **given: Any) -> Dataset:
    set_pixels(image := mr_image(**given), values)
    change(image, BitsStored=KINDS[kind], HighBit=KINDS[kind] - 1)
    return image


def frames_in(folder: Path) -> list[Frame]:
    (study,) = read_inbox(folder).studies
    return [frame for series in study.series for frame in frames_of(series)]


def read(frames: list[Frame]) -> npt.NDArray[Any]:
    out = np.empty((len(frames), frames[0].header.Rows, frames[0].header.Columns), signal_dtype(frames))
    read_signal(frames, out)
    return out


def signal_in(image: Dataset, folder: Path) -> npt.NDArray[Any]:
    return read(frames_in(save([image], folder)))[0]


def refusal_of(image: Dataset, folder: Path) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        signal_in(image, folder)
    return caught.value


def compressed(image: Dataset, syntax: str) -> Dataset:
    """The image with its pixels encoded by a program that is not the one that decodes them, where there is one."""
    values = image.pixel_array
    bits = values.view(f"uint{8 * values.itemsize}") & ((1 << image.BitsStored) - 1)
    if syntax == RLELossless:
        image.compress(RLELossless, generate_instance_uid=False)
        return image
    if syntax == JPEGLSLossless:
        stream = bytes(jpeg_ls.encode_array(bits))
    elif syntax == JPEG2000Lossless:
        stream = jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0, bitspersample=image.BitsStored)
    else:
        stream = ljpeg_encode(bits, bitspersample=image.BitsStored)
    return with_stream(image, stream, syntax)


def with_stream(image: Dataset, stream: bytes, syntax: str) -> Dataset:
    image.PixelData = encapsulate([stream])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    return image


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("kind", KINDS)
def test_the_signal_is_the_stored_values(tmp_path: Path, kind: str, syntax: str) -> None:
    image = image_of(ramp(kind), kind)
    image.file_meta.TransferSyntaxUID = syntax
    found = signal_in(image, tmp_path)
    np.testing.assert_array_equal(found, ramp(kind))
    assert found.dtype == ramp(kind).dtype


@pytest.mark.parametrize("vr", ["OB", "OW"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_signal_of_a_big_endian_image_is_the_stored_values(tmp_path: Path, kind: str, vr: str) -> None:
    values = ramp(kind)
    image = image_of(values, kind)
    words = values.size * values.itemsize // 2
    content = values.astype(values.dtype.newbyteorder(">")).tobytes()
    if vr == "OW" and values.itemsize == 1:
        content = np.frombuffer(content, "<u2", words).astype(">u2").tobytes()
    image.PixelData = content
    image["PixelData"].VR = vr
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(signal_in(image, tmp_path), values)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("kind", COMPRESSED_KINDS)
def test_the_signal_of_a_losslessly_compressed_image_is_the_stored_values(
    tmp_path: Path, kind: str, syntax: str
) -> None:
    image = compressed(image_of(ramp(kind), kind), syntax)
    np.testing.assert_array_equal(signal_in(image, tmp_path), ramp(kind))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000])
def test_the_signal_of_a_lossy_image_is_near_the_stored_values(tmp_path: Path, syntax: str) -> None:
    stream = io.BytesIO()
    options = {"quality": 95} if syntax == JPEGBaseline8Bit else {"no_jp2": True, "irreversible": True}
    Image.fromarray(ramp("uint8")).save(stream, "JPEG" if syntax == JPEGBaseline8Bit else "JPEG2000", **options)
    found = signal_in(with_stream(image_of(ramp("uint8"), "uint8"), stream.getvalue(), syntax), tmp_path)
    np.testing.assert_allclose(found.astype(int), ramp("uint8"), atol=6)


@pytest.mark.parametrize("kind", ["uint12", "int12"])
def test_bits_outside_the_stored_ones_are_no_signal(tmp_path: Path, kind: str) -> None:
    overlay = np.where(np.arange(COLUMNS) % 2, 0x5000, 0xA000).astype(np.uint16)
    values = (ramp(kind).view(np.uint16) & 0x0FFF | overlay).view(ramp(kind).dtype)
    np.testing.assert_array_equal(signal_in(image_of(values, kind), tmp_path), ramp(kind))


def test_values_in_the_highest_bits_are_the_signal(tmp_path: Path) -> None:
    image = image_of(ramp("uint12") << 4, "uint12")
    change(image, HighBit=15)
    np.testing.assert_array_equal(signal_in(image, tmp_path), ramp("uint12"))


@pytest.mark.parametrize(("kind", "ends"), [("uint12", (4095, 0)), ("int16", (32767, -32768)), ("uint8", (255, 0))])
def test_an_image_whose_lowest_value_is_white_is_mirrored(tmp_path: Path, kind: str, ends: tuple[int, int]) -> None:
    found = signal_in(image_of(ramp(kind), kind, PhotometricInterpretation="MONOCHROME1"), tmp_path)
    assert (found.flat[0], found.flat[-1]) == ends
    assert found.dtype == ramp(kind).dtype


def test_each_frame_is_rescaled_by_its_own_coefficients(tmp_path: Path) -> None:
    images = [mr_image(0, 0), mr_image(0, 1, RescaleSlope=0.5, RescaleIntercept=-3)]
    found = read(frames_in(save(images, tmp_path)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [signal(0, 0), signal(0, 1) * 0.5 - 3])


def test_signed_and_unsigned_images_have_one_type_that_holds_both(tmp_path: Path) -> None:
    images = [image_of(ramp("uint16")), image_of(ramp("int16"), "int16", place=1)]
    found = read(frames_in(save(images, tmp_path)))
    np.testing.assert_array_equal(found, np.stack([ramp("uint16").astype(int), ramp("int16")]))


@given(order=st.permutations(range(6)))
def test_each_signal_goes_to_the_place_of_its_frame(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    frames = frames_in(save([mr_image(0, place) for place in range(6)], tmp_path_factory.mktemp("in")))
    found = read([frames[place] for place in order])
    np.testing.assert_array_equal(found, [signal(0, place) for place in order])


def test_an_odd_number_of_bytes_may_be_padded(tmp_path: Path) -> None:
    values = ramp("uint8")[:7, :9]
    image = image_of(np.ascontiguousarray(values), "uint8")
    image.PixelData += b"\0"
    np.testing.assert_array_equal(signal_in(image, tmp_path), values)


@pytest.mark.parametrize("content", [None, b"", bytes(2 * ROWS * COLUMNS - 2), bytes(2 * ROWS * COLUMNS + 2)])
def test_pixels_that_are_not_as_many_as_the_header_says_are_refused(tmp_path: Path, content: bytes | None) -> None:
    change(image := mr_image(), PixelData=content)
    assert refusal_of(image, tmp_path).code == "corrupt_pixels"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_a_file_cut_after_its_header_was_read_is_refused(tmp_path: Path, syntax: str) -> None:
    image = mr_image()
    if syntax == RLELossless:
        compressed(image, syntax)
    image.file_meta.TransferSyntaxUID = syntax
    frames = frames_in(save([image], tmp_path))
    path = frames[0].instance.path
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(NotEvaluable, match="can not be decoded") as caught:
        read(frames)
    assert caught.value.code == "corrupt_pixels"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "unsupported_object"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unsupported_object"),
        ({"BitsAllocated": 64}, "unsupported_object"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "unsupported_object"),
        ({"PixelData": None, "FloatPixelData": bytes(4 * ROWS * COLUMNS)}, "unsupported_object"),
        ({"BitsStored": 17}, "corrupt_pixels"),
        ({"BitsStored": 0}, "corrupt_pixels"),
        ({"HighBit": 3}, "corrupt_pixels"),
        ({"PixelRepresentation": None}, "corrupt_pixels"),
        ({"RescaleSlope": 0}, "corrupt_pixels"),
        ({"RescaleSlope": "1e300"}, "corrupt_pixels"),
        ({"Rows": 2 * ROWS}, "corrupt_pixels"),
    ],
)
def test_pixels_that_are_no_grayscale_integers_are_refused(
    tmp_path: Path, attributes: dict[str, Any], code: str
) -> None:
    assert refusal_of(mr_image(**attributes), tmp_path).code == code


def test_a_rescale_that_is_no_number_is_not_taken_for_none(tmp_path: Path) -> None:
    save([mr_image(RescaleSlope="2.5")], tmp_path)
    path = tmp_path / "0000"
    path.write_bytes(path.read_bytes().replace(b"2.5 ", b"2x5 "))
    with pytest.raises(NotEvaluable, match="invalid RescaleSlope"):
        read(frames_in(tmp_path))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_a_stream_of_another_size_than_its_image_reaches_no_decoder(
    tmp_path: Path, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = compressed(image_of(ramp("uint16")), syntax)
    change(image, Rows=ROWS + 1)
    monkeypatch.setattr("pcr.compressed._by_jpeg_lossless", pytest.fail)
    monkeypatch.setattr("pcr.compressed._by_pydicom", pytest.fail)
    assert refusal_of(image, tmp_path).code == "corrupt_pixels"


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
@given(data=st.data())
def test_a_damaged_stream_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, syntax: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"damaged-{syntax}"
    if not folder.exists():
        save([compressed(image_of(ramp("uint16")), syntax)], folder)
        (folder / "0000").rename(folder / "whole")
    frames = frames_in(folder)
    whole, start = frames[0].instance.path.read_bytes(), frames[0].instance.pixel_element.offset
    places = st.integers(start, len(whole) - 1)
    damaged = bytearray(whole)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=20)).items():
        damaged[place] = value
    path = tmp_path_factory.mktemp("damaged") / "one"
    path.write_bytes(damaged[: data.draw(places)])
    frames = [replace(frames[0], instance=replace(frames[0].instance, path=path))]
    try:
        read(frames)
    except NotEvaluable as refusal:
        assert refusal.code == "corrupt_pixels"


# The others are no transfer syntax that anybody could decode.
@pytest.mark.parametrize("syntax", [MPEG2MPML, JPEGExtended12Bit, "1.2.840.113619.5.2", "1.2.840.10008.1.2.4.999"])
def test_a_transfer_syntax_without_decoder_is_refused_by_its_code(tmp_path: Path, syntax: str) -> None:
    frames = frames_in(save([mr_image()], tmp_path))
    frames[0].instance.header.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(NotEvaluable, match="Explicit VR Little Endian") as caught:
        read(frames)
    assert caught.value.code == "unsupported_transfer_syntax"
