"""From the series of a study to its dynamic contrast-enhanced series: which images are which phase, and when.

A series is taken apart into volumes (one image per position each); volumes of one protocol and one geometry that
follow each other in time are the phases. What was passed over, and why, is kept for the report.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage, MRImageStorage
from pydicom.valuerep import DA, TM

from pcr.manifest import CropSpec
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Instance, Series, Study

Role = Literal["pre", "early", "late", "other"]
InjectionSource = Literal["ContrastBolusStartTime", "estimated"]

# Where the header does not give the injection: scanning protocols start the first post-contrast phase about half a
# minute after it. The model's target times are made with the same figure.
FIRST_PHASE_AFTER_INJECTION_S = 30.0
MIN_PHASE_INTERVAL_S = 2.0
MIN_SLICES = 8
_NOT_DYNAMIC = re.compile(
    r"\b(sub\w*|mip|mpr|ser|pe\d?|scout|loc\w*|survey|t2\w*|stir|dwi|diff\w*|adc|map\w*|screen\w*)\b", re.IGNORECASE
)
_TIME_FIELDS = ("AcquisitionTime", "TriggerTime", "ContentTime")
_SPLIT_FIELDS = ("TemporalPositionIdentifier", "AcquisitionNumber")
_POSITION_TOLERANCE_MM = 0.05


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
class RejectedSeries:
    """A series that is not part of the dynamic one, and why."""

    series_instance_uid: str
    description: str
    reason: str


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
        if any(later <= earlier for earlier, later in zip(times, times[1:], strict=False)):
            raise ValueError(f"phases must follow each other in time, got {times}")

    def index(self, role: Role) -> int:
        """The place of the one phase with this role among the phases."""
        return [phase.role for phase in self.phases].index(role)

    def phase(self, role: Role) -> Phase:
        """The phase with this role."""
        return self.phases[self.index(role)]


@dataclass(frozen=True, slots=True)
class _Volume:
    """Images of one series with one image per position; positions in mm along the normal, rising."""

    series: Series
    instances: tuple[Instance, ...]
    positions_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _TimedVolume:
    volume: _Volume
    start: datetime


class _Unsuitable(Exception):
    """A series is no candidate; the message says why."""


def select_dce(study: Study, crop: CropSpec) -> DceSeries:
    """Find the dynamic contrast-enhanced series of a breast MR study and order its phases in time.

    Times come from the first of AcquisitionTime, TriggerTime and ContentTime that tells all phases apart
    (PS3.3 C.7.6.1, C.8.3.1). Early and late are the phases nearest to the model's target times after injection.

    Raises:
        NotEvaluable: `no_dce_series`, `too_few_phases`, `mixed_geometry`, `missing_slices`, `unsupported_object`.
    """
    volumes, rejected = _candidate_volumes(study)
    if not volumes:
        raise _nothing_found(study)
    protocols: dict[tuple[object, ...], list[_Volume]] = defaultdict(list)
    for volume in volumes:
        protocols[_protocol(volume.series.header)].append(volume)
    ranked = sorted(protocols.values(), key=lambda group: (len(group), len(group[0].instances)), reverse=True)
    chosen = ranked[0]
    if len(chosen) < 3:
        raise _too_few(len(chosen))
    _check_one_geometry(chosen)
    timed = _timed(chosen)
    rejected += [
        RejectedSeries(v.series.series_instance_uid, v.series.description, "another protocol than the dynamic series")
        for group in ranked[1:]
        for v in group
    ]
    why = (
        f"{len(chosen)} volumes of one protocol and one geometry at distinct times, "
        f"{len(chosen[0].instances)} slices each"
    )
    return _with_roles(timed, crop, Selection(why, tuple(dict.fromkeys(rejected))))


def _candidate_volumes(study: Study) -> tuple[list[_Volume], list[RejectedSeries]]:
    volumes: list[_Volume] = []
    rejected: list[RejectedSeries] = []
    for series in study.series:
        try:
            _check_could_be_dynamic(series)
            volumes += _split_into_volumes(series)
        except _Unsuitable as unsuitable:
            rejected.append(RejectedSeries(series.series_instance_uid, series.description, str(unsuitable)))
    return volumes, rejected


def _check_could_be_dynamic(series: Series) -> None:
    header = series.header
    if series.modality != "MR":
        raise _Unsuitable(f"modality is {series.modality or 'missing'}, not MR")
    if header.SOPClassUID != MRImageStorage:
        raise _Unsuitable(f"object is {header.SOPClassUID.name}, which is not read")
    image_type = [str(value).upper() for value in header.get("ImageType", ())]
    if image_type[:2] != ["ORIGINAL", "PRIMARY"]:
        raise _Unsuitable(f"image type is {'/'.join(image_type) or 'missing'}, not an original acquisition")
    if match := _NOT_DYNAMIC.search(series.description.replace("_", " ")):
        raise _Unsuitable(f"description names '{match.group(0)}', which is no dynamic phase")
    if "GR" not in _values(header.get("ScanningSequence")):
        raise _Unsuitable("scanning sequence is no gradient echo")
    if len(series.instances) < MIN_SLICES:
        raise _Unsuitable(f"only {len(series.instances)} images")


def _split_into_volumes(series: Series) -> list[_Volume]:
    """Take a series apart into volumes by the first attribute that leaves one image per position in each.

    Raises:
        NotEvaluable: `mixed_geometry` when the images are not parallel slices of one matrix, `missing_slices` when
            positions have different numbers of images.
    """
    shapes = {_matrix(i.header) for i in series.instances}
    if len(shapes) > 1:
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            f"series '{series.description}' mixes {len(shapes)} orientations, matrices or frames of reference",
        )
    places = _place_along_normal(series.instances)
    repeats = Counter(places.values())
    if max(repeats.values()) == 1:
        return [_volume(series, series.instances, places)]
    for split in (*(_by_field(name) for name in _SPLIT_FIELDS), *(_by_rank_in_time(name) for name in _TIME_FIELDS)):
        groups = split(series.instances, places)
        if groups is not None and _one_image_per_position(groups, places):
            return [_volume(series, group, places) for group in groups]
    if len(set(repeats.values())) > 1:
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES,
            f"series '{series.description}' has {min(repeats.values())} to {max(repeats.values())} images per "
            "position and nothing tells its phases apart; send the complete series",
        )
    raise _Unsuitable("several images at each position, and no attribute tells them apart")


_Splitter = Callable[[Sequence[Instance], dict[str, int]], list[list[Instance]] | None]


def _by_field(name: str) -> _Splitter:
    def split(instances: Sequence[Instance], places: dict[str, int]) -> list[list[Instance]] | None:
        groups: dict[int, list[Instance]] = defaultdict(list)
        for instance in instances:
            value = instance.header.get(name)
            if value is None:
                return None
            groups[int(value)].append(instance)
        return [groups[value] for value in sorted(groups)]

    return split


def _by_rank_in_time(name: str) -> _Splitter:
    """The n-th image in time at each position belongs to the n-th phase, if no two phases overlap in time."""

    def split(instances: Sequence[Instance], places: dict[str, int]) -> list[list[Instance]] | None:
        times = {i.sop_instance_uid: _moment(i.header, name) for i in instances}
        known = {uid: time for uid, time in times.items() if time is not None}
        if len(known) < len(instances):
            return None
        at_place: dict[int, list[Instance]] = defaultdict(list)
        for instance in instances:
            at_place[places[instance.sop_instance_uid]].append(instance)
        if len({len(found) for found in at_place.values()}) > 1:
            return None
        ordered = [sorted(found, key=lambda i: known[i.sop_instance_uid]) for found in at_place.values()]
        groups = [list(group) for group in zip(*ordered, strict=True)]
        spans = [[known[i.sop_instance_uid] for i in group] for group in groups]
        apart = all(max(before) < min(after) for before, after in zip(spans, spans[1:], strict=False))
        return groups if apart else None

    return split


def _one_image_per_position(groups: Sequence[Sequence[Instance]], places: dict[str, int]) -> bool:
    for group in groups:
        found = [places[i.sop_instance_uid] for i in group]
        if len(set(found)) < len(found):
            return False
    return len(groups) > 1


def _place_along_normal(instances: Iterable[Instance]) -> dict[str, int]:
    """Position of each image along the slice normal, in units of the position tolerance, by SOPInstanceUID."""
    return {i.sop_instance_uid: round(_position_mm(i.header) / _POSITION_TOLERANCE_MM) for i in instances}


def _volume(series: Series, instances: Sequence[Instance], places: dict[str, int]) -> _Volume:
    ordered = tuple(sorted(instances, key=lambda i: places[i.sop_instance_uid]))
    return _Volume(series, ordered, tuple(_position_mm(i.header) for i in ordered))


def _check_one_geometry(volumes: Sequence[_Volume]) -> None:
    if len({_matrix(v.series.header) for v in volumes}) > 1:
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            "phases of the dynamic series differ in matrix, spacing, orientation or frame of reference",
        )
    first = volumes[0].positions_mm
    for volume in volumes[1:]:
        if len(volume.positions_mm) != len(first):
            counts = sorted({len(v.positions_mm) for v in volumes})
            raise NotEvaluable(
                ReasonCode.MISSING_SLICES,
                f"phases of the dynamic series have {counts} slices; send the complete series",
            )
        if not np.allclose(volume.positions_mm, first, atol=2 * _POSITION_TOLERANCE_MM):
            raise NotEvaluable(ReasonCode.MIXED_GEOMETRY, "phases of the dynamic series lie at different positions")


def _timed(volumes: Sequence[_Volume]) -> list[_TimedVolume]:
    """Start of each volume, by the first time attribute that tells all of them apart, in the order of time."""
    for name in _TIME_FIELDS:
        starts = [_start(volume, name) for volume in volumes]
        known = [start for start in starts if start is not None]
        if len(known) < len(volumes):
            continue
        ordered = sorted(known)
        gaps = [(b - a).total_seconds() for a, b in zip(ordered, ordered[1:], strict=False)]
        if min(gaps) >= MIN_PHASE_INTERVAL_S:
            timed = [_TimedVolume(volume, start) for volume, start in zip(volumes, known, strict=True)]
            return sorted(timed, key=lambda t: t.start)
    raise NotEvaluable(
        ReasonCode.NO_DCE_SERIES,
        f"{len(volumes)} volumes look like a dynamic series, but no time attribute tells all of them apart",
    )


def _start(volume: _Volume, name: str) -> datetime | None:
    moments = [_moment(i.header, name) for i in volume.instances]
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) else None


def _with_roles(timed: Sequence[_TimedVolume], crop: CropSpec, selection: Selection) -> DceSeries:
    injection, source, pre = _injection(timed)
    after = [(t.start - injection).total_seconds() for t in timed]
    early, late = _early_and_late(after, pre, crop)
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
    """When contrast was injected, how that is known, and which phase is the last one before it."""
    for t in reversed(timed):
        stated = _moment(t.volume.instances[0].header, "ContrastBolusStartTime")
        before = [index for index, u in enumerate(timed) if stated is not None and u.start < stated]
        if stated is not None and before and before[-1] + 1 < len(timed):
            if len(timed) - 1 - before[-1] < 2:
                raise _too_few(len(timed) - before[-1])
            return stated, "ContrastBolusStartTime", before[-1]
    first_post = timed[1].start
    estimated = max(timed[0].start, first_post - timedelta(seconds=FIRST_PHASE_AFTER_INJECTION_S))
    return estimated, "estimated", 0


def _early_and_late(after_injection_s: Sequence[float], pre: int, crop: CropSpec) -> tuple[int, int]:
    """The pair of post-contrast phases, in order, with the smallest relative deviation from the target times."""
    post = range(pre + 1, len(after_injection_s))
    pairs = [(early, late) for early in post for late in post if early < late]

    def deviation(pair: tuple[int, int]) -> float:
        early, late = (after_injection_s[index] for index in pair)
        return (
            abs(early - crop.early_target_s) / crop.early_target_s + abs(late - crop.late_target_s) / crop.late_target_s
        )

    return min(pairs, key=deviation)


def _moment(header: Dataset, name: str) -> datetime | None:
    """A time attribute as a moment; TriggerTime is milliseconds after the start of the acquisition's day."""
    value = header.get(name)
    if value is None or value == "":
        return None
    date = header.get("AcquisitionDate" if name == "AcquisitionTime" else "ContentDate") or header.get("StudyDate")
    try:
        day = datetime.combine(DA(date) or datetime(1900, 1, 1), datetime.min.time())
        if name == "TriggerTime":
            return day + timedelta(milliseconds=float(value))
        time = TM(value)
    except (ValueError, TypeError):
        return None
    if time is None:
        return None
    return day + timedelta(
        hours=time.hour, minutes=time.minute, seconds=time.second, microseconds=time.microsecond
    )


def _protocol(header: Dataset) -> tuple[object, ...]:
    """What the phases of one acquisition share and other series of the study do not."""
    return (
        _values(header.get("ScanningSequence")),
        _values(header.get("SequenceVariant")),
        _values(header.get("ScanOptions")),
        str(header.get("MRAcquisitionType", "")),
        round(float(header.get("RepetitionTime") or 0), 1),
        round(float(header.get("EchoTime") or 0), 1),
        round(float(header.get("FlipAngle") or 0)),
    )


def _matrix(header: Dataset) -> tuple[object, ...]:
    """What images of one volume share: frame of reference, orientation, matrix and spacing.

    Raises:
        NotEvaluable: `unsupported_object` when the attributes of PS3.3 C.7.6.2 that say where an image lies are absent.
    """
    try:
        return (
            str(header.FrameOfReferenceUID),
            tuple(round(float(v), 4) + 0.0 for v in header.ImageOrientationPatient),
            int(header.Rows),
            int(header.Columns),
            tuple(round(float(v), 4) for v in header.PixelSpacing),
        )
    except (AttributeError, TypeError, ValueError):
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT,
            "images of the dynamic series lack frame of reference, orientation, matrix or pixel spacing",
        ) from None


def _position_mm(header: Dataset) -> float:
    """Where an image lies along the normal of its plane, in mm (PS3.3 C.7.6.2.1.1)."""
    position = header.get("ImagePositionPatient")
    if position is None or len(position) != 3:
        raise NotEvaluable(ReasonCode.UNSUPPORTED_OBJECT, "images of the dynamic series lack ImagePositionPatient")
    return float(np.dot(slice_normal(header), np.asarray(position, dtype=float)))


def slice_normal(header: Dataset) -> npt.NDArray[np.float64]:
    """Unit normal of an image plane in LPS that makes (slice, row, column) right-handed, as highdicom's volumes are."""
    orientation = np.asarray(header.ImageOrientationPatient, dtype=float)
    along_row, along_column = orientation[:3], orientation[3:]
    return np.cross(along_column, along_row)


def _values(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(sorted(str(v) for v in value))  # type: ignore[attr-defined]


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
