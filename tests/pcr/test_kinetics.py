"""Enhancement, washout and SER by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcr.kinetics import measure


def test_enhancement_washout_and_ser_of_a_curve_worked_out_by_hand() -> None:
    kinetics = measure(np.array([100.0, 180.0, 250.0, 200.0]), 0, 2, 3)
    assert kinetics.mean_signal == (100.0, 180.0, 250.0, 200.0)
    assert kinetics.early_enhancement_percent == 150
    assert kinetics.late_change_percent == -20
    assert kinetics.signal_enhancement_ratio == 1.5
    assert kinetics.curve_type == "washout"


@pytest.mark.parametrize(
    ("late", "curve"),
    [(222.1, "persistent"), (220.0, "plateau"), (200.0, "plateau"), (180.0, "plateau"), (177.9, "washout")],
)
def test_the_curve_turns_at_ten_percent(late: float, curve: str) -> None:
    assert measure(np.array([100.0, 200.0, late]), 0, 1, 2).curve_type == curve


@pytest.mark.parametrize("late", [100.0, 90.0])
def test_there_is_no_ser_where_late_does_not_enhance(late: float) -> None:
    assert measure(np.array([100.0, 200.0, late]), 0, 1, 2).signal_enhancement_ratio is None


@pytest.mark.parametrize("signal", [[0.0, 10.0, 10.0], [10.0, 0.0, 10.0], [-1.0, 10.0, 10.0]])
def test_a_region_without_signal_has_no_kinetics(signal: list[float]) -> None:
    with pytest.raises(ValueError, match="no signal"):
        measure(np.array(signal), 0, 1, 2)


@given(signal=st.lists(st.floats(1, 4000), min_size=3, max_size=3), gain=st.floats(0.01, 100))
def test_the_gain_of_the_receiver_does_not_matter(signal: list[float], gain: float) -> None:
    one, other = (measure(np.array(signal) * g, 0, 1, 2) for g in (1.0, gain))
    assert other.early_enhancement_percent == pytest.approx(one.early_enhancement_percent, rel=1e-6, abs=1e-6)
    assert other.late_change_percent == pytest.approx(one.late_change_percent, rel=1e-6, abs=1e-6)


def test_the_fall_is_measured_from_the_initial_peak_and_not_from_a_phase_after_it() -> None:
    kinetics = measure(np.array([134.0, 382.0, 358.0, 337.0, 323.0]), 0, 2, 4)
    assert (round(kinetics.late_change_percent, 1), kinetics.curve_type) == (-15.4, "washout")
