"""A series taken apart into volumes: one image per position each, whichever attribute tells the phases apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import DA, TM

from pcr.image_plane import matrix, number, position_lps_mm, position_mm
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Instance, Series, Study

MIN_SLICES = 8
TIME_FIELDS = ("AcquisitionTime", "TriggerTime", "ContentTime")
POSITION_TOLERANCE_MM = 0.05
_SPLIT_FIELDS = ("TemporalPositionIdentifier", "AcquisitionNumber")
_NOT_DYNAMIC = re.compile(
    r"\b(sub\w*|mip|mpr|ser|pe\d?|scout|locali[sz]er|loc|survey|t2\w*|stir|dwi|diff\w*|adc|maps?|screen ?save\w*)\b"
    r"|\bminus\b|\s-\s*pre\b",
    re.IGNORECASE,
)
# Values of ImageType beyond the second (PS3.3 C.8.3.1.1.1 and vendors' own) that no contrast phase has.
_NOT_DYNAMIC_TYPES = {
    "SUB", "SUBTRACT", "SUBTRACTION", "MIP", "MPR", "PROJECTION IMAGE", "RESAMPLED", "ADC", "DIFFUSION",
    "P", "PHASE", "PHASE MAP", "FAT", "IN_PHASE", "OPP_PHASE", "OUT_PHASE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RejectedSeries:
    """A series that is not part of the dynamic one, and why."""

    series_instance_uid: str
    description: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageVolume:
    """Images of one series with one image per position; positions of their first pixels in LPS mm, along the normal."""

    series: Series
    instances: tuple[Instance, ...]
    positions_lps_mm: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class UnsafeSeries:
    """A gradient echo that can not be taken apart into whole volumes, and how the study is refused if it needs it."""

    series: Series
    refusal: NotEvaluable

    @property
    def could_be_volume(self) -> bool:
        """Whether it has as many images as a volume; a few slices are no dynamic series by themselves."""
        return len(self.series.instances) >= MIN_SLICES


@dataclass(frozen=True, slots=True)
class Candidates:
    """The series of a study, sorted: volumes that could be phases, what can not, and what would make it unsafe."""

    volumes: tuple[ImageVolume, ...]
    rejected: tuple[RejectedSeries, ...]
    unsafe: tuple[UnsafeSeries, ...]


class _Unsuitable(Exception):
    """A series is no candidate; the message says why."""


def candidate_volumes(study: Study) -> Candidates:
    """The volumes of all series that could be dynamic phases, and why the other series could not.

    A series that is unsafe to read refuses no study here: it may be a scout that nobody needs.
    """
    volumes: list[ImageVolume] = []
    rejected: list[RejectedSeries] = []
    unsafe: list[UnsafeSeries] = []
    for series in study.series:
        try:
            _check_could_be_dynamic(series)
            volumes += _split_into_volumes(series)
        except _Unsuitable as unsuitable:
            rejected.append(RejectedSeries(series.series_instance_uid, series.description, str(unsuitable)))
        except NotEvaluable as refusal:
            rejected.append(RejectedSeries(series.series_instance_uid, series.description, refusal.message))
            unsafe.append(UnsafeSeries(series, refusal))
    return Candidates(tuple(volumes), tuple(rejected), tuple(unsafe))


def _check_could_be_dynamic(series: Series) -> None:
    header = series.header
    if series.modality != "MR":
        raise _Unsuitable(f"modality is {series.modality or 'missing'}, not MR")
    if header.SOPClassUID != MRImageStorage:
        raise _Unsuitable(f"object is {header.SOPClassUID.name}, which is not read")
    stated = header.get("ImageType") or ()
    image_type = [str(value).upper() for value in ([stated] if isinstance(stated, str) else stated)]
    if image_type[:2] != ["ORIGINAL", "PRIMARY"]:
        raise _Unsuitable(f"image type is {'/'.join(image_type) or 'missing'}, not an original acquisition")
    if others := _NOT_DYNAMIC_TYPES.intersection(image_type):
        raise _Unsuitable(f"image type names {', '.join(sorted(others))}, which is no contrast phase")
    if match := _NOT_DYNAMIC.search(series.description.replace("_", " ")):
        raise _Unsuitable(f"description names '{match.group(0)}', which is no dynamic phase")
    if "GR" not in values_of(header.get("ScanningSequence")):
        raise _Unsuitable("scanning sequence is no gradient echo")


def _split_into_volumes(series: Series) -> list[ImageVolume]:
    """Take a series apart into volumes by the first attribute that leaves one image per position in each.

    Raises:
        NotEvaluable: `mixed_geometry` when the images are not parallel slices of one matrix, `missing_slices` when
            positions have different numbers of images or are too few, `unsupported_object` when they have none or are
            of several echoes.
    """
    shapes = {matrix(i.header) for i in series.instances}
    if len(shapes) > 1:
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            f"series '{series.description}' mixes {len(shapes)} orientations, matrices or frames of reference",
        )
    echoes = {number(i.header, "EchoTime") for i in series.instances}
    if len(echoes) > 1:
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT,
            f"series '{series.description}' mixes {len(echoes)} echo times; send each echo as a series of its own",
        )
    places = _place_along_normal(series.instances)
    repeats = Counter(places.values())
    if len(repeats) < MIN_SLICES:
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES, f"series '{series.description}' has only {len(repeats)} slice positions"
        )
    if max(repeats.values()) == 1:
        return [_volume(series, series.instances, places)]
    for split in (*(_by_field(name) for name in _SPLIT_FIELDS), *(_by_rank_in_time(name) for name in TIME_FIELDS)):
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
        groups: dict[float, list[Instance]] = defaultdict(list)
        for instance in instances:
            value = number(instance.header, name)
            if value is None:
                return None
            groups[value].append(instance)
        return [groups[value] for value in sorted(groups)]

    return split


def _by_rank_in_time(name: str) -> _Splitter:
    """The n-th image in time at each position belongs to the n-th phase, if no two phases overlap in time."""

    def split(instances: Sequence[Instance], places: dict[str, int]) -> list[list[Instance]] | None:
        times = {i.sop_instance_uid: moment(i.header, name) for i in instances}
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
        apart = all(max(before) < min(after) for before, after in pairwise(spans))
        return groups if apart else None

    return split


def _one_image_per_position(groups: Sequence[Sequence[Instance]], places: dict[str, int]) -> bool:
    for group in groups:
        found = [places[i.sop_instance_uid] for i in group]
        if len(set(found)) < len(found):
            return False
    return len(groups) > 1


def _place_along_normal(instances: Iterable[Instance]) -> dict[str, int]:
    """Number of the slice position of each image, rising along the normal, by SOPInstanceUID."""
    along = sorted((position_mm(i.header), i.sop_instance_uid) for i in instances)
    steps = [after - before > POSITION_TOLERANCE_MM for (before, _), (after, _) in pairwise(along)]
    return {uid: place for (_, uid), place in zip(along, accumulate(steps, initial=0), strict=True)}


def _volume(series: Series, instances: Sequence[Instance], places: dict[str, int]) -> ImageVolume:
    ordered = tuple(sorted(instances, key=lambda i: places[i.sop_instance_uid]))
    return ImageVolume(series, ordered, tuple(tuple(position_lps_mm(i.header)) for i in ordered))


def moment(header: Dataset, name: str) -> datetime | None:
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
    return day + timedelta(hours=time.hour, minutes=time.minute, seconds=time.second, microseconds=time.microsecond)


def values_of(value: object) -> tuple[str, ...]:
    """The values of an attribute that may have none, one or several, in alphabetical order."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(sorted(str(v) for v in value))  # type: ignore[attr-defined]
