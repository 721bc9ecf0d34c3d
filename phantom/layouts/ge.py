"""Layouts as GE scanners write them: slices numbered from feet to head, phase after phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset

from phantom import distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.layouts.base import Layout, one_series

EQUIPMENT = {
    "Manufacturer": "GE MEDICAL SYSTEMS",
    "ManufacturerModelName": "Signa HDxt",
    "SoftwareVersions": "simulated",
    "DeviceSerialNumber": "0",
}


def _dynamic(
    study: StudyContext, description: str, attributes: Callable[[int, int], Mapping[str, Any]]
) -> Iterator[Dataset]:
    slices = study.phantom.geometry.shape[0]
    sequence = gradient_echo(study.phantom.spec.protocol)
    series = Series(number=5, description=description, start_s=0.0, sequence=sequence)
    for image in one_series(
        study, series, instance=lambda phase, index: (phase + 1) * slices - index, attributes=attributes
    ):
        # GE's private Internal Pulse Sequence Name, by which its dynamic series can be known.
        image.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x9C, "LO", "efgre3d")
        yield image


def _temporal_position(study: StudyContext) -> Iterator[Dataset]:
    def attributes(phase: int, _: int) -> dict[str, Any]:
        position = {"TemporalPositionIdentifier": phase, "NumberOfTemporalPositions": len(study.phantom.phases)}
        return position | study.agent(phase, with_start=True)

    return _dynamic(study, "ISPY2: VOLSER: bi-lateral: original DCE", attributes)


def _acquisition_number(study: StudyContext) -> Iterator[Dataset]:
    def attributes(phase: int, index: int) -> dict[str, Any]:
        # As on the real series, some slices carry a temporal position and most do not.
        position = {"TemporalPositionIdentifier": phase + 1} if index % 3 == 0 else {}
        return {"AcquisitionNumber": phase + 1} | position | study.agent(phase)

    return _dynamic(study, "ISPY2: Ax Vibrant PRE/POST", attributes)


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 3)
    yield from distractors.t1_after_contrast(study, 9, "Ax 3D T1 NON FS")


LAYOUTS = (
    Layout(
        name="ispy2-ge-tpi",
        summary="GE, I-SPY 2: all phases in one series, TemporalPositionIdentifier from 0, no AcquisitionNumber",
        equipment=EQUIPMENT,
        dynamic=_temporal_position,
        others=_others,
    ),
    Layout(
        name="ispy2-ge-acquisition",
        summary="GE, I-SPY 2 raw: one series, AcquisitionNumber from 1, TemporalPositionIdentifier on some slices",
        equipment=EQUIPMENT,
        dynamic=_acquisition_number,
        others=_others,
    ),
)
