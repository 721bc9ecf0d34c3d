"""What a layout is, and the steps that several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from phantom.dicom import Series, StudyContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A way in which scanners write a dynamic study.

    Attributes:
        name: What users call it.
        summary: Which vendor and cohort it stands for, and what tells the phases apart.
        equipment: Manufacturer, ManufacturerModelName and the like, by DICOM keyword.
        dynamic: The images of the dynamic series.
        others: The images of all other series of the study.
    """

    name: str
    summary: str
    equipment: Mapping[str, Any]
    dynamic: Callable[[StudyContext], Iterator[Dataset]]
    others: Callable[[StudyContext], Iterator[Dataset]]


def phase_image(
    study: StudyContext, series: Series, phase: int, slice_index: int, instance: int, **attributes: Any
) -> Dataset:
    """One slice of one phase, acquired at the phase's time."""
    phantom = study.phantom
    return study.image(
        series,
        instance=instance,
        pixels=phantom.voxels[phase, slice_index],
        geometry=phantom.geometry,
        slice_index=slice_index,
        acquired_s=phantom.phases[phase].time_s,
        **attributes,
    )


def one_series(
    study: StudyContext,
    series: Series,
    *,
    instance: Callable[[int, int], int],
    attributes: Callable[[int, int], Mapping[str, Any]],
) -> Iterator[Dataset]:
    """All phases in one series.

    Args:
        study: The study.
        series: The series.
        instance: InstanceNumber of (phase, slice index).
        attributes: What tells (phase, slice index) from the others, by DICOM keyword.
    """
    phases, slices = study.phantom.voxels.shape[:2]
    for phase in range(phases):
        for index in range(slices):
            yield phase_image(study, series, phase, index, instance(phase, index), **attributes(phase, index))
