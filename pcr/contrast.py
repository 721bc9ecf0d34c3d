"""When contrast was injected, and which phases came before it: what the headers say, and how far that is believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pcr.image_times import MAX_SPAN, moment
from pcr.image_volumes import ImageVolume
from pcr.reasons import NotEvaluable, ReasonCode

InjectionSource = Literal["ContrastBolusStartTime", "estimated"]

# Where the header does not give the injection: scanning protocols start the first post-contrast phase about half a
# minute after it. The model's target times are made with the same figure.
FIRST_PHASE_AFTER_INJECTION_S = 30.0
_AGENT = ("ContrastBolusAgent", "ContrastBolusAgentSequence")
_BEFORE = re.compile(r"\bpre\b|before|nativ", re.IGNORECASE)
_AFTER = re.compile(r"\bpost\b|\bpas\w*\b|\bph\d|\+ ?c\b|delay| pos\b| ca\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimedVolume:
    """A volume and when it began."""

    volume: ImageVolume
    start: datetime


@dataclass(frozen=True, slots=True)
class Injection:
    """When contrast was injected, how that is known, and when the volumes before it began."""

    at: datetime
    source: InjectionSource
    starts_before: frozenset[datetime]


def find_injection(timed: Sequence[TimedVolume], places: int) -> Injection:
    """The one injection among volumes in the order of time, taken at so many places in turn (two breasts, or one).

    A stated start of the bolus goes first. Else the volumes without contrast agent, where others have one, or those
    that are named as before contrast, come before it; else the first volume of each place alone does.

    Raises:
        NotEvaluable: `too_few_phases` when nothing was taken before it, or too little after it, `no_dce_series` when
            what the images note contradicts the times.
    """
    noted = _volumes_before(timed)
    stated = _stated_injection(timed)
    if stated is not None:
        before = sum(t.start < stated for t in timed)
        if before == 0:
            raise NotEvaluable(
                ReasonCode.TOO_FEW_PHASES,
                "contrast was injected before the first phase; a phase before injection and two after it are needed",
            )
        if noted is not None and noted != before:
            raise _contradiction("the stated start of the bolus and the notes of contrast agent differ")
        _check_enough_after(timed, before, places)
        return Injection(stated, "ContrastBolusStartTime", frozenset(t.start for t in timed[:before]))
    before = places if noted is None else noted
    _check_enough_after(timed, before, places)
    first_after = timed[before].start
    estimated = max(timed[before - 1].start, first_after - timedelta(seconds=FIRST_PHASE_AFTER_INJECTION_S))
    return Injection(estimated, "estimated", frozenset(t.start for t in timed[:before]))


def has_agent(volume: ImageVolume) -> bool:
    """Whether the images of a volume name a contrast agent (PS3.3 C.7.6.4)."""
    return any(volume.header.get(keyword) for keyword in _AGENT)


def _volumes_before(timed: Sequence[TimedVolume]) -> int | None:
    """How many volumes came before contrast by what the images note; None where they do not tell.

    Raises NotEvaluable: `no_dce_series` where the notes contradict the times, `too_few_phases` where each volume is a
    series whose name says that it was taken after contrast.
    """
    with_agent = [has_agent(t.volume) for t in timed]
    if any(with_agent) and not all(with_agent):
        if with_agent != sorted(with_agent):
            raise _contradiction("a phase without contrast agent follows one with it")
        return with_agent.index(True)
    names = [t.volume.series.description.replace("_", " ") for t in timed]
    after = [bool(_AFTER.search(name)) and not _BEFORE.search(name) for name in names]
    if all(after) and len(set(names)) == len(names):
        raise NotEvaluable(
            ReasonCode.TOO_FEW_PHASES,
            "all phases are named as taken after contrast; send the pre-contrast phase too",
        )
    before = [bool(_BEFORE.search(name)) and not _AFTER.search(name) for name in names]
    count = sum(before)
    told = 0 < count < len(timed) and before == sorted(before, reverse=True)
    return count if told and all(_AFTER.search(name) for name in names[count:]) else None


def _stated_injection(timed: Sequence[TimedVolume]) -> datetime | None:
    """ContrastBolusStartTime, where there is one and it is on one clock with the phases: within hours of them.

    Several are those of the phases themselves, which say nothing of the bolus.
    """
    moments = {moment(t.volume.header, "ContrastBolusStartTime") for t in timed} - {None}
    stated = [m for m in moments if m is not None and timed[0].start - MAX_SPAN < m < timed[-1].start]
    return stated[0] if len(moments) == 1 and stated else None


def _check_enough_after(timed: Sequence[TimedVolume], before: int, places: int) -> None:
    if len(timed) - before < 2 * places:
        raise too_few_phases(1 + (len(timed) - before) // places)


def too_few_phases(found: int) -> NotEvaluable:
    """The refusal of a dynamic series with fewer than three phases of use."""
    return NotEvaluable(
        ReasonCode.TOO_FEW_PHASES,
        f"only {found} phases of the dynamic series are here; a pre-contrast and two post-contrast phases are needed",
    )


def _contradiction(what: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.NO_DCE_SERIES, f"the order of the phases of the dynamic series is not certain: {what}; correct it"
    )
