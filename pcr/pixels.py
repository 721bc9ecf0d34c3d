"""The signal of image planes, read straight from their files into an array."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pcr.codestream import DamagedStream
from pcr.compressed import check_decodable, decoded_frames, max_encoded_bytes
from pcr.dicom_file import open_pixels
from pcr.element_scan import PixelElement
from pcr.frames import Frame
from pcr.pixel_format import PixelFormat
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Instance


def signal_dtype(frames: Iterable[Frame]) -> np.dtype[np.generic]:
    """The smallest type that holds the signal of all frames: stored integers, or float32 once one is rescaled.

    Raises:
        NotEvaluable: as `pcr.pixel_format.pixel_format`.
    """
    dtypes = {frame.pixel_format.signal_dtype for frame in frames}
    return np.dtype(np.float32) if np.dtype(np.float32) in dtypes else np.result_type(*dtypes)


def read_signal(frames: Sequence[Frame], out: npt.NDArray[Any]) -> None:
    """Fill `out` [frames, rows, columns], of `signal_dtype` or a wider type, with the signal of each frame.

    Each file is opened once, however many of the frames it holds.

    Raises:
        NotEvaluable: `unsupported_transfer_syntax` where no decoder is installed, `corrupt_pixels` where a file does
            not hold what its header says, `unsupported_object` as `pcr.pixel_format.pixel_format`.
    """
    targets = [_Target(frame, slot) for frame, slot in zip(frames, out, strict=True)]
    targets.sort(key=lambda target: (target.frame.instance.path, target.index))
    for _, of_file in groupby(targets, key=lambda target: target.frame.instance.path):
        _read_file(list(of_file))


@dataclass(frozen=True, slots=True)
class _Target:
    """A frame and where its signal [rows, columns] goes."""

    frame: Frame
    out: npt.NDArray[Any]

    @property
    def index(self) -> int:
        """Of the frame among those of its object, from 0."""
        return (self.frame.number or 1) - 1


def _read_file(targets: Sequence[_Target]) -> None:
    instance = targets[0].frame.instance
    formats = [target.frame.pixel_format for target in targets]
    if any(target.out.shape != (form.rows, form.columns) for target, form in zip(targets, formats, strict=True)):
        raise _corrupt(instance, "has another matrix than the others of its series")
    if instance.pixel_element is None:
        raise _corrupt(instance, "holds no pixels")
    syntax = _transfer_syntax(instance.header)
    for form in formats:
        check_decodable(syntax, form)
    read = _read_compressed if syntax.is_compressed else _read_native
    try:
        read(targets, formats, instance.pixel_element, syntax)
    except (OSError, EOFError, zlib.error, DamagedStream) as error:
        raise _corrupt(instance, "can not be decoded") from error


def _read_native(targets: Sequence[_Target], formats: Sequence[PixelFormat], pixels: PixelElement, syntax: UID) -> None:
    instance, frame_bytes = targets[0].frame.instance, formats[0].frame_bytes
    expected = frame_bytes * _frame_count(instance.header)
    if pixels.length not in (expected, expected + expected % 2):
        raise _corrupt(instance, "holds another number of pixels than its header says")
    big_endian = syntax == ExplicitVRBigEndian
    # Bytes of an OW value are written as words (PS3.5 A.3), so those of two pixels change places.
    swapped_pairs = big_endian and pixels.vr == "OW" and frame_bytes == formats[0].rows * formats[0].columns
    with open_pixels(instance.path, instance.header, pixels.offset + pixels.length) as file:
        for target, form in zip(targets, formats, strict=True):
            stored = form.dtype.newbyteorder(">" if big_endian else "<")
            direct = target.out.dtype == stored and target.out.flags.c_contiguous
            values = target.out if direct else np.empty(target.out.shape, stored)
            if swapped_pairs:
                _fill_from_words(values, file, target.index * frame_bytes, pixels)
            else:
                _fill(values, file, pixels.offset + target.index * frame_bytes)
            if big_endian:
                values = values.astype(form.dtype)
            form.keep_stored_bits(values)
            form.put_signal(values, target.out)


def _fill(values: npt.NDArray[Any], file: BinaryIO, offset: int) -> None:
    unfilled = values.reshape(-1).view(np.uint8).data
    file.seek(offset)
    while unfilled:
        count = file.readinto(unfilled)  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the file ends before its pixels do")
        unfilled = unfilled[count:]


def _fill_from_words(values: npt.NDArray[Any], file: BinaryIO, start: int, pixels: PixelElement) -> None:
    words = np.empty((pixels.length or 0) // 2, np.uint16)
    _fill(words, file, pixels.offset)
    values[...] = words.byteswap().view(np.uint8)[start : start + values.size].reshape(values.shape)


def _read_compressed(
    targets: Sequence[_Target], formats: Sequence[PixelFormat], pixels: PixelElement, syntax: UID
) -> None:
    instance = targets[0].frame.instance
    count = _frame_count(instance.header)
    by_index = {target.index: (target, form) for target, form in zip(targets, formats, strict=True)}
    bound = max_encoded_bytes(formats[0]) * count
    with open_pixels(instance.path, instance.header, pixels.offset + bound) as file:
        file.seek(pixels.offset)
        encapsulated = file.read(bound)
    for index, values in decoded_frames(encapsulated, by_index, formats[0], count, syntax):
        target, form = by_index.pop(index)
        form.keep_stored_bits(values)
        form.put_signal(values, target.out)
    if by_index:
        raise _corrupt(instance, "holds fewer frames than its header says")


def _transfer_syntax(header: Dataset) -> UID:
    meta = getattr(header, "file_meta", None) or Dataset()
    return UID(str(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian))


def _frame_count(header: Dataset) -> int:
    count = header.get("NumberOfFrames")
    return int(count) if isinstance(count, int) and count > 0 else 1


def _corrupt(instance: Instance, what: str) -> NotEvaluable:
    return NotEvaluable(ReasonCode.CORRUPT_PIXELS, f"instance {instance.sop_instance_uid} {what}; send it again")
