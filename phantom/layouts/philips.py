"""Layouts as Philips scanners write them: series numbers end in 01, and private blocks of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from phantom import derivations, distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.dixon import dixon_contrasts
from phantom.layouts.base import Layout, one_series

EQUIPMENT = {
    "Manufacturer": "Philips Medical Systems",
    "ManufacturerModelName": "Achieva",
    "SoftwareVersions": "simulated",
    "DeviceSerialNumber": "0",
}
DESCRIPTION = "ISPY2: 15ML OMNI T1 FS DYN SENSE 5"


def marked(images: Iterator[Dataset]) -> Iterator[Dataset]:
    """Images with the private blocks by which Philips is known, and two elements in them."""
    for image in images:
        image.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x0A, "IS", image.InstanceNumber)
        image.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x35, "CS", "PIXEL")
        yield image


def _sequence(study: StudyContext) -> dict[str, Any]:
    return gradient_echo(study.phantom.spec.protocol) | {"ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]}


def _position(study: StudyContext, phase: int) -> dict[str, Any]:
    return {
        "TemporalPositionIdentifier": phase + 1,
        "NumberOfTemporalPositions": len(study.phantom.phases),
        "AcquisitionNumber": 5,
    }


def dynamic(study: StudyContext) -> Iterator[Dataset]:
    """One series; the clock times are those of its start, and TriggerTime counts on from there."""
    series = Series(number=501, description=DESCRIPTION, start_s=0.0, sequence=_sequence(study))

    def attributes(phase: int, _: int) -> dict[str, Any]:
        times = {"TriggerTime": 1000.0 * study.phantom.phases[phase].time_s, "ContentTime": study.time(0.0)}
        return {"acquired_s": 0.0} | times | _position(study, phase) | study.agent(phase)

    return marked(one_series(study, series, attributes=attributes))


def _dixon(study: StudyContext) -> Iterator[Dataset]:
    """Water, fat, in-phase and opposed-phase images of each phase in one series, told apart by ImageType."""
    series = Series(number=601, description="T1 mDIXON DYN", start_s=0.0, sequence=_sequence(study))
    phantom = study.phantom
    phases, slices = phantom.voxels.shape[:2]
    for place, (contrast, voxels) in enumerate(dixon_contrasts(study.phantom).items()):

        def attributes(phase: int, index: int, voxels: Any = voxels, contrast: str = contrast) -> dict[str, Any]:
            kind = {"pixels": voxels[phase, index], "ImageType": ["ORIGINAL", "PRIMARY", contrast], "ScanOptions": ""}
            return kind | _position(study, phase) | study.agent(phase)

        def instance(phase: int, index: int, place: int = place) -> int:
            return (place * phases + phase) * slices + index + 1

        yield from marked(one_series(study, series, attributes=attributes, instance=instance))


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from marked(distractors.gradient_echo_scout(study, 101, "SURVEY"))
    yield from marked(distractors.t2(study, 301))
    yield from marked(derivations.percent_enhancement(study, 502, "ISPY2: 15ML OMNI T1 FS DYN SENSE 5: PE2"))
    yield from derivations.screen_save(study, 9901)


LAYOUTS = (
    Layout(
        name="ispy2-philips-tpi",
        summary="Philips, I-SPY 2: one series, TemporalPositionIdentifier from 1, TriggerTime; clock times all equal",
        equipment=EQUIPMENT,
        dynamic=dynamic,
        others=_others,
    ),
    Layout(
        name="blank-manufacturer-philips",
        summary="as ispy2-philips-tpi without Manufacturer and model: private creators tell the vendor",
        equipment=EQUIPMENT | {"Manufacturer": "", "ManufacturerModelName": None},
        dynamic=dynamic,
        others=_others,
    ),
    Layout(
        name="philips-dixon-water",
        summary="Philips: water, fat, in-phase and opposed-phase images in one series, told apart by ImageType",
        equipment=EQUIPMENT,
        dynamic=_dixon,
        others=_others,
    ),
)
