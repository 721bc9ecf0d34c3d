"""A series taken apart into volumes: one image per position each, whichever attribute tells the phases apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from highdicom.volume import VolumeGeometry
from pydicom.dataset import Dataset

from pcr.frames import Frame, frames_of
from pcr.image_plane import ImagePlane, number
from pcr.image_times import TIME_FIELDS, moment
from pcr.phase_grid import grid_of
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.series_evidence import Evidence, ImageKind, against, kind_of_image, total, weigh_series
from pcr.study import Series, Study

MIN_SLICES = 8
POSITION_TOLERANCE_MM = 0.05
# Echo times of one echo, as scanners tune and write them, differ by less than this part.
_SAME_ECHO = 0.05
_NUMBER_FIELDS = ("TemporalPositionIdentifier", "AcquisitionNumber")


@dataclass(frozen=True, slots=True)
class RejectedSeries:
    """A series that is not part of the dynamic one, and why."""

    series_instance_uid: str
    description: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ImageVolume:
    """Images of one series with one image per position.

    Attributes:
        frames: in the order of their positions along the normal.
        planes: where they lie, in the same order.
        evidence: what the series says for and against being dynamic.
        numbers: values of the attributes that told this volume from the others of its series, in their order; empty
            where times alone did.
    """

    series: Series
    frames: tuple[Frame, ...]
    planes: tuple[ImagePlane, ...]
    evidence: tuple[Evidence, ...]
    numbers: tuple[float, ...]

    @property
    def header(self) -> Dataset:
        """The header of one image, for attributes that are the same throughout the volume."""
        return self.frames[0].header

    @cached_property
    def grid(self) -> VolumeGeometry:
        """The grid that its planes make up. Raises NotEvaluable as `grid_of`."""
        return grid_of(self.planes)


@dataclass(frozen=True, slots=True)
class UnsafeSeries:
    """A series of the right kind that can not be taken apart into whole volumes, and how that refuses the study."""

    series: Series
    refusal: NotEvaluable

    @property
    def header(self) -> Dataset:
        """The header of one image, for attributes that are the same throughout the series."""
        return frames_of(self.series)[0].header

    @property
    def could_be_volume(self) -> bool:
        """Whether it has as many images as a volume; a few slices are no dynamic series by themselves."""
        images = sum(int(number(i.header, "NumberOfFrames") or 1) for i in self.series.instances)
        return images >= MIN_SLICES


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
            volumes += _volumes_of(series)
        except _Unsuitable as unsuitable:
            rejected.append(RejectedSeries(series.series_instance_uid, series.description, str(unsuitable)))
        except NotEvaluable as refusal:
            rejected.append(RejectedSeries(series.series_instance_uid, series.description, refusal.message))
            unsafe.append(UnsafeSeries(series, refusal))
    return Candidates(tuple(volumes), tuple(rejected), tuple(unsafe))


def _volumes_of(series: Series) -> list[ImageVolume]:
    """The volumes of the images of a series that could be dynamic; images of other kinds in it are left out.

    Raises:
        _Unsuitable: none of its images could be.
        NotEvaluable: they could, but can not be taken apart safely.
    """
    if series.modality != "MR":
        raise _Unsuitable(against(weigh_series(series.modality, series.description, series.header)))
    kinds: dict[ImageKind, list[Frame]] = defaultdict(list)
    for frame in frames_of(series):
        kinds[kind_of_image(frame.header)].append(frame)
    weighed = {
        kind: weigh_series(series.modality, series.description, frames[0].header) for kind, frames in kinds.items()
    }
    possible = [kind for kind, evidence in weighed.items() if total(evidence) > 0]
    if not possible:
        raise _Unsuitable(against(min(weighed.values(), key=total)) or "nothing speaks for a dynamic series")
    # Kinds that are named (fat, phase maps) stand beside the phases; others could be in the place of one of them.
    if len(possible) > 1 or any(not kind.named for kind in kinds if kind not in possible):
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT,
            f"series '{series.description}' mixes {len(kinds)} kinds of image, such as original and derived ones; "
            "send one kind",
        )
    return _split_into_volumes(series, kinds[possible[0]], weighed[possible[0]])


def _split_into_volumes(series: Series, frames: Sequence[Frame], evidence: tuple[Evidence, ...]) -> list[ImageVolume]:
    """Take images apart into volumes by the attributes that leave one image per position in each.

    Raises:
        NotEvaluable: `mixed_geometry` when the images are not parallel slices of one matrix, `missing_slices` when
            positions have different numbers of images or are too few, `unsupported_object` when they have none or are
            of several echoes.
    """
    planes = {frame.key: frame.plane for frame in frames}
    _check_one_echo(series, frames)
    first = next(iter(planes.values()))
    if not all(plane.is_parallel_to(first) for plane in planes.values()):
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            f"series '{series.description}' mixes several orientations or frames of reference",
        )
    places = _places_along_normal(planes)
    repeats = Counter(places.values())
    if len(repeats) < MIN_SLICES:
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES, f"series '{series.description}' has only {len(repeats)} slice positions"
        )
    groups = _apart(frames, places, ())
    if groups is None:
        if len(set(repeats.values())) > 1:
            raise NotEvaluable(
                ReasonCode.MISSING_SLICES,
                f"series '{series.description}' has {min(repeats.values())} to {max(repeats.values())} images per "
                "position and nothing tells its phases apart; send the complete series",
            )
        raise _Unsuitable("several images at each position, and no attribute tells them apart")
    return [_volume(series, group, planes, places, evidence) for group in groups]


def _check_one_echo(series: Series, frames: Sequence[Frame]) -> None:
    for name, part in (("EchoTime", _SAME_ECHO), ("EchoNumbers", 0.0)):
        values = {number(frame.header, name) for frame in frames}
        known = [value for value in values if value is not None]
        if len(known) < len(values) > 1 or (known and max(known) - min(known) > part * max(known)):
            raise NotEvaluable(
                ReasonCode.UNSUPPORTED_OBJECT,
                f"series '{series.description}' mixes {len(values)} echoes by its {name}; "
                "send each echo, or the water images alone, as a series of its own",
            )


@dataclass(frozen=True, slots=True)
class _Group:
    """Images of one volume, and the numbers that told it from the others."""

    frames: tuple[Frame, ...]
    numbers: tuple[float, ...]


_Places = dict[tuple[str, int], int]


def _apart(frames: Sequence[Frame], places: _Places, numbers: tuple[float, ...]) -> list[_Group] | None:
    """The images as groups with one image per position each, by number where there is one, else by time; else None."""
    if len({places[f.key] for f in frames}) == len(frames):
        return [_Group(tuple(frames), numbers)]
    for name in _NUMBER_FIELDS:
        by_number = _by_number(frames, name)
        if by_number is None or len(by_number) < 2:
            continue
        parts = [_apart(found, places, (*numbers, value)) for value, found in sorted(by_number.items())]
        if all(part is not None for part in parts):
            return [group for part in parts if part is not None for group in part]
    for name in TIME_FIELDS:
        ranked = _by_rank_in_time(frames, places, name)
        if ranked is not None:
            return [_Group(tuple(group), numbers) for group in ranked]
    return None


def _by_number(frames: Sequence[Frame], name: str) -> dict[float, list[Frame]] | None:
    """Images by a number that all of them have."""
    groups: dict[float, list[Frame]] = defaultdict(list)
    for frame in frames:
        value = number(frame.header, name)
        if value is None:
            return None
        groups[value].append(frame)
    return groups


def _by_rank_in_time(frames: Sequence[Frame], places: _Places, name: str) -> list[list[Frame]] | None:
    """The n-th image in time at each position belongs to the n-th phase, if no two phases overlap in time."""
    times = {f.key: moment(f.header, name) for f in frames}
    known = {key: time for key, time in times.items() if time is not None}
    if len(known) < len(frames):
        return None
    at_place: dict[int, list[Frame]] = defaultdict(list)
    for frame in frames:
        at_place[places[frame.key]].append(frame)
    if len({len(found) for found in at_place.values()}) > 1:
        return None
    ordered = [sorted(found, key=lambda f: known[f.key]) for found in at_place.values()]
    groups = [list(group) for group in zip(*ordered, strict=True)]
    spans = [[known[f.key] for f in group] for group in groups]
    apart = all(max(before) < min(after) for before, after in pairwise(spans))
    return groups if apart else None


def _places_along_normal(planes: dict[tuple[str, int], ImagePlane]) -> _Places:
    """Number of the slice position of each image, rising along the normal."""
    along = sorted((plane.along_normal_mm, key) for key, plane in planes.items())
    steps = [after - before > POSITION_TOLERANCE_MM for (before, _), (after, _) in pairwise(along)]
    return {key: place for (_, key), place in zip(along, accumulate(steps, initial=0), strict=True)}


def _volume(
    series: Series,
    group: _Group,
    planes: dict[tuple[str, int], ImagePlane],
    places: _Places,
    evidence: tuple[Evidence, ...],
) -> ImageVolume:
    ordered = tuple(sorted(group.frames, key=lambda f: places[f.key]))
    found = tuple(planes[f.key] for f in ordered)
    if len(found) < MIN_SLICES:
        raise NotEvaluable(
            ReasonCode.MISSING_SLICES,
            f"one volume of series '{series.description}' has only {len(found)} slices; send the complete series",
        )
    if len({plane.matrix for plane in found}) > 1:
        raise NotEvaluable(
            ReasonCode.MIXED_GEOMETRY,
            f"one volume of series '{series.description}' mixes several matrices or pixel spacings",
        )
    return ImageVolume(series=series, frames=ordered, planes=found, evidence=evidence, numbers=group.numbers)
