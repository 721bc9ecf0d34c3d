"""Volumes of one protocol as candidates for the dynamic series, each with the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pcr.contrast import has_agent
from pcr.image_plane import number
from pcr.image_times import timing_of
from pcr.image_volumes import ImageVolume
from pcr.phase_places import MIN_PHASES
from pcr.reasons import NotEvaluable
from pcr.series_evidence import Evidence, total, values_of

# Points that the best candidate must have: an original prone 3-D gradient echo with three phases has them.
ENOUGH_POINTS = 5.0
# Two candidates that lie closer than this can not be told apart.
CLEAR_MARGIN = 1.0
# A scanner's tuning may move a time between the phases of one protocol by this part.
_PROTOCOL_TOLERANCE = 0.05
_NAMED_PROTOCOL = ("ScanningSequence", "SequenceVariant", "MRAcquisitionType", "EchoNumbers")
_MEASURED_PROTOCOL = ("RepetitionTime", "EchoTime", "FlipAngle")
# The model reads a phase several minutes after injection.
_SHORT_RUN_S = 150.0
_FAT_SUPPRESSION = {"FS", "FAT_SAT", "SFS", "WE", "SPIR", "SPAIR"}


@dataclass(frozen=True, slots=True)
class DynamicCandidate:
    """Volumes of one protocol, and what speaks for and against their being the phases of the dynamic series."""

    volumes: tuple[ImageVolume, ...]
    evidence: tuple[Evidence, ...]

    @property
    def points(self) -> float:
        """All evidence together."""
        return total(self.evidence)

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The descriptions of its series, each once, in the order of the volumes."""
        return tuple(dict.fromkeys(volume.series.description for volume in self.volumes))


def dynamic_candidates(volumes: Sequence[ImageVolume]) -> list[DynamicCandidate]:
    """The volumes grouped by protocol, the group with the best evidence first."""
    groups: list[list[ImageVolume]] = []
    for volume in volumes:
        for group in groups:
            if one_protocol(volume.header, group[0].header):
                group.append(volume)
                break
        else:
            groups.append([volume])
    rivals = sum(len(group) >= MIN_PHASES for group in groups) > 1
    candidates = [DynamicCandidate(tuple(group), _weigh(group) + (_span(group) if rivals else ())) for group in groups]
    return sorted(candidates, key=lambda c: (-c.points, -len(c.volumes), -len(c.volumes[0].frames)))


def one_protocol(a: Dataset, b: Dataset) -> bool:
    """Whether two images are of one acquisition: what is named is equal, what is measured is nearly so."""
    named = all(values_of(a.get(name)) == values_of(b.get(name)) for name in _NAMED_PROTOCOL)
    suppressed = _fat_suppressed(a) == _fat_suppressed(b)
    return named and suppressed and all(_near(number(a, name), number(b, name)) for name in _MEASURED_PROTOCOL)


def _weigh(group: Sequence[ImageVolume]) -> tuple[Evidence, ...]:
    """The evidence that all series of a group share, and that of the group as a whole."""
    shared = [e for e in group[0].evidence if all(e in volume.evidence for volume in group)]
    own = max((v.evidence for v in group), key=total)
    names = [e for e in own if e not in shared and e.points > 0]
    found = [*shared, *names[:2]]
    if len(group) >= MIN_PHASES:
        found.append(Evidence(min(2 + 0.25 * (len(group) - MIN_PHASES), 3), f"{len(group)} volumes of one protocol"))
    with_agent = sum(has_agent(volume) for volume in group)
    if 0 < with_agent < len(group):
        found.append(Evidence(2, f"contrast agent is noted in {with_agent} of {len(group)}"))
    elif with_agent:
        found.append(Evidence(0.5, "contrast agent is noted"))
    if any((number(volume.header, "NumberOfTemporalPositions") or 0) > 1 for volume in group):
        found.append(Evidence(1, "several temporal positions"))
    if _fat_suppressed(group[0].header):
        found.append(Evidence(0.5, "fat is suppressed"))
    return tuple(found)


def _span(group: Sequence[ImageVolume]) -> tuple[Evidence, ...]:
    """Whether volumes last as long as contrast takes to wash out, as a timing run or an angiography does not."""
    if len(group) < MIN_PHASES:
        return ()
    try:
        starts = timing_of([volume.frames for volume in group]).starts
    except NotEvaluable:
        return ()
    seconds = (max(starts) - min(starts)).total_seconds()
    return (
        Evidence(-3, f"all within {seconds:.0f} s") if seconds < _SHORT_RUN_S else Evidence(1, f"over {seconds:.0f} s"),
    )


def _fat_suppressed(header: Dataset) -> bool:
    return bool(_FAT_SUPPRESSION.intersection(v.upper() for v in values_of(header.get("ScanOptions"))))


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _PROTOCOL_TOLERANCE * max(abs(a), abs(b))
