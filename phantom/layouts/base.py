"""What a layout is, and the steps that several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from pcr.reasons import ReasonCode
from phantom.dicom import Series, StudyContext
from phantom.errors import require
from phantom.layouts.views import Views, as_asked
from phantom.voxels import Phantom

READ = "read"


def as_made(image: Dataset) -> Iterator[Dataset]:
    """Every image once, in Explicit VR Little Endian."""
    yield image


def nothing(study: StudyContext) -> Iterator[Dataset]:
    """No other series."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A way in which scanners write a dynamic study.

    Attributes:
        name: What users call it.
        summary: Which vendor and cohort it stands for, and what tells the phases apart.
        equipment: Manufacturer, ManufacturerModelName and the like, by DICOM keyword.
        dynamic: The images of the dynamic series.
        others: The images of all other series of the study.
        outcome: What is to come of it: "read", or the reason code with which it is to be refused.
        views: The grids and times at which the scanner takes the patient.
        encoded: The files that become of an image: its transfer syntax, and how often it is written.
    """

    name: str
    summary: str
    equipment: Mapping[str, Any]
    dynamic: Callable[[StudyContext], Iterator[Dataset]]
    others: Callable[[StudyContext], Iterator[Dataset]]
    outcome: str = READ
    views: Views = as_asked
    encoded: Callable[[Dataset], Iterator[Dataset]] = as_made

    def __post_init__(self) -> None:
        require(self.outcome in (READ, *ReasonCode), f"outcome ({self.outcome}) must be 'read' or a reason code")


def phase_image(
    study: StudyContext,
    series: Series,
    phase: int,
    slice_index: int,
    instance: int,
    *,
    view: Phantom | None = None,
    **attributes: Any,
) -> Dataset:
    """One slice of one phase, acquired at the phase's time; of the dynamic series if no other view is given."""
    phantom = view or study.phantom
    defaults = {"acquired_s": phantom.phases[phase].time_s, "pixels": phantom.voxels[phase, slice_index]}
    return study.image(
        series,
        instance=instance,
        geometry=phantom.geometry,
        slice_index=slice_index,
        **{**defaults, **attributes},
    )


def one_series(
    study: StudyContext,
    series: Series,
    *,
    attributes: Callable[[int, int], Mapping[str, Any]] = lambda phase, index: {},
    instance: Callable[[int, int], int] | None = None,
    phases: Iterable[int] | None = None,
    view: Phantom | None = None,
) -> Iterator[Dataset]:
    """Some phases, or all, in one series.

    Args:
        study: The study.
        series: The series.
        attributes: What tells (phase, slice index) from the others, by DICOM keyword.
        instance: InstanceNumber of (phase, slice index); by default phase after phase, from head to feet.
        phases: Which phases.
        view: Of which volume; by default that of the dynamic series.
    """
    phantom = view or study.phantom
    chosen = range(len(phantom.phases)) if phases is None else phases
    slices = phantom.geometry.spatial_shape[0]
    for place, phase in enumerate(chosen):
        for index in range(slices):
            number = instance(phase, index) if instance else place * slices + index + 1
            yield phase_image(study, series, phase, index, number, view=view, **attributes(phase, index))


def series_per_phase(
    study: StudyContext,
    sequence: Mapping[str, Any],
    name: Callable[[int], str],
    *,
    number: Callable[[int], int] = lambda phase: 4 + 3 * phase,
    attributes: Callable[[int, int], Mapping[str, Any]] = lambda phase, index: {},
    pre_view: Phantom | None = None,
) -> Iterator[Dataset]:
    """Each phase in a series of its own.

    Args:
        study: The study.
        sequence: Attributes of all images, by DICOM keyword.
        name: SeriesDescription of the n-th phase after contrast, and of those before for 0.
        number: SeriesNumber of a phase.
        attributes: Further attributes of (phase, slice index), by DICOM keyword.
        pre_view: The volume of the phases before contrast, where it is another than that of those after.
    """
    for phase, after in enumerate(posts_so_far(study)):
        series = Series(
            number=number(phase),
            description=name(after),
            start_s=study.phantom.phases[phase].time_s,
            sequence={**sequence, **study.agent(phase)},
        )
        view = pre_view if after == 0 else None
        yield from one_series(study, series, phases=[phase], view=view, attributes=attributes)


def posts_so_far(study: StudyContext) -> list[int]:
    """For each phase, how many there have been after contrast up to and with it."""
    roles = [phase.role for phase in study.phantom.phases]
    return [roles[: index + 1].count("post") for index in range(len(roles))]


def before_and_after(study: StudyContext) -> tuple[list[int], list[int]]:
    """The phases before contrast and those after it."""
    counts = posts_so_far(study)
    return [i for i, count in enumerate(counts) if count == 0], [i for i, count in enumerate(counts) if count > 0]


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th..."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    return f"{number}{ending}"
