"""When images were acquired: which attribute to believe depends on who built the scanner.

The order of attributes for each vendor is that of selection rules that were used on multi-site data; ours is that an
attribute is believed only where it tells all phases apart and contradicts none of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from pcr.frames import Frame
from pcr.reasons import NotEvaluable, ReasonCode

TimeField = Literal["AcquisitionTime", "TriggerTime", "ContentTime"]
Vendor = Literal["GE", "Siemens", "Philips", "unknown"]

TIME_FIELDS: tuple[TimeField, ...] = ("AcquisitionTime", "TriggerTime", "ContentTime")
# Siemens' ContentTime is that of the reconstruction. GE's and Philips' AcquisitionTime is often that of the whole
# series.
_BELIEVED: dict[Vendor, tuple[TimeField, ...]] = {
    "Siemens": ("AcquisitionTime", "ContentTime", "TriggerTime"),
    "Philips": ("TriggerTime", "ContentTime", "AcquisitionTime"),
    "GE": ("ContentTime", "TriggerTime", "AcquisitionTime"),
    "unknown": ("AcquisitionTime", "TriggerTime", "ContentTime"),
}
_PRIVATE_CREATORS: dict[tuple[int, int], Vendor] = {
    (0x0019, 0x0010): "GE",
    (0x0029, 0x0010): "Siemens",
    (0x2001, 0x0010): "Philips",
    (0x2005, 0x0010): "Philips",
}
_NAMES: dict[str, Vendor] = {
    "GE ": "GE",
    "GEMS": "GE",
    "GENERAL ELECTRIC": "GE",
    "SIEMENS": "Siemens",
    "PHILIPS": "Philips",
}
MIN_PHASE_INTERVAL = timedelta(seconds=2)
# Content times closer than this are those of one reconstruction of all phases.
MIN_CONTENT_SPAN = timedelta(seconds=60)
# Longer than any acquisition: times without dates that went over midnight, whose order would be wrong.
MAX_SPAN = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Timing:
    """The start of each phase, in the order in which the phases were given, by the attribute that was believed."""

    field: TimeField
    starts: tuple[datetime, ...]


def vendor_of(header: Dataset) -> Vendor:
    """Who built the scanner, by Manufacturer, else by the private creators that vendors leave behind."""
    named = str(header.get("Manufacturer") or "").upper()
    if named.strip():
        return next((vendor for start, vendor in _NAMES.items() if f"{named} ".startswith(start)), "unknown")
    for place, vendor in _PRIVATE_CREATORS.items():
        creator = header.get(place)
        if creator is not None and vendor.upper()[:2] in str(creator.value).upper():
            return vendor
    return "unknown"


def timing_of(phases: Sequence[Sequence[Frame]]) -> Timing:
    """When phases began: the middle one of the times of their images, by the vendor's most trustworthy attribute.

    Raises:
        NotEvaluable: `no_dce_series` where no attribute tells all phases apart, where two attributes disagree about
            their order, or where they lie hours apart.
    """
    vendor = vendor_of(phases[0][0].header)
    found: list[Timing] = []
    for name in _BELIEVED[vendor]:
        moments = _moments(phases, name)
        if moments is None:
            continue
        if name == "AcquisitionTime":
            _check_no_moment_twice(phases, moments, whole_run_may_share=vendor == "GE" or len(phases) > 3)
        if _tells_apart(moments, name):
            found.append(Timing(name, tuple(median_low(times) for times in moments)))
    if not found:
        raise _untimed(
            f"{len(phases)} volumes look like a dynamic series, but no time attribute tells all of them apart"
        )
    believed = found[0]
    if max(believed.starts) - min(believed.starts) > MAX_SPAN:
        raise _untimed(
            f"phases of the dynamic series lie hours apart by their {believed.field}; "
            "if the study went over midnight, send it with its acquisition dates"
        )
    for other in found[1:]:
        if _order(other.starts) != _order(believed.starts):
            raise _untimed(
                f"{believed.field} and {other.field} put the phases of the dynamic series in different orders; "
                "send it as acquired"
            )
    return believed


def _moments(phases: Sequence[Sequence[Frame]], name: TimeField) -> list[list[datetime]] | None:
    """The times of all images; None where one has none, or where they are of several clocks."""
    moments = [[moment(frame.header, name) for frame in phase] for phase in phases]
    known = [[m for m in times if m is not None] for times in moments]
    if [len(times) for times in known] != [len(times) for times in moments]:
        return None
    return _on_one_clock(phases, known) if name == "TriggerTime" else known


def _on_one_clock(phases: Sequence[Sequence[Frame]], times: list[list[datetime]]) -> list[list[datetime]] | None:
    """Trigger times, which count from the start of their own series, as times of day where that start is known.

    Several series without it have no common clock.
    """
    starts: dict[str, set[datetime | None]] = defaultdict(set)
    for phase in phases:
        for frame in phase:
            starts[_series_of(frame)].add(moment(frame.header, "AcquisitionTime"))
    known = {uid: next(iter(found)) for uid, found in starts.items() if len(found) == 1}
    since_midnight = {uid: start - _midnight(start) for uid, start in known.items() if start is not None}
    if len(since_midnight) < len(starts):
        return times if len(starts) == 1 else None
    return [
        [t + since_midnight[_series_of(frame)] for frame, t in zip(phase, of_phase, strict=True)]
        for phase, of_phase in zip(phases, times, strict=True)
    ]


def _midnight(when: datetime) -> datetime:
    return when.replace(hour=0, minute=0, second=0, microsecond=0)


def _series_of(frame: Frame) -> str:
    return str(frame.header.get("SeriesInstanceUID"))


def _check_no_moment_twice(
    phases: Sequence[Sequence[Frame]], moments: Sequence[Sequence[datetime]], *, whole_run_may_share: bool
) -> None:
    """Refuse two series of one moment (a second reconstruction, an echo, a subtraction), whatever other times say.

    One acquisition time for all phases, or for all after the first, is that of a run which was stored as series.
    """
    of_series: dict[datetime, set[str]] = defaultdict(set)
    for phase, times in zip(phases, moments, strict=True):
        start = min(times)
        near = next((known for known in of_series if abs(known - start) < MIN_PHASE_INTERVAL), start)
        of_series[near].add(_series_of(phase[0]))
    shared = [len(series) for series in of_series.values() if len(series) > 1]
    run = {len(phases), len(phases) - 1} if whole_run_may_share else {len(phases)}
    if shared and not (len(shared) == 1 and shared[0] in run):
        raise _untimed(
            "two series show the same moment by their AcquisitionTime, such as two reconstructions; "
            "send the one to be read"
        )


def _tells_apart(moments: Sequence[Sequence[datetime]], name: TimeField) -> bool:
    """Whether the phases follow each other by these times, none beginning before the one before it has ended."""
    ordered = sorted(moments, key=min)
    if name == "ContentTime" and max(ordered[-1]) - min(ordered[0]) < MIN_CONTENT_SPAN:
        return False
    return all(max(a) < min(b) and min(b) - min(a) >= MIN_PHASE_INTERVAL for a, b in pairwise(ordered))


def _order(starts: Sequence[datetime]) -> list[int]:
    return sorted(range(len(starts)), key=lambda index: starts[index])


def _untimed(message: str) -> NotEvaluable:
    return NotEvaluable(ReasonCode.NO_DCE_SERIES, message)


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
    except (ValueError, TypeError, OverflowError):
        return None
    if time is None:
        return None
    return day + timedelta(hours=time.hour, minutes=time.minute, seconds=time.second, microseconds=time.microsecond)
