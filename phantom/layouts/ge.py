"""Layouts as GE scanners write them: in I-SPY 2 slices are numbered from feet to head, phase after phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset

from phantom import derivations, distractors
from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.layouts import views
from phantom.layouts.base import Layout, before_and_after, one_series, ordinal, series_per_phase

EQUIPMENT = {
    "Manufacturer": "GE MEDICAL SYSTEMS",
    "ManufacturerModelName": "Signa HDxt",
    "SoftwareVersions": "simulated",
    "DeviceSerialNumber": "0",
}


def marked(images: Iterator[Dataset], sequence_name: str = "efgre3d") -> Iterator[Dataset]:
    """Images with GE's private Internal Pulse Sequence Name, by which its dynamic series can be known."""
    for image in images:
        image.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x9C, "LO", sequence_name)
        yield image


def _dynamic(
    study: StudyContext, description: str, attributes: Callable[[int, int], Mapping[str, Any]]
) -> Iterator[Dataset]:
    slices = study.phantom.geometry.spatial_shape[0]
    sequence = gradient_echo(study.phantom.spec.protocol)
    series = Series(number=5, description=description, start_s=0.0, sequence=sequence)
    images = one_series(
        study, series, instance=lambda phase, index: (phase + 1) * slices - index, attributes=attributes
    )
    return marked(images)


def _temporal_position(study: StudyContext, description: str, **more: str) -> Iterator[Dataset]:
    def attributes(phase: int, _: int) -> dict[str, Any]:
        position = {"TemporalPositionIdentifier": phase, "NumberOfTemporalPositions": len(study.phantom.phases)}
        return position | study.agent(phase, with_start=True) | more

    return _dynamic(study, description, attributes)


def _bilateral(study: StudyContext) -> Iterator[Dataset]:
    return _temporal_position(study, "ISPY2: VOLSER: bi-lateral: original DCE")


def _unilateral(study: StudyContext) -> Iterator[Dataset]:
    side = study.phantom.side[0].upper()
    return _temporal_position(study, "ISPY2: VOLSER: uni-lateral cropped: original DCE", ImageLaterality=side)


def _acquisition_number(study: StudyContext) -> Iterator[Dataset]:
    def attributes(phase: int, index: int) -> dict[str, Any]:
        # As on the real series, some slices carry a temporal position and most do not.
        position = {"TemporalPositionIdentifier": phase + 1} if index % 3 == 0 else {}
        return {"AcquisitionNumber": phase + 1} | position | study.agent(phase)

    return _dynamic(study, "ISPY2: Ax Vibrant PRE/POST", attributes)


def _named_by_phase(study: StudyContext, name: Callable[[int], str]) -> Iterator[Dataset]:
    # The console takes the phases of one prescription apart: they keep its AcquisitionTime, and SeriesTime says
    # when each was stored, so that ContentTime alone is of the phase.
    return marked(
        series_per_phase(
            study,
            gradient_echo(study.phantom.spec.protocol),
            name,
            number=lambda phase: 8 if phase == 0 else 800 + phase,
            attributes=lambda phase, index: {"AcquisitionTime": study.time(0.0)},
        )
    )


def _ph_prefix(study: StudyContext) -> Iterator[Dataset]:
    return _named_by_phase(study, lambda after: f"Ph{after}/ax 3d dyn" if after else "ax 3d dyn")


def _ordinal_first(study: StudyContext) -> Iterator[Dataset]:
    return _named_by_phase(study, lambda after: f"{ordinal(after)} ax dyn" if after else "ax dyn")


def _pre_and_multiphase(study: StudyContext, pre: str, multiphase: str) -> Iterator[Dataset]:
    before, after = before_and_after(study)
    sequence = gradient_echo(study.phantom.spec.protocol)
    yield from marked(
        one_series(study, Series(number=6, description=pre, start_s=0.0, sequence=sequence), phases=before)
    )
    start = study.phantom.phases[after[0]].time_s if after else 0.0
    positions = {phase: position for position, phase in enumerate(after, start=1)}
    yield from marked(
        one_series(
            study,
            Series(number=7, description=multiphase, start_s=start, sequence=sequence),
            phases=after,
            attributes=lambda phase, _: {
                "TemporalPositionIdentifier": positions[phase],
                "NumberOfTemporalPositions": len(after),
                **study.agent(phase),
            },
        )
    )


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 3)
    yield from distractors.t1_after_contrast(study, 9, "Ax 3D T1 NON FS")


def _ispy2_others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.gradient_echo_scout(study, 2, "3-Plane Loc FGRE")
    yield from distractors.t2(study, 3)
    yield from distractors.t1_after_contrast(study, 9, "Ax 3D T1 NON FS")
    yield from distractors.two_stacks(study, 10, "ISPY2: SAG IR")
    yield from derivations.signal_enhancement_ratio(study, 1001, "ISPY2: VOLSER: bi-lateral: SER")
    yield from derivations.percent_enhancement(study, 1002, "ISPY2: VOLSER: bi-lateral: PE1")
    yield from derivations.analysis_mask(study, 1003, "ISPY2: VOLSER: bi-lateral: Analysis Mask")


def _duke_others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.gradient_echo_scout(study, 2, "3-Plane Loc FGRE")
    yield from distractors.without_fat_suppression(study, 4, "Ax 3D T1 NON FS", after_contrast=False)
    yield from distractors.without_fat_suppression(study, 12, "ax t1", after_contrast=True)
    yield from derivations.named_subtraction(
        study, 880, "SUB Ph1-ax 3d dyn", gradient_echo(study.phantom.spec.protocol)
    )
    yield from derivations.screen_save(study, 99)


def _pre_and_vibrant(study: StudyContext) -> Iterator[Dataset]:
    return _pre_and_multiphase(study, "ax dyn pre", "Ax Vibrant MultiPhase")


def _pre_and_mp(study: StudyContext) -> Iterator[Dataset]:
    return _pre_and_multiphase(study, "ax 3d dyn", "ax 3d dyn MP")


LAYOUTS = (
    Layout(
        name="duke-ge-ph-prefix",
        summary="GE, Duke: `ax 3d dyn`, `Ph1/ax 3d dyn`...: a series per phase, only ContentTime tells them apart",
        equipment=EQUIPMENT,
        dynamic=_ph_prefix,
        others=_duke_others,
    ),
    Layout(
        name="duke-ge-ordinal-first",
        summary="GE, Duke: `ax dyn`, `1st ax dyn`...: a series per phase, only ContentTime tells them apart",
        equipment=EQUIPMENT,
        dynamic=_ordinal_first,
        others=_duke_others,
    ),
    Layout(
        name="duke-ge-pre-and-multiphase",
        summary="GE, Duke: `ax dyn pre`, then all later ones in `Ax Vibrant MultiPhase` by TemporalPositionIdentifier",
        equipment=EQUIPMENT,
        dynamic=_pre_and_vibrant,
        others=_duke_others,
    ),
    Layout(
        name="duke-ge-pre-and-mp",
        summary="GE, Duke: `ax 3d dyn`, then all later ones in `ax 3d dyn MP` by TemporalPositionIdentifier",
        equipment=EQUIPMENT,
        dynamic=_pre_and_mp,
        others=_duke_others,
    ),
    Layout(
        name="ispy2-ge-tpi",
        summary="GE, I-SPY 2: all phases in one series, TemporalPositionIdentifier from 0, no AcquisitionNumber",
        equipment=EQUIPMENT,
        dynamic=_bilateral,
        others=_ispy2_others,
    ),
    Layout(
        name="ispy2-ge-acquisition",
        summary="GE, I-SPY 2 raw: one series, AcquisitionNumber from 1, TemporalPositionIdentifier on some slices",
        equipment=EQUIPMENT,
        dynamic=_acquisition_number,
        others=_others,
    ),
    Layout(
        name="ispy2-ge-unilateral-tpi",
        summary="GE, I-SPY 2: as ispy2-ge-tpi, cropped to the breast with the lesion",
        equipment=EQUIPMENT,
        dynamic=_unilateral,
        others=_others,
        views=views.unilateral,
    ),
)
