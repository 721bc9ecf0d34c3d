"""Which phases of a dynamic series are the early and the late one: those nearest to the target times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pcr.phases import early_and_late


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTargets:
    """Seconds after injection that the early and the late phase should lie at, and where injection is taken to lie.

    Raises ValueError where they are not in order.
    """

    early_s: float
    late_s: float
    injection_before_first_post_s: float

    def __post_init__(self) -> None:
        if not 0 < self.early_s < self.late_s:
            raise ValueError(f"early_s ({self.early_s}) must be > 0 and < late_s ({self.late_s})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds after the pre-contrast phase of the first post-contrast phase and of the two that are read."""

    first_post_s: float
    early_s: float
    late_s: float


def injection_s(first_post_s: float, before_first_post_s: float) -> float:
    """Seconds after the pre-contrast phase at which contrast is taken to be injected, as the application does.

    The cohort does not say when it was. A protocol whose first two phases lie closer than `before_first_post_s`
    started with the injection.
    """
    return max(0.0, first_post_s - before_first_post_s)


def choose_phases(times_s: Sequence[float], targets: PhaseTargets) -> tuple[int, int]:
    """Indices of the early and the late phase, by the application's own rule.

    Args:
        times_s: times of all phases after the first, which is the pre-contrast one, rising; three at least.
        targets: where early and late should lie.
    """
    injection = injection_s(times_s[1], targets.injection_before_first_post_s)
    return early_and_late([time - injection for time in times_s], 0, targets.early_s, targets.late_s)
