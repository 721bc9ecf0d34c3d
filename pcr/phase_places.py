"""Which volumes of one protocol show the same place, and which of them stand beside the dynamic series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcr.contrast import TimedVolume, has_agent
from pcr.image_times import TimeField, timing_of
from pcr.image_volumes import ImageVolume, RejectedSeries
from pcr.phase_grid import relation
from pcr.reasons import NotEvaluable, ReasonCode

MIN_PHASES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Volumes of one place in the order of time, and the attribute that their times come from."""

    timed: tuple[TimedVolume, ...]
    time_field: TimeField

    @classmethod
    def of(cls, volumes: Sequence[ImageVolume]) -> Place:
        """Raises NotEvaluable as `timing_of`."""
        timing = timing_of([volume.frames for volume in volumes])
        timed = sorted(map(TimedVolume, volumes, timing.starts), key=lambda t: t.start)
        return cls(tuple(timed), timing.field)


@dataclass(frozen=True, slots=True)
class Places:
    """One place, or those of two breasts, and the volumes that were set aside with the reason."""

    places: tuple[Place, ...]
    aside: tuple[RejectedSeries, ...]


def find_places(volumes: Sequence[ImageVolume]) -> Places:
    """The volumes by the place that they show: all at one, or as many at each of several.

    A volume in another orientation or frame of reference is set aside only where no phase can depend on it: after the
    last one, or before a run that has its own phase before contrast.

    Raises NotEvaluable: `mixed_geometry`, `missing_slices`, `no_dce_series`.
    """
    main, strays = _main_and_strays(volumes)
    aside = tuple(_set_aside(stray, main) for stray in strays)
    places = tuple(map(Place.of, _by_place(main)))
    if len({len(place.timed) for place in places}) > 1 or (len(places) > 1 and len(places[0].timed) < 2):
        raise NotEvaluable(ReasonCode.MIXED_GEOMETRY, "phases of the dynamic series lie at different positions")
    return Places(places, aside)


def _main_and_strays(volumes: Sequence[ImageVolume]) -> tuple[list[ImageVolume], list[ImageVolume]]:
    """The volumes of the orientation and frame of reference that most of them have, and the others."""
    groups: list[list[ImageVolume]] = []
    for volume in volumes:
        for group in groups:
            if volume.planes[0].is_parallel_to(group[0].planes[0]):
                group.append(volume)
                break
        else:
            groups.append([volume])
    main, *others = sorted(groups, key=len, reverse=True)
    if others and len(main) < MIN_PHASES:
        raise _differ()
    return main, [volume for group in others for volume in group]


def _set_aside(stray: ImageVolume, main: Sequence[ImageVolume]) -> RejectedSeries:
    starts = timing_of([volume.frames for volume in (*main, stray)]).starts
    *of_main, own = starts
    with_agent = [has_agent(volume) for volume in main]
    whole_run = any(with_agent) and not all(with_agent)
    if own > max(of_main):
        return _rejected(stray, "taken after the dynamic series, in another orientation or frame of reference")
    if own < min(of_main) and whole_run:
        return _rejected(stray, "taken before the dynamic series, and again in its frame of reference")
    raise _differ()


def _by_place(volumes: Sequence[ImageVolume]) -> list[list[ImageVolume]]:
    places: list[list[ImageVolume]] = []
    for volume in volumes:
        for place in places:
            if relation(volume.grid, place[0].grid) != "elsewhere":
                place.append(volume)
                break
        else:
            places.append([volume])
    return places


def _rejected(volume: ImageVolume, reason: str) -> RejectedSeries:
    return RejectedSeries(volume.series.series_instance_uid, volume.series.description, reason)


def _differ() -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.MIXED_GEOMETRY, "phases of the dynamic series differ in orientation or frame of reference"
    )
