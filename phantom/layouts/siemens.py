"""Layouts as Siemens scanners write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydicom.dataset import Dataset

from phantom import derivations, distractors
from phantom.dicom import RECONSTRUCTION_S, Series, StudyContext, gradient_echo
from phantom.layouts.base import Layout, one_series, ordinal, posts_so_far, series_per_phase

EQUIPMENT = {
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Avanto",
    "SoftwareVersions": "simulated",
    "DeviceSerialNumber": "0",
}


def sequence(study: StudyContext) -> dict[str, Any]:
    """Attributes of all images of a dynamic series, by DICOM keyword."""
    return gradient_echo(study.phantom.spec.protocol) | {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ScanOptions": ["PFP", "FS"],
        "SequenceName": "*fl3d1",
        "AcquisitionNumber": 1,
    }


def dynamic(study: StudyContext) -> Iterator[Dataset]:
    """One series per phase."""
    for phase, after in enumerate(posts_so_far(study)):
        series = Series(
            number=4 + 3 * phase,
            description=f"ax dyn {ordinal(after)} pass" if after else "ax dyn pre",
            # SeriesTime is when the reconstruction began, as on the Avanto of our real study.
            start_s=study.phantom.phases[phase].time_s + study.phantom.spec.acquisition_s + RECONSTRUCTION_S / 2,
            sequence=sequence(study) | study.agent(phase),
        )
        yield from one_series(study, series, phases=[phase])


def others(study: StudyContext) -> Iterator[Dataset]:
    """All series that are no phases."""
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 2)
    yield from distractors.t1_after_contrast(study, 60, "ax t1 tse +c")
    yield from derivations.subtraction(study, 61, "ax dyn 1st pass_SUB", sequence(study))


def named(name: Callable[[int], str]) -> Callable[[StudyContext], Iterator[Dataset]]:
    """One series per phase, with these names of the n-th phase after contrast, and of those before for 0."""
    return lambda study: series_per_phase(study, sequence(study), name)


def _more_others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.without_fat_suppression(study, 2, "ax t1", after_contrast=False)
    yield from distractors.without_fat_suppression(study, 59, "ax t1 +c", after_contrast=True)
    yield from derivations.named_subtraction(study, 61, "ax dyn 1st pass_SUB", sequence(study))
    yield from derivations.named_projection(study, 62, "MIP ax dyn 1st pass", sequence(study))


def _with_csa_header(study: StudyContext) -> Iterator[Dataset]:
    for image in dynamic(study):
        # Byte 08 of Siemens' block names its kind of header.
        image.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x08, "CS", "IMAGE NUM 4")
        yield image


LAYOUTS = (
    Layout(
        name="duke-siemens-series-per-phase",
        summary="Siemens, Duke: one series per phase, AcquisitionNumber 1 throughout; only times and names differ",
        equipment=EQUIPMENT,
        dynamic=dynamic,
        others=others,
    ),
    Layout(
        name="duke-siemens-views",
        summary="Siemens, Duke: `t1fl3dtradynVIEWSspair pre`, `... 1st pass`...: one series per phase",
        equipment=EQUIPMENT,
        dynamic=named(lambda after: f"t1fl3dtradynVIEWSspair {ordinal(after) + ' pass' if after else 'pre'}"),
        others=_more_others,
    ),
    Layout(
        name="duke-siemens-typo",
        summary="Siemens, Duke: as duke-siemens-series-per-phase, the first phase after contrast is `ax dyn 1st pas`",
        equipment=EQUIPMENT,
        dynamic=named(
            lambda after: ("ax dyn pre", "ax dyn 1st pas")[after] if after < 2 else f"ax dyn {ordinal(after)} pass"
        ),
        others=_more_others,
    ),
    Layout(
        name="blank-manufacturer-siemens",
        summary="as duke-siemens-series-per-phase without Manufacturer and model: a private creator tells the vendor",
        equipment=EQUIPMENT | {"Manufacturer": "", "ManufacturerModelName": None},
        dynamic=_with_csa_header,
        others=others,
    ),
)
