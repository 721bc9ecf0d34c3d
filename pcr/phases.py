"""From the series of a study to its dynamic contrast-enhanced series: which images are which contrast phase, and when.

A series is taken apart into volumes (one image per position each); the volumes of one protocol for which the evidence
is best are the phases. What was weighed, and what was passed over and why, is kept for the report. Whatever could be
two things is refused: a phase in the wrong place gives a probability for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from pcr.contrast import Injection, InjectionSource, TimedVolume, find_injection, too_few_phases
from pcr.dynamic_candidates import (
    CLEAR_MARGIN,
    ENOUGH_POINTS,
    DynamicCandidate,
    dynamic_candidates,
    one_protocol,
)
from pcr.frames import Frame
from pcr.image_times import TimeField
from pcr.image_volumes import RejectedSeries, UnsafeSeries, candidate_volumes
from pcr.manifest import CropSpec
from pcr.phase_grid import MAX_UNCOVERED_MM, relation, uncovered_mm
from pcr.phase_places import MIN_PHASES, Place, find_places
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Study

Role = Literal["pre", "early", "late", "other"]
# How many series a refusal explains in its sentence; the result has all.
_REASONS_QUOTED = 3
# Phases after the injection follow each other within minutes.
MAX_PAUSE = timedelta(minutes=20)


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
    frames: tuple[Frame, ...]

    def nearest(self, frame: Frame) -> Frame:
        """The image of this phase that lies nearest to a parallel one of another phase."""
        place = frame.plane.along_normal_mm
        return min(self.frames, key=lambda own: abs(own.plane.along_normal_mm - place))


@dataclass(frozen=True, slots=True)
class WeighedCandidate:
    """A group of series that could have been the dynamic one: its points and the facts behind them."""

    descriptions: tuple[str, ...]
    volumes: int
    points: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Why the chosen images were chosen, and why the other series were not; `candidates` has the chosen one first."""

    why: str
    rejected: tuple[RejectedSeries, ...]
    candidates: tuple[WeighedCandidate, ...] = ()


class NoDynamicSeries(NotEvaluable):
    """The refusal of a study for its series, with what is said of each of them."""

    def __init__(self, refusal: NotEvaluable, selection: Selection) -> None:
        super().__init__(refusal.code, refusal.message)
        self.selection = selection


@dataclass(frozen=True, slots=True, kw_only=True)
class DceSeries:
    """The dynamic series: at least three phases in the order of time, with distinct pre, early and late ones.

    `time_field` is the attribute that the times come from.
    """

    phases: tuple[Phase, ...]
    pre_gap_s: float
    injection_source: InjectionSource
    time_field: TimeField
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


def select_dce(study: Study, crop: CropSpec) -> tuple[DceSeries, ...]:
    """Find the dynamic contrast-enhanced series of a breast MR study and order its phases in time.

    There is one; or one for each breast, by position, where they were taken apart. Early and late are the phases
    nearest to the model's target times after injection.

    Raises:
        NoDynamicSeries: `no_dce_series`, `too_few_phases`, `mixed_geometry`, `missing_slices`, `unsupported_object`.
    """
    candidates = candidate_volumes(study)
    ranked = dynamic_candidates(candidates.volumes)
    dynamic = [c for c in ranked if len(c.volumes) >= MIN_PHASES and c.points >= ENOUGH_POINTS]
    first = (dynamic or ranked)[:1]
    ordered = [*first, *(c for c in ranked if c not in first)]
    selection = Selection(
        _why(ordered),
        tuple(dict.fromkeys((*candidates.rejected, *_another_protocol(ordered[1:])))),
        tuple(
            WeighedCandidate(c.descriptions, len(c.volumes), c.points, tuple(e.says for e in c.evidence))
            for c in ordered
        ),
    )
    try:
        _check_none_is_unsafe(candidates.unsafe, first)
        chosen = _clear_choice(dynamic, ranked, candidates.rejected)
        _check_series_are_of_one_protocol(ordered)
        found = find_places(chosen.volumes)
        taken = sorted((t for place in found.places for t in place.timed), key=lambda t: t.start)
        injection = find_injection(taken, len(found.places))
        told = replace(selection, rejected=selection.rejected + found.aside)
        return tuple(_dynamic_series(place, injection, crop, told) for place in found.places)
    except NotEvaluable as refusal:
        raise NoDynamicSeries(refusal, selection) from None


def _clear_choice(
    dynamic: Sequence[DynamicCandidate], ranked: Sequence[DynamicCandidate], rejected: Sequence[RejectedSeries]
) -> DynamicCandidate:
    """The candidate whose evidence is best, by a clear margin.

    Raises NotEvaluable: `no_dce_series`, `too_few_phases`.
    """
    if not ranked:
        reasons = "; ".join(dict.fromkeys(f"'{r.description}': {r.reason}" for r in rejected[:_REASONS_QUOTED]))
        raise NotEvaluable(
            ReasonCode.NO_DCE_SERIES,
            f"none of the {len(rejected)} series can be a T1-weighted gradient echo of the breast ({reasons})",
        )
    if not dynamic and any(len(c.volumes) >= MIN_PHASES for c in ranked):
        raise NotEvaluable(
            ReasonCode.NO_DCE_SERIES,
            "several volumes follow each other, but too little says that they are a dynamic series of the breast; "
            "send it with its body part, patient position and descriptions",
        )
    if not dynamic:
        raise too_few_phases(max(len(c.volumes) for c in ranked))
    if len(dynamic) > 1 and dynamic[0].points - dynamic[1].points < CLEAR_MARGIN:
        counts = " and ".join(str(len(c.volumes)) for c in dynamic[:2])
        raise NotEvaluable(
            ReasonCode.NO_DCE_SERIES,
            f"two protocols have {counts} phases each and as much speaks for either, such as two echoes; "
            "send the one to be read",
        )
    return dynamic[0]


def _check_none_is_unsafe(unsafe: Sequence[UnsafeSeries], first: Sequence[DynamicCandidate]) -> None:
    """Refuse where a series that can not be read belongs to the dynamic one, or may be it since no other is whole."""
    for found in unsafe:
        is_part = any(one_protocol(found.header, c.volumes[0].header) for c in first)
        whole = any(len(c.volumes) >= MIN_PHASES for c in first)
        if is_part or (not whole and found.could_be_volume):
            raise found.refusal


def _check_series_are_of_one_protocol(ordered: Sequence[DynamicCandidate]) -> None:
    """Refuse where images of another protocol lie in a series of the chosen one: they may be a phase of it."""
    chosen, *others = ordered
    series = {volume.series.series_instance_uid for volume in chosen.volumes}
    for volume in (volume for other in others for volume in other.volumes):
        if volume.series.series_instance_uid in series:
            raise NotEvaluable(
                ReasonCode.UNSUPPORTED_OBJECT,
                f"series '{volume.series.description}' mixes images of several protocols; send each in its own series",
            )


def _dynamic_series(place: Place, injection: Injection, crop: CropSpec, selection: Selection) -> DceSeries:
    """The phases at one place with their roles.

    Raises NotEvaluable: `too_few_phases`, `missing_slices`, `mixed_geometry`, `no_dce_series`.
    """
    timed = place.timed
    if len(timed) < MIN_PHASES:
        raise too_few_phases(len(timed))
    _check_numbers_follow_times(timed)
    before = sum(t.start in injection.starts_before for t in timed)
    if before == 0 or len(timed) - before < 2:
        raise too_few_phases(len(timed) - before + bool(before))
    _check_one_run(timed[before:])
    whole = _without_aborted(timed, before - 1)
    pre = before - 1 - (len(timed) - len(whole))
    aborted = tuple(
        RejectedSeries(t.volume.series.series_instance_uid, t.volume.series.description, "broken off and taken again")
        for t in timed
        if t not in whole
    )
    after = [(t.start - injection.at).total_seconds() for t in whole]
    early, late = early_and_late(after, pre, crop.early_target_s, crop.late_target_s)
    _check_one_place(whole, early)
    _check_one_object(whole)
    roles: dict[int, Role] = {pre: "pre", early: "early", late: "late"}
    phases = tuple(
        Phase(
            series_instance_uid=t.volume.series.series_instance_uid,
            description=t.volume.series.description,
            time_s=(t.start - whole[pre].start).total_seconds(),
            after_injection_s=after[index],
            role=roles.get(index, "other"),
            frames=t.volume.frames,
        )
        for index, t in enumerate(whole)
    )
    gap = (whole[pre + 1].start - whole[pre].start).total_seconds()
    return DceSeries(
        phases=phases,
        pre_gap_s=gap,
        injection_source=injection.source,
        time_field=place.time_field,
        selection=replace(selection, rejected=selection.rejected + aborted),
    )


def _check_one_run(after_injection: Sequence[TimedVolume]) -> None:
    """Refuse two runs in one: phases after the injection do not lie so far apart."""
    if any(later.start - earlier.start > MAX_PAUSE for earlier, later in pairwise(after_injection)):
        raise NotEvaluable(
            ReasonCode.NO_DCE_SERIES,
            f"phases after the injection lie more than {MAX_PAUSE.seconds // 60} minutes apart, as those of two runs; "
            "send the one to be read",
        )


def _check_numbers_follow_times(timed: Sequence[TimedVolume]) -> None:
    """Refuse where the numbers that took a series apart put its phases in another order than their times."""
    for earlier, later in pairwise(timed):
        a, b = earlier.volume, later.volume
        if a.series is b.series and a.numbers and b.numbers and a.numbers > b.numbers:
            raise NotEvaluable(
                ReasonCode.NO_DCE_SERIES,
                "numbers and times put the phases of the dynamic series in different orders; send it as acquired",
            )


def _without_aborted(timed: Sequence[TimedVolume], pre: int) -> list[TimedVolume]:
    """The volumes without those that were broken off and taken again before contrast: nothing depends on them."""
    reference = timed[pre].volume.grid
    return [
        t
        for index, t in enumerate(timed)
        if index >= pre
        or relation(t.volume.grid, reference) != "incomplete"
        or len(t.volume.frames) >= len(timed[pre].volume.frames)
    ]


def _check_one_place(timed: Sequence[TimedVolume], early: int) -> None:
    """Refuse phases that can not be brought onto the grid of the early one.

    Raises NotEvaluable("missing_slices", "mixed_geometry").
    """
    reference = timed[early].volume.grid
    for t in timed:
        grid = t.volume.grid
        found = relation(grid, reference)
        if found == "incomplete":
            counts = sorted({len(other.volume.frames) for other in timed})
            raise NotEvaluable(
                ReasonCode.MISSING_SLICES,
                f"phases of the dynamic series have {counts} slices; send the complete series",
            )
        if found == "elsewhere" or (beyond := uncovered_mm(grid, reference)) > MAX_UNCOVERED_MM:
            missing = "" if found == "elsewhere" else f": one lacks {beyond:.0f} mm of what the early phase shows"
            raise NotEvaluable(
                ReasonCode.MIXED_GEOMETRY, f"phases of the dynamic series lie at different positions{missing}"
            )


def _check_one_object(timed: Sequence[TimedVolume]) -> None:
    """Refuse a phase that is spread over several multi-frame objects: no result could refer to it."""
    for t in timed:
        objects = {frame.instance.sop_instance_uid for frame in t.volume.frames if frame.number is not None}
        if len(objects) > 1:
            raise NotEvaluable(
                ReasonCode.UNSUPPORTED_OBJECT,
                f"a phase of the dynamic series is spread over {len(objects)} multi-frame objects; "
                "send it as one, or as single images",
            )


def _why(ordered: Sequence[DynamicCandidate]) -> str:
    if not ordered:
        return "no series could be a contrast phase"
    best = ordered[0]
    margin = f", the next best {ordered[1].points:g}" if len(ordered) > 1 else ""
    return (
        f"{len(best.volumes)} volumes of one protocol, {len(best.volumes[0].frames)} slices each; "
        f"{best.points:g} points{margin}: {'; '.join(e.says for e in best.evidence)}"
    )


def _another_protocol(others: Sequence[DynamicCandidate]) -> tuple[RejectedSeries, ...]:
    return tuple(
        RejectedSeries(
            volume.series.series_instance_uid,
            volume.series.description,
            f"another protocol than the dynamic series ({candidate.points:g} points)",
        )
        for candidate in others
        for volume in candidate.volumes
    )


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
