"""What a phantom is asked to be: grid, lesion, protocol and times, all checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, Self, get_args

import numpy as np

from phantom.errors import require

Side = Literal["left", "right"]
Quadrant = Literal["upper-outer", "upper-inner", "lower-outer", "lower-inner", "central"]
Margin = Literal["smooth", "irregular", "spiculated"]
Kinetics = Literal["washout", "plateau", "persistent"]
Agent = Literal["gadobutrol", "gadopentetate", "gadoterate"]
Orientation = Literal["axial", "sagittal", "coronal"]

# I-SPY 2: first post-contrast phase at a median of 129 s after the pre-contrast phase, then every 90 s.
ISPY2_PHASE_TIMES_S = (0.0, 129.0, 219.0, 309.0, 399.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSpec:
    """Where the voxels lie in the patient (LPS, mm).

    Array axes are (slice, row, column) and right-handed, as in the volumes that highdicom reads: axial slices run from
    head to feet, sagittal ones from right to left, coronal ones from back to front.
    """

    slices: int = 48
    rows: int = 224
    columns: int = 224
    pixel_spacing_mm: tuple[float, float] = (1.5, 1.5)  # between rows, between columns (PS3.3 10.7.1.3)
    slice_spacing_mm: float = 2.5
    centre_lps_mm: tuple[float, float, float] = (0.0, 18.0, -40.0)  # the middle of the breasts in height
    orientation: Orientation = "axial"
    tilt_deg: float = 0.0  # turns the whole grid about the patient's x axis

    def __post_init__(self) -> None:
        for name in ("slices", "rows", "columns"):
            require(1 <= getattr(self, name) <= 1024, f"{name} ({getattr(self, name)}) must be between 1 and 1024")
        for spacing in (*self.pixel_spacing_mm, self.slice_spacing_mm):
            require(0.1 <= spacing <= 50, f"a spacing of {spacing} mm must be between 0.1 and 50")
        _require_choice("orientation", self.orientation, Orientation)
        require(abs(self.tilt_deg) <= 45, f"tilt_deg ({self.tilt_deg}) must be between -45 and 45")

    def coarser(self, factor: float) -> Self:
        """The same field of view with voxels `factor` times as wide along each axis."""
        require(factor >= 1, f"factor ({factor}) must be 1 or more")
        shape = {name: max(1, round(getattr(self, name) / factor)) for name in ("slices", "rows", "columns")}
        return replace(
            self,
            **shape,
            pixel_spacing_mm=(
                self.pixel_spacing_mm[0] * self.rows / shape["rows"],
                self.pixel_spacing_mm[1] * self.columns / shape["columns"],
            ),
            slice_spacing_mm=self.slice_spacing_mm * self.slices / shape["slices"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSpec:
    """The lesion; whatever is None is drawn from the seed.

    Attributes:
        side: The breast that holds it.
        quadrant: Its quadrant, seen from the nipple; `central` is behind the nipple.
        centre_lps_mm: Its centre in patient coordinates, instead of a quadrant; has to lie inside a breast.
        diameter_mm: Longest diameter of its body, without spicules.
        margin: BI-RADS margin.
        kinetics: BI-RADS delayed-phase curve: falls, stays within, or rises by more than 10 % after the early phase.
    """

    side: Side | None = None
    quadrant: Quadrant | None = None
    centre_lps_mm: tuple[float, float, float] | None = None
    diameter_mm: float | None = None
    margin: Margin | None = None
    kinetics: Kinetics | None = None

    def __post_init__(self) -> None:
        _require_choice("side", self.side, Side)
        _require_choice("quadrant", self.quadrant, Quadrant)
        _require_choice("margin", self.margin, Margin)
        _require_choice("kinetics", self.kinetics, Kinetics)
        require(
            self.diameter_mm is None or 4 <= self.diameter_mm <= 80,
            f"diameter_mm ({self.diameter_mm}) must be between 4 and 80",
        )
        if self.centre_lps_mm is not None:
            require(self.quadrant is None, "give the lesion a quadrant or centre_lps_mm, not both")
            require(
                len(self.centre_lps_mm) == 3 and bool(np.all(np.isfinite(self.centre_lps_mm))),
                f"centre_lps_mm ({self.centre_lps_mm}) must be three finite numbers",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The 3-D spoiled gradient echo of the dynamic series; the defaults are those of a Duke study (Avanto, 1.5 T)."""

    repetition_time_ms: float = 4.12
    echo_time_ms: float = 1.39
    flip_angle_deg: float = 12.0
    field_strength_t: float = 1.5
    agent: Agent = "gadobutrol"

    def __post_init__(self) -> None:
        require(
            0 < self.echo_time_ms < self.repetition_time_ms <= 50,
            f"echo_time_ms ({self.echo_time_ms}) must lie between 0 and"
            f" repetition_time_ms ({self.repetition_time_ms}), and that be at most 50",
        )
        require(0 < self.flip_angle_deg <= 90, f"flip_angle_deg ({self.flip_angle_deg}) must be between 0 and 90")
        require(self.field_strength_t in (1.5, 3.0), f"field_strength_t ({self.field_strength_t}) must be 1.5 or 3.0")
        _require_choice("agent", self.agent, Agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSpec:
    """Everything that decides the voxels of a phantom.

    Attributes:
        seed: Draws the anatomy, the noise, and what the lesion leaves open. Each has a stream of its own, so the
            same breast with the same noise is had with another lesion, or with none.
        grid: Where the voxels lie.
        lesion: None for background enhancement only.
        phase_times_s: Start of each phase after the start of the first, seconds.
        injection_s: Start of the injection after the start of the first phase; by default 25 s before the second
            phase. Phases that start before it are pre-contrast.
        acquisition_s: How long a phase takes; the contrast is that of its middle, where k-space's centre is read.
        protocol: The pulse sequence.
        noise_sd: Standard deviation of the noise in each of the two quadrature channels, in signal units.
        coil_bias: 0 for a uniform coil, 1 for the fall of signal with depth of a breast coil.
        motion_mm: How far the whole patient has moved in each phase, LPS; None for a patient who lies still.
        rotation_deg: How far she has turned in each phase about x, y and z through the middle of the chest wall,
            before she is moved; None for a patient who does not turn.
    """

    seed: int
    grid: GridSpec = field(default_factory=GridSpec)
    lesion: LesionSpec | None = field(default_factory=LesionSpec)
    phase_times_s: tuple[float, ...] = ISPY2_PHASE_TIMES_S
    injection_s: float | None = None
    acquisition_s: float = 80.0
    protocol: Protocol = field(default_factory=Protocol)
    noise_sd: float = 4.6  # so that air has the mean of 5.7 that it has in our real study
    coil_bias: float = 1.0
    motion_mm: tuple[tuple[float, float, float], ...] | None = None
    rotation_deg: tuple[tuple[float, float, float], ...] | None = None

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, f"seed ({self.seed}) must be between 0 and 2**63 - 1")
        times = self.phase_times_s
        require(len(times) >= 1 and times[0] == 0, f"phase_times_s ({times}) must start at 0")
        require(all(a < b for a, b in pairwise(times)), f"phase_times_s ({times}) must rise")
        require(times[-1] <= 3600, f"phase_times_s ({times}) must stay within an hour")
        if self.injection_s is not None:
            require(self.injection_s > 0, f"injection_s ({self.injection_s}) must come after the first phase")
        require(self.acquisition_s >= 0, f"acquisition_s ({self.acquisition_s}) must not be negative")
        require(self.noise_sd >= 0, f"noise_sd ({self.noise_sd}) must not be negative")
        require(0 <= self.coil_bias <= 1, f"coil_bias ({self.coil_bias}) must be between 0 and 1")
        for name, limit in (("motion_mm", 100.0), ("rotation_deg", 45.0)):
            moved = getattr(self, name)
            require(
                moved is None
                or (
                    [len(triple) for triple in moved] == [3] * len(times)
                    and all(abs(value) <= limit for triple in moved for value in triple)
                ),
                f"{name} ({moved}) must be a triple within {limit:g} for each of the {len(times)} phases",
            )

    @property
    def injection_time_s(self) -> float:
        """Start of the injection, seconds after the start of the first phase."""
        if self.injection_s is not None:
            return self.injection_s
        if len(self.phase_times_s) == 1:
            return float("inf")
        first, second = self.phase_times_s[:2]
        return max(second - 25.0, (first + second) / 2)


def _require_choice(name: str, value: str | None, choices: object) -> None:
    """Refuse a value that its Literal does not list; None leaves the choice to the seed."""
    allowed = get_args(choices)
    require(value is None or value in allowed, f"{name} ({value}) must be one of {', '.join(map(str, allowed))}")
