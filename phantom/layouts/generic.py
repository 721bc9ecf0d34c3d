"""Layouts that stand for no vendor: what is left when a gateway has stripped what tells phases apart."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from phantom import distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.layouts.base import Layout, one_series


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


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t1_after_contrast(study, 8, "T1 +C")


LAYOUTS = (
    Layout(
        name="times-only",
        summary="any vendor, behind a gateway: one series, only AcquisitionTime tells the phases apart",
        equipment={
            "Manufacturer": "Simulated",
            "ManufacturerModelName": "Phantom",
            "SoftwareVersions": "simulated",
            "DeviceSerialNumber": "0",
        },
        dynamic=_times_only,
        others=_others,
    ),
)
