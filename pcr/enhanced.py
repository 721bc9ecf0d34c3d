"""Multi-frame MR objects frame by frame: functional groups (PS3.3 C.7.6.16) as attributes of the MR Image IOD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from pcr.reasons import NotEvaluable, ReasonCode

Elements = dict[BaseTag, DataElement | RawDataElement]

_NOT_OF_A_FRAME = {
    Tag("NumberOfFrames"),
    Tag("SharedFunctionalGroupsSequence"),
    Tag("PerFrameFunctionalGroupsSequence"),
    Tag("DimensionIndexSequence"),
    Tag("DimensionOrganizationSequence"),
}
# Attributes of a functional group (PS3.3 C.7.6.16.2, C.8.13.5), and the keywords under which an MR image has them.
_GROUP_KEYWORDS: dict[str, dict[str, str]] = {
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelMeasuresSequence": {
        "PixelSpacing": "PixelSpacing",
        "SliceThickness": "SliceThickness",
        "SpacingBetweenSlices": "SpacingBetweenSlices",
    },
    "PixelValueTransformationSequence": {"RescaleSlope": "RescaleSlope", "RescaleIntercept": "RescaleIntercept"},
    "MRImageFrameTypeSequence": {"FrameType": "ImageType", "ComplexImageComponent": "ComplexImageComponent"},
    "FrameContentSequence": {
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "FrameAcquisitionDateTime": "AcquisitionDateTime",
        "FrameAcquisitionDuration": "AcquisitionDuration",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "StackID": "StackID",
        "InStackPositionNumber": "InStackPositionNumber",
    },
    "CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": "TriggerTime"},
    "TemporalPositionSequence": {"TemporalPositionTimeOffset": "TemporalPositionTimeOffset"},
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRTimingAndRelatedParametersSequence": {
        "RepetitionTime": "RepetitionTime",
        "FlipAngle": "FlipAngle",
        "EchoTrainLength": "EchoTrainLength",
    },
    "MRModifierSequence": {"InversionRecovery": "InversionRecovery"},
    "ContrastBolusUsageSequence": {},
    "FrameAnatomySequence": {"FrameLaterality": "ImageLaterality"},
}
_GROUPS = {
    Tag(name): {Tag(keyword): Tag(classic) for keyword, classic in keywords.items()}
    for name, keywords in _GROUP_KEYWORDS.items()
}
# What a converter of classic images found no other place for (PS3.3 C.7.6.16.2.26, C.7.6.16.2.27).
_UNASSIGNED = (
    Tag("UnassignedSharedConvertedAttributesSequence"),
    Tag("UnassignedPerFrameConvertedAttributesSequence"),
)
_PULSE_SEQUENCES = {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["SE", "GR"]}
_COMPLEX_COMPONENTS = {"MAGNITUDE": "M", "PHASE": "P", "REAL": "R", "IMAGINARY": "I"}
_DATE_TIME = re.compile(r"(\d{8})(\d{2,6}(?:\.\d{1,6})?)")


def frame_headers(header: Dataset) -> tuple[Dataset, ...]:
    """The attributes of each frame of an Enhanced or Legacy Converted Enhanced MR object (PS3.3 A.36, A.70), in order.

    What the standard has no classic attribute for follows what scanners write in classic dynamic series: the time
    offset of a temporal position is TriggerTime, in ms.

    Raises:
        NotEvaluable: `corrupt_pixels` where the functional groups are damaged or not as many as the frames.
    """
    try:
        frames = header.get("PerFrameFunctionalGroupsSequence") or []
        if not frames or header.get("NumberOfFrames") != len(frames):
            raise NotEvaluable(
                ReasonCode.CORRUPT_PIXELS,
                f"a multi-frame image says that it has {header.get('NumberOfFrames')} frames and describes "
                f"{len(frames)}; send it again",
            )
        common: Elements = {tag: header[tag] for tag in header.keys() if tag not in _NOT_OF_A_FRAME}  # noqa: SIM118
        flattener = _Flattener()
        for shared in header.get("SharedFunctionalGroupsSequence") or []:
            common |= flattener.flat(shared)
        return tuple(_frame_header({**common, **flattener.flat(frame)}) for frame in frames)
    except NotEvaluable:
        raise
    except Exception as error:  # values are converted here for the first time, and damaged ones break that in any way
        raise NotEvaluable(
            ReasonCode.CORRUPT_PIXELS, "the functional groups of a multi-frame image are damaged; send it again"
        ) from error


def anatomic_region(header: Dataset) -> str:
    """The name of the region that the frames of a multi-frame object show (PS3.3 C.7.6.16.2.8); empty where none is."""
    try:
        for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            for groups in (header.get(name) or [])[:1]:
                if region := _anatomy(groups):
                    return region
    except Exception:  # as in `frame_headers`; what can not be read names no region
        return ""
    return ""


def _frame_header(elements: Elements) -> Dataset:
    frame = Dataset(elements)
    for keyword, value in list(_derived(frame)):
        # Elements are shared between frames, so one that differs is replaced and never changed.
        tag = Tag(keyword)
        frame[tag] = DataElement(tag, dictionary_VR(tag), value)
    return frame


@dataclass(slots=True)
class _Flattener:
    """Turns functional groups into classic attributes; equal bytes of many frames are converted once."""

    groups: dict[tuple[BaseTag, bytes], Elements] = field(default_factory=dict)
    elements: dict[tuple[BaseTag, bytes], DataElement] = field(default_factory=dict)

    def flat(self, groups: Dataset) -> Elements:
        """The classic attributes that the functional groups of one frame, or those of all frames, hold."""
        found: Elements = {}
        for tag in _UNASSIGNED:
            for item in groups[tag].value or [] if tag in groups else []:
                found |= {inner: item[inner] for inner in item.keys()}  # noqa: SIM118
        for tag in _GROUPS.keys() & groups.keys():
            raw = groups.get_item(tag)
            if not isinstance(raw, RawDataElement) or raw.value is None:
                found |= self._group(groups[tag])
                continue
            if (tag, raw.value) not in self.groups:
                self.groups[tag, raw.value] = self._group(groups[tag])
            found |= self.groups[tag, raw.value]
        return found

    def _group(self, sequence: DataElement) -> Elements:
        found: Elements = {sequence.tag: sequence}
        for item in sequence.value or []:
            for tag, classic in _GROUPS[sequence.tag].items():
                if tag in item:
                    found[classic] = self._element(item, tag, classic)
        return found

    def _element(self, item: Dataset, tag: BaseTag, classic: BaseTag) -> DataElement:
        raw = item.get_item(tag)
        if not isinstance(raw, RawDataElement) or raw.value is None:
            return _renamed(item[tag], classic)
        if (tag, raw.value) not in self.elements:
            self.elements[tag, raw.value] = _renamed(item[tag], classic)
        return self.elements[tag, raw.value]


def _renamed(element: DataElement, tag: BaseTag) -> DataElement:
    return element if element.tag == tag else DataElement(tag, dictionary_VR(tag), element.value)


def _derived(frame: Dataset) -> Iterator[tuple[str, Any]]:
    """Classic attributes whose values are others than those of the enhanced attributes that they follow from."""
    if match := _DATE_TIME.match(str(frame.get("AcquisitionDateTime") or "")):
        yield "AcquisitionDate", match.group(1)
        yield "AcquisitionTime", match.group(2)
    if (offset_s := frame.get("TemporalPositionTimeOffset")) is not None:
        yield "TriggerTime", float(offset_s) * 1000
    if component := _COMPLEX_COMPONENTS.get(frame.get("ComplexImageComponent")):
        yield "ImageType", [*_values(frame, "ImageType"), component]
    if names := _scanning_sequence(frame):
        yield "ScanningSequence", names
    if "FAT" in str(frame.get("SpectrallySelectedSuppression") or ""):
        yield "ScanOptions", sorted({*_values(frame, "ScanOptions"), "FS"})
    if not frame.get("BodyPartExamined") and (part := _anatomy(frame)):
        yield "BodyPartExamined", part
    yield from _contrast(frame)


def _scanning_sequence(frame: Dataset) -> list[str]:
    names = list(_PULSE_SEQUENCES.get(frame.get("EchoPulseSequence"), []))
    if names and frame.get("EchoPlanarPulseSequence") == "YES":
        names.append("EP")
    if names and frame.get("InversionRecovery") == "YES":
        names.append("IR")
    return names


def _anatomy(frame: Dataset) -> str:
    for anatomy in frame.get("FrameAnatomySequence") or []:
        for region in anatomy.get("AnatomicRegionSequence") or []:
            return str(region.get("CodeMeaning") or "").upper()[:16]
    return ""


def _contrast(frame: Dataset) -> Iterator[tuple[str, Any]]:
    """Agent and start of injection; no agent for a frame whose contrast usage says that it was not given yet."""
    agents = frame.get("ContrastBolusAgentSequence") or []
    usage = frame.get("ContrastBolusUsageSequence") or []
    given = [use for use in usage if use.get("ContrastBolusAgentAdministered") == "YES"]
    if not agents or (usage and not given):
        return
    yield "ContrastBolusAgent", str(agents[0].get("CodeMeaning") or "CONTRAST")[:64]
    for profile in agents[0].get("ContrastAdministrationProfileSequence") or []:
        if start := profile.get("ContrastBolusStartTime"):
            yield "ContrastBolusStartTime", start
            return


def _values(frame: Dataset, keyword: str) -> list[str]:
    value = frame.get(keyword) or []
    return [value] if isinstance(value, str) else [str(v) for v in value]
