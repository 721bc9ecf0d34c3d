"""From the series of a study to its dynamic contrast-enhanced series: which images are which phase, and when.

A series is taken apart into volumes (one image per position each); volumes of one protocol and one geometry that
follow each other in time are the phases. What was passed over, and why, is kept for the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage

from pcr.image_plane import matrix, number
from pcr.image_volumes import (
    POSITION_TOLERANCE_MM,
    TIME_FIELDS,
    ImageVolume,
    RejectedSeries,
    UnsafeSeries,
    candidate_volumes,
    moment,
    values_of,
)
from pcr.manifest import CropSpec
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Instance, Study

Role = Literal["pre", "early", "late", "other"]
InjectionSource = Literal["ContrastBolusStartTime", "estimated"]

# Where the header does not give the injection: scanning protocols start the first post-contrast phase about half a
# minute after it. The model's target times are made with the same figure.
FIRST_PHASE_AFTER_INJECTION_S = 30.0
MIN_PHASE_INTERVAL = timedelta(seconds=2)
# A scanner's tuning may move a time between the phases of one protocol by this part.
PROTOCOL_TOLERANCE = 0.05
_NAMED_PROTOCOL = ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType")
_MEASURED_PROTOCOL = ("RepetitionTime", "EchoTime", "FlipAngle")
# Longer than any acquisition: times without dates that went over midnight, whose order would be wrong.
MAX_SPAN = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One contrast phase: its images in the order of their positions along the normal of the slices.

    `time_s` counts from the start of the pre-contrast phase, `after_injection_s` from contrast injection.
    """

    series_instance_uid: str
    description: str
    time_s: float
    after_injection_s: float
    role: Role
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Why the chosen images were chosen, and why the other series were not."""

    why: str
    rejected: tuple[RejectedSeries, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DceSeries:
    """The dynamic series: at least three phases in the order of time, with distinct pre, early and late ones."""

    phases: tuple[Phase, ...]
    pre_gap_s: float
    injection_source: InjectionSource
    selection: Selection

    def __post_init__(self) -> None:
        indices = [self.index(role) for role in ("pre", "early", "late")]
        if indices != sorted(set(indices)):
            raise ValueError(f"pre, early and late must be three phases in order, got indices {indices}")
        times = [phase.time_s for phase in self.phases]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(f"phases must follow each other in time, got {times}")

    def index(self, role: Role) -> int:
        """The place of the one phase with this role among the phases."""
        return [phase.role for phase in self.phases].index(role)

    def phase(self, role: Role) -> Phase:
        """The phase with this role."""
        return self.phases[self.index(role)]


@dataclass(frozen=True, slots=True)
class _TimedVolume:
    volume: ImageVolume
    start: datetime


def select_dce(study: Study, crop: CropSpec) -> DceSeries:
    """Find the dynamic contrast-enhanced series of a breast MR study and order its phases in time.

    Times come from the first of AcquisitionTime, TriggerTime and ContentTime that tells all phases apart
    (PS3.3 C.7.6.1, C.8.3.1). Early and late are the phases nearest to the model's target times after injection.

    Raises:
        NotEvaluable: `no_dce_series`, `too_few_phases`, `mixed_geometry`, `missing_slices`, `unsupported_object`.
    """
    candidates = candidate_volumes(study)
    ranked = sorted(_by_protocol(candidates.volumes), key=lambda g: (len(g), len(g[0].instances)), reverse=True)
    chosen = ranked[0] if ranked else []
    _check_none_is_unsafe(candidates.unsafe, chosen)
    if not chosen:
        raise _nothing_found(study)
    if len(chosen) < 3:
        raise _too_few(len(chosen))
    if len(ranked) > 1 and len(ranked[1]) == len(chosen):
        raise NotEvaluable(
            ReasonCode.NO_DCE_SERIES,
            f"two protocols have {len(chosen)} phases each, such as two echoes; send the one to be read",
        )
    _check_one_geometry(chosen)
    timed = _timed(chosen)
    others = tuple(
        RejectedSeries(v.series.series_instance_uid, v.series.description, "another protocol than the dynamic series")
        for group in ranked[1:]
        for v in group
    )
    why = (
        f"{len(chosen)} volumes of one protocol and one geometry at distinct times, "
        f"{len(chosen[0].instances)} slices each"
    )
    return _with_roles(timed, crop, Selection(why, tuple(dict.fromkeys(candidates.rejected + others))))


def _check_none_is_unsafe(unsafe: Sequence[UnsafeSeries], chosen: Sequence[ImageVolume]) -> None:
    """Refuse where a series that can not be read belongs to the dynamic one, or may be it since no other is whole."""
    for found in unsafe:
        is_part = bool(chosen) and _one_protocol(found.series.header, chosen[0].series.header)
        if is_part or (len(chosen) < 3 and found.could_be_volume):
            raise found.refusal


def _check_one_geometry(volumes: Sequence[ImageVolume]) -> None:
    if len({matrix(v.series.header) for v in volumes}) > 1:
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            "phases of the dynamic series differ in matrix, spacing, orientation or frame of reference",
        )
    first = volumes[0].positions_lps_mm
    for volume in volumes[1:]:
        if len(volume.positions_lps_mm) != len(first):
            counts = sorted({len(v.positions_lps_mm) for v in volumes})
            raise NotEvaluable(
                ReasonCode.MISSING_SLICES,
                f"phases of the dynamic series have {counts} slices; send the complete series",
            )
        if not np.allclose(volume.positions_lps_mm, first, rtol=0, atol=2 * POSITION_TOLERANCE_MM):
            raise NotEvaluable(ReasonCode.MIXED_GEOMETRY, "phases of the dynamic series lie at different positions")


def _timed(volumes: Sequence[ImageVolume]) -> list[_TimedVolume]:
    """Start of each volume, by the first time attribute that tells all of them apart, in the order of time.

    Where an attribute is the same for all volumes, or for those of one series, the next one is asked. Where it tells
    some apart, two series at one time are two pictures of the same moment (a second reconstruction, an echo, a
    subtraction), whatever other times say.
    """
    for name in TIME_FIELDS:
        starts = [_start(volume, name) for volume in volumes]
        known = [start for start in starts if start is not None]
        if len(known) < len(volumes):
            continue
        timed = sorted(map(_TimedVolume, volumes, known), key=lambda t: t.start)
        if timed[-1].start - timed[0].start > MAX_SPAN:
            raise NotEvaluable(
                ReasonCode.NO_DCE_SERIES,
                f"phases of the dynamic series lie hours apart by their {name}; "
                "if the study went over midnight, send it with its acquisition dates",
            )
        together = [(a, b) for a, b in pairwise(timed) if b.start - a.start < MIN_PHASE_INTERVAL]
        if not together:
            return timed
        constant = len(together) == len(timed) - 1
        if not constant and any(a.volume.series is not b.volume.series for a, b in together):
            raise NotEvaluable(
                ReasonCode.NO_DCE_SERIES,
                f"two series show the same moment by their {name}, such as two reconstructions; "
                "send the one to be read",
            )
    raise NotEvaluable(
        ReasonCode.NO_DCE_SERIES,
        f"{len(volumes)} volumes look like a dynamic series, but no time attribute tells all of them apart",
    )


def _start(volume: ImageVolume, name: str) -> datetime | None:
    moments = [moment(i.header, name) for i in volume.instances]
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) else None


def _with_roles(timed: Sequence[_TimedVolume], crop: CropSpec, selection: Selection) -> DceSeries:
    injection, source, pre = _injection(timed)
    after = [(t.start - injection).total_seconds() for t in timed]
    early, late = early_and_late(after, pre, crop.early_target_s, crop.late_target_s)
    roles: dict[int, Role] = {pre: "pre", early: "early", late: "late"}
    phases = tuple(
        Phase(
            series_instance_uid=t.volume.series.series_instance_uid,
            description=t.volume.series.description,
            time_s=(t.start - timed[pre].start).total_seconds(),
            after_injection_s=after[index],
            role=roles.get(index, "other"),
            instances=t.volume.instances,
        )
        for index, t in enumerate(timed)
    )
    gap = (timed[pre + 1].start - timed[pre].start).total_seconds()
    return DceSeries(phases=phases, pre_gap_s=gap, injection_source=source, selection=selection)


def _injection(timed: Sequence[_TimedVolume]) -> tuple[datetime, InjectionSource, int]:
    """When contrast was injected, how that is known, and which phase is the last one before it.

    Raises:
        NotEvaluable: `too_few_phases` when the stated injection leaves no phase before it or less than two after it.
    """
    stated = _stated_injection(timed)
    if stated is None:
        estimated = max(timed[0].start, timed[1].start - timedelta(seconds=FIRST_PHASE_AFTER_INJECTION_S))
        return estimated, "estimated", 0
    before = sum(t.start < stated for t in timed)
    if before == 0:
        raise NotEvaluable(
            ReasonCode.TOO_FEW_PHASES,
            "contrast was injected before the first phase; a phase before injection and two after it are needed",
        )
    if len(timed) - before < 2:
        raise _too_few(1 + len(timed) - before)
    return stated, "ContrastBolusStartTime", before - 1


def _stated_injection(timed: Sequence[_TimedVolume]) -> datetime | None:
    """The latest ContrastBolusStartTime, where it is on one clock with the phases: within hours of them."""
    moments = [moment(t.volume.instances[0].header, "ContrastBolusStartTime") for t in timed]
    stated = [m for m in moments if m is not None and timed[0].start - MAX_SPAN < m < timed[-1].start]
    return max(stated, default=None)


def early_and_late(
    after_injection_s: Sequence[float], pre: int, early_target_s: float, late_target_s: float
) -> tuple[int, int]:
    """Indices of the two phases after `pre`, in order, with the smallest relative deviation from the target times."""
    post = range(pre + 1, len(after_injection_s))
    pairs = [(early, late) for early in post for late in post if early < late]

    def deviation(pair: tuple[int, int]) -> float:
        early, late = (after_injection_s[index] for index in pair)
        return abs(early - early_target_s) / early_target_s + abs(late - late_target_s) / late_target_s

    return min(pairs, key=deviation)


def _by_protocol(volumes: Sequence[ImageVolume]) -> list[list[ImageVolume]]:
    """Volumes grouped by the protocol of the first in each group."""
    groups: list[list[ImageVolume]] = []
    for volume in volumes:
        for group in groups:
            if _one_protocol(volume.series.header, group[0].series.header):
                group.append(volume)
                break
        else:
            groups.append([volume])
    return groups


def _one_protocol(a: Dataset, b: Dataset) -> bool:
    """Whether two series are of one acquisition: what is named is equal, what is measured is nearly so."""
    named = all(values_of(a.get(name)) == values_of(b.get(name)) for name in _NAMED_PROTOCOL)
    return named and all(_near(number(a, name), number(b, name)) for name in _MEASURED_PROTOCOL)


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= PROTOCOL_TOLERANCE * max(abs(a), abs(b))


def _too_few(found: int) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.TOO_FEW_PHASES,
        f"only {found} phases of the dynamic series are here; a pre-contrast and two post-contrast phases are needed",
    )


def _nothing_found(study: Study) -> NotEvaluable:
    multi_frame = {EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage}
    if any(series.header.SOPClassUID in multi_frame for series in study.series):
        return NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT, "the MR images are enhanced (multi-frame) objects, which are not read yet"
        )
    return NotEvaluable(
        ReasonCode.NO_DCE_SERIES,
        f"none of the {len(study.series)} series is an original T1-weighted gradient-echo acquisition",
    )
