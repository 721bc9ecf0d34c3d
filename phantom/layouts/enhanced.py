"""Layouts of Enhanced MR objects: all phases in one, or one object for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from phantom import derivations, distractors
from phantom.dicom import Series, StudyContext
from phantom.enhanced import Contrast, Frame, enhanced_image
from phantom.layouts import philips, siemens
from phantom.layouts.base import Layout, ordinal, posts_so_far


def _frames(study: StudyContext, phases: Sequence[int]) -> list[Frame]:
    """The slices of some phases, phase after phase."""
    phantom = study.phantom
    return [
        Frame(
            pixels=phantom.voxels[phase, index],
            slice_index=index,
            temporal_position=position,
            acquired_s=phantom.phases[phase].time_s,
            agent=phantom.phases[phase].role == "post",
        )
        for position, phase in enumerate(phases, start=1)
        for index in range(phantom.geometry.spatial_shape[0])
    ]


def _all_phases(study: StudyContext) -> Iterator[Dataset]:
    series = Series(number=501, description="DYN T1 FS SENSE", start_s=0.0)
    frames = _frames(study, range(len(study.phantom.phases)))
    yield enhanced_image(study, series, frames, study.phantom.geometry, Contrast())


def _object_per_phase(study: StudyContext) -> Iterator[Dataset]:
    for phase, after in enumerate(posts_so_far(study)):
        series = Series(
            number=4 + 3 * phase,
            description=f"ax dyn {ordinal(after)} pass" if after else "ax dyn pre",
            start_s=study.phantom.phases[phase].time_s,
            sequence={"PulseSequenceName": "*fl3d1"},
        )
        yield enhanced_image(study, series, _frames(study, [phase]), study.phantom.geometry, Contrast())


def _others(study: StudyContext) -> Iterator[Dataset]:
    yield from distractors.localizer(study, 1)
    yield from distractors.t2(study, 3)
    yield from derivations.screen_save(study, 99)


LAYOUTS = (
    Layout(
        name="philips-enhanced",
        summary="Philips: all phases in one Enhanced MR object, TemporalPositionIndex and FrameAcquisitionDateTime",
        equipment=philips.EQUIPMENT | {"ManufacturerModelName": "Ingenia"},
        dynamic=_all_phases,
        others=_others,
    ),
    Layout(
        name="siemens-enhanced-per-phase",
        summary="Siemens: one Enhanced MR object per phase, each in a series of its own",
        equipment=siemens.EQUIPMENT | {"ManufacturerModelName": "MAGNETOM Vida"},
        dynamic=_object_per_phase,
        others=_others,
    ),
)
