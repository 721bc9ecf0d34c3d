"""How far the breasts lay, in each phase of a dynamic series, from where they were in its first post-contrast phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

# Ours, from docs/motion.md: phantoms that lie still gain at most 0.012 nats, a millimetre gains 0.030 at least.
MIN_GAIN = 0.02
MIN_DISPLACEMENT_MM = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """Whether phases are moved back, and from how many mm on (95th percentile) the report warns."""

    correction: Literal["auto", "off"] = "auto"
    warn_mm: float = 3.0

    def __post_init__(self) -> None:
        if not self.warn_mm > 0:
            raise ValueError(f"warn_mm ({self.warn_mm}) must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseMotion:
    """The rigid motion of one phase; None in all figures where it can not be measured.

    Attributes:
        index: the phase, by its place in the series.
        mean_mm, p95_mm: mean and 95th percentile of the displacement over the breast region.
        similarity_gain: mutual information, in nats, that moving the phase back adds in the breasts.
        transform: 4 x 4, from where a point lies in the reference to where it lies in this phase, LPS mm.
        corrected: whether the pixels of this phase were resampled.
    """

    index: int
    mean_mm: float | None
    p95_mm: float | None
    similarity_gain: float | None
    transform: npt.NDArray[np.float64] | None
    corrected: bool = False

    def __post_init__(self) -> None:
        figures = (self.mean_mm, self.p95_mm, self.similarity_gain, self.transform)
        if any(figure is None for figure in figures) != all(figure is None for figure in figures):
            raise ValueError(f"the motion of phase {self.index} is measured in part only")

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return self.transform is not None

    @property
    def moved(self) -> bool:
        """Whether the images bear the motion out: moving the phase back makes it more like the reference."""
        if self.p95_mm is None or self.similarity_gain is None:
            return False
        return self.p95_mm >= MIN_DISPLACEMENT_MM and self.similarity_gain >= MIN_GAIN

    @classmethod
    def unmeasured(cls, index: int) -> PhaseMotion:
        """Of a phase that can not be registered."""
        return cls(index=index, mean_mm=None, p95_mm=None, similarity_gain=None, transform=None)

    @classmethod
    def none(cls, index: int) -> PhaseMotion:
        """Of the reference."""
        return cls(index=index, mean_mm=0.0, p95_mm=0.0, similarity_gain=0.0, transform=np.eye(4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """The motion of phases, in their order, against the one with the index `reference`, which is among them."""

    reference: int
    phases: tuple[PhaseMotion, ...]

    def __post_init__(self) -> None:
        indices = [phase.index for phase in self.phases]
        if indices != sorted(set(indices)) or self.reference not in indices:
            raise ValueError(f"phases must be in order, with the reference {self.reference} among them, got {indices}")

    def of(self, index: int) -> PhaseMotion:
        """The motion of the phase with this place in the series, which has to be among those measured."""
        return next(phase for phase in self.phases if phase.index == index)

    @property
    def max_mm(self) -> float:
        """The largest 95th percentile among the phases that moved; 0 where none did."""
        return max((phase.p95_mm or 0.0 for phase in self.phases if phase.moved), default=0.0)

    @property
    def corrected(self) -> bool:
        """Whether the pixels of any phase were resampled."""
        return any(phase.corrected for phase in self.phases)


def motion_warnings(motion: Motion, warn_mm: float) -> tuple[str, ...]:
    """A sentence for each phase that moved by `warn_mm` or more, or whose motion can not be measured."""
    return tuple(
        sentence for phase in motion.phases if (sentence := _warning(phase, warn_mm, corrected=motion.corrected))
    )


def _warning(phase: PhaseMotion, warn_mm: float, *, corrected: bool) -> str | None:
    if phase.p95_mm is None:
        return f"whether the patient moved by phase {phase.index + 1} of the dynamic series could not be measured"
    if not phase.moved or phase.p95_mm < warn_mm:
        return None
    what = (
        "the phases were brought together rigidly, which leaves what the breasts bent: check the outline of the lesion"
        if corrected
        else "it was left there: outline, kinetics and probability can be wrong"
    )
    return (
        f"in phase {phase.index + 1} of the dynamic series the breasts lie {phase.p95_mm:.1f} mm from where they lie "
        f"in the first post-contrast phase; {what}"
    )
