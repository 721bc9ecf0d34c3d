"""Specs refuse what cannot be simulated, and repeat the value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from phantom import GridSpec, LesionSpec, PhantomError, PhantomSpec, Protocol


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: PhantomSpec(seed=-1), "-1"),
        (lambda: PhantomSpec(seed=1, phase_times_s=()), "()"),
        (lambda: PhantomSpec(seed=1, phase_times_s=(5.0, 90.0)), "5.0"),
        (lambda: PhantomSpec(seed=1, phase_times_s=(0.0, 90.0, 90.0)), "90.0"),
        (lambda: PhantomSpec(seed=1, injection_s=-3), "-3"),
        (lambda: PhantomSpec(seed=1, noise_sd=-0.1), "-0.1"),
        (lambda: PhantomSpec(seed=1, coil_bias=1.5), "1.5"),
        (lambda: PhantomSpec(seed=1, motion_mm=((0.0, 0.0, 0.0),)), "5 phases"),
        (lambda: PhantomSpec(seed=1, rotation_deg=((0.0, 90.0, 0.0),) * 5), "90.0"),
        (lambda: LesionSpec(diameter_mm=200), "200"),
        (lambda: LesionSpec(margin="fuzzy"), "fuzzy"),  # type: ignore[arg-type]
        (lambda: LesionSpec(side="both"), "both"),  # type: ignore[arg-type]
        (lambda: LesionSpec(centre_lps_mm=(0, 0, float("nan"))), "nan"),
        (lambda: LesionSpec(centre_lps_mm=(80, -60, -40), quadrant="central"), "not both"),
        (lambda: GridSpec(slices=0), "0"),
        (lambda: GridSpec(pixel_spacing_mm=(1.0, -1.0)), "-1.0"),
        (lambda: GridSpec().coarser(0.5), "0.5"),
        (lambda: GridSpec(tilt_deg=60), "60"),
        (lambda: Protocol(repetition_time_ms=1.0), "1.0"),
        (lambda: Protocol(field_strength_t=7.0), "7.0"),
        (lambda: Protocol(flip_angle_deg=0), "0"),
    ],
)
def test_wrong_values_are_refused_with_the_value(make: Callable[[], object], value: str) -> None:
    with pytest.raises(PhantomError, match=value.replace("(", r"\(").replace(")", r"\)")):
        make()


def test_a_coarser_grid_keeps_its_field_of_view() -> None:
    fine, coarse = GridSpec(), GridSpec().coarser(3)
    assert coarse.rows * coarse.pixel_spacing_mm[0] == pytest.approx(fine.rows * fine.pixel_spacing_mm[0])
    assert coarse.slices * coarse.slice_spacing_mm == pytest.approx(fine.slices * fine.slice_spacing_mm)


def test_injection_lies_between_the_first_two_phases() -> None:
    assert 0 < PhantomSpec(seed=1, phase_times_s=(0.0, 20.0)).injection_time_s < 20
    assert PhantomSpec(seed=1).injection_time_s == 104
