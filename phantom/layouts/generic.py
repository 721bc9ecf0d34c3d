"""Layouts that stand for no vendor: what is left when a gateway has stripped what tells phases apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from phantom import distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.dixon import dixon_contrasts
from phantom.layouts.base import Layout, one_series

EQUIPMENT = {
    "Manufacturer": "Simulated",
    "ManufacturerModelName": "Phantom",
    "SoftwareVersions": "simulated",
    "DeviceSerialNumber": "0",
}


def _times_only(study: StudyContext) -> Iterator[Dataset]:
    phantom = study.phantom
    sequence = gradient_echo(phantom.spec.protocol)
    series = Series(number=3, description="DYNAMIC BREAST FS", start_s=0.0, sequence=sequence)
    # All phases are reconstructed together, and numbered slice by slice: neither tells one from the other.
    finished = study.time(phantom.phases[-1].time_s + phantom.spec.acquisition_s + 30)
    return one_series(
        study,
        series,
        instance=lambda phase, index: index * len(phantom.phases) + phase + 1,
        attributes=lambda phase, _: {"ContentTime": finished} | study.agent(phase),
    )


def _two_echoes(study: StudyContext) -> Iterator[Dataset]:
    """Two echoes of every phase in one series, at times so near that both are written as one EchoTime."""
    contrasts = dixon_contrasts(study.phantom)
    sequence = gradient_echo(study.phantom.spec.protocol) | {"ScanOptions": ""}
    series = Series(number=3, description="DYNAMIC BREAST DIXON", start_s=0.0, sequence=sequence)
    phases, slices = study.phantom.voxels.shape[:2]
    for echo, kind in enumerate(("OPP_PHASE", "IN_PHASE"), start=1):

        def attributes(phase: int, index: int, echo: int = echo, kind: str = kind) -> dict[str, Any]:
            return {"EchoNumbers": echo, "pixels": contrasts[kind][phase, index]} | study.agent(phase)

        def instance(phase: int, index: int, echo: int = echo) -> int:
            return ((echo - 1) * phases + phase) * slices + index + 1

        yield from one_series(study, series, attributes=attributes, instance=instance)


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t1_after_contrast(study, 8, "T1 +C")


LAYOUTS = (
    Layout(
        name="times-only",
        summary="any vendor, behind a gateway: one series, only AcquisitionTime tells the phases apart",
        equipment=EQUIPMENT,
        dynamic=_times_only,
        others=_others,
    ),
    Layout(
        name="any-dixon-echoes",
        summary="any vendor: two echoes of every phase in one series, told apart by EchoNumbers only",
        equipment=EQUIPMENT,
        dynamic=_two_echoes,
        others=_others,
        outcome="unsupported_object",
    ),
)
