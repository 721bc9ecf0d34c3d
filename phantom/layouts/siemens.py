"""Layouts as Siemens scanners write them."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from phantom import distractors
from phantom.dicom import RECONSTRUCTION_S, Series, StudyContext, gradient_echo
from phantom.layouts.base import Layout, phase_image


def _sequence(study: StudyContext) -> dict[str, object]:
    return gradient_echo(study.phantom.spec.protocol) | {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ScanOptions": ["PFP", "FS"],
        "SequenceName": "*fl3d1",
        "AcquisitionNumber": 1,
    }


def _series_per_phase(study: StudyContext) -> Iterator[Dataset]:
    phantom = study.phantom
    slices = phantom.geometry.shape[0]
    posts = 0
    for phase, when in enumerate(phantom.phases):
        posts += when.role == "post"
        series = Series(
            number=4 + 3 * phase,
            description="ax dyn pre" if when.role == "pre" else f"ax dyn {_ordinal(posts)} pass",
            # SeriesTime is when the reconstruction began, as on the Avanto of our real study.
            start_s=when.time_s + phantom.spec.acquisition_s + RECONSTRUCTION_S / 2,
            sequence=_sequence(study) | study.agent(phase),
        )
        for index in range(slices):
            yield phase_image(study, series, phase, index, index + 1)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    return f"{number}{ending}"


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 2)
    yield from distractors.t1_after_contrast(study, 60, "ax t1 tse +c")
    yield from distractors.subtraction(study, 61, "ax dyn 1st pass_SUB", _sequence(study))


LAYOUTS = (
    Layout(
        name="duke-siemens-series-per-phase",
        summary="Siemens, Duke: one series per phase, AcquisitionNumber 1 throughout; only times and names differ",
        equipment={
            "Manufacturer": "SIEMENS",
            "ManufacturerModelName": "Avanto",
            "SoftwareVersions": "simulated",
            "DeviceSerialNumber": "0",
        },
        dynamic=_series_per_phase,
        others=_others,
    ),
)
