"""A lesion that somebody else outlined: a DICOM Segmentation in the study, taken only when it may be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from pcr.report.provenance import is_own_making
from pcr.study import Instance, Study
from pcr.volume import DceVolume, resample

# What a segment of the lesion may be called, SNOMED CT (PS3.16 CID 7159 and its kin): code values and meanings.
LESION_CODES = {
    "108369006": "Neoplasm",
    "372087000": "Primary neoplasm",
    "86049000": "Primary malignant neoplasm",
    "363346000": "Malignant neoplastic disease",
    "254837009": "Malignant neoplasm of breast",
    "68453008": "Carcinoma",
    "52988006": "Lesion",
    "4147007": "Mass",
}
# Retired SRT codes of a neoplasm, a primary malignant neoplasm, a lesion and a mass.
_RETIRED_LESION_CODES = {"M-8FFFF", "M-80003", "M-01000", "M-03000"}
_ABNORMAL_STRUCTURE = "49755003"


@dataclass(frozen=True, slots=True)
class GivenMask:
    """A trusted segment on the grid of the dynamic series, bool [slices, rows, columns]."""

    mask: npt.NDArray[np.bool_]
    label: str


@dataclass(frozen=True, slots=True)
class GivenSegmentations:
    """Trusted segments, the largest first, and a sentence for each lesion segment that is not trusted."""

    masks: tuple[GivenMask, ...]
    remarks: tuple[str, ...]


def read_given_segmentations(study: Study, volume: DceVolume, *, accept_automatic: bool) -> GivenSegmentations:
    """Read the lesion segments of a study's Segmentation objects (PS3.3 A.51).

    Taken is a segment that is a neoplasm or lesion, shares the FrameOfReferenceUID of the dynamic series, is not of
    our own making and was not made by an algorithm alone, unless `accept_automatic`.
    """
    masks: list[GivenMask] = []
    remarks: list[str] = []
    for instance in _segmentations(study):
        for segment in instance.header.SegmentSequence:
            if not _is_lesion(segment):
                if _is_abnormal(segment):
                    remarks.append("a segmentation of the study is not used: its type is not known as a lesion's")
                continue
            reason = _distrust(instance.header, segment, volume, accept_automatic)
            mask = None if reason else _mask(instance, int(segment.SegmentNumber), volume)
            if mask is not None:
                masks.append(GivenMask(mask, str(segment.get("SegmentLabel", ""))))
            else:
                remarks.append(f"a lesion segmentation of the study is not used: {reason or 'it can not be read'}")
    return GivenSegmentations(tuple(sorted(masks, key=lambda given: -int(given.mask.sum()))), tuple(remarks))


def _segmentations(study: Study) -> Iterator[Instance]:
    for series in study.series:
        for instance in series.instances:
            is_segmentation = instance.sop_class_uid == SegmentationStorage and instance.header.get("SegmentSequence")
            # Without a word about our own: a rerun must neither feed on itself nor say another thing.
            if is_segmentation and not is_own_making(instance.header):
                yield instance


def _is_lesion(segment: Dataset) -> bool:
    found = _codes(segment, "SegmentedPropertyTypeCodeSequence")
    return any(("SCT", code) in found for code in LESION_CODES) or any(
        ("SRT", code) in found for code in _RETIRED_LESION_CODES
    )


def _is_abnormal(segment: Dataset) -> bool:
    return ("SCT", _ABNORMAL_STRUCTURE) in _codes(segment, "SegmentedPropertyCategoryCodeSequence")


def _codes(segment: Dataset, keyword: str) -> set[tuple[str, str]]:
    return {(str(k.get("CodingSchemeDesignator")), str(k.get("CodeValue"))) for k in segment.get(keyword) or []}


def _distrust(header: Dataset, segment: Dataset, volume: DceVolume, accept_automatic: bool) -> str | None:
    if str(header.get("FrameOfReferenceUID", "")) != volume.geometry.frame_of_reference_uid:
        return "its frame of reference is not that of the dynamic series"
    if str(segment.get("SegmentAlgorithmType", "")) == "AUTOMATIC" and not accept_automatic:
        return "an algorithm made it, and the settings do not accept that"
    return None


def _mask(instance: Instance, segment_number: int, volume: DceVolume) -> npt.NDArray[np.bool_] | None:
    """One segment on the grid of the dynamic series; None where it can not be read or does not touch the grid."""
    try:
        segmentation = hd.seg.Segmentation.from_dataset(pydicom.dcmread(instance.path), copy=False)
        segment = segmentation.get_volume(segment_numbers=[segment_number], combine_segments=False)
        array = np.asarray(segment.squeeze_channel().array)
    except Exception:  # highdicom raises many types on objects that break the standard
        return None
    placed = resample(array, segment.get_geometry(), volume.geometry, nearest=True)
    mask: npt.NDArray[np.bool_] = placed > 0.5 * max(float(array.max()), 1e-6)
    return mask if mask.any() else None
