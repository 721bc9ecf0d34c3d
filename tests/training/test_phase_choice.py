"""Early and late phase: distinct, in order, nearest to their targets, and chosen as the application chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.invented_cohorts import TARGETS
from training.phase_choice import PhaseTargets, choose_phases, injection_s

gaps_s = st.lists(st.integers(2, 400), min_size=2, max_size=9)


def rising(gaps: list[int]) -> list[float]:
    return [float(sum(gaps[:count])) for count in range(len(gaps) + 1)]


@given(gaps=gaps_s)
def test_the_phases_are_distinct_and_in_order(gaps: list[int]) -> None:
    early, late = choose_phases(rising(gaps), TARGETS)
    assert 0 < early < late <= len(gaps)


def test_an_old_pre_contrast_phase_does_not_move_the_choice() -> None:
    assert (
        choose_phases([0, 100, 190, 370, 550], TARGETS) == choose_phases([0, 900, 990, 1170, 1350], TARGETS) == (2, 4)
    )


def test_injection_is_not_before_the_pre_contrast_phase() -> None:
    assert (injection_s(20, 30), injection_s(100, 30)) == (0, 70)


@pytest.mark.parametrize(("early_s", "late_s"), [(0, 440), (440, 440), (500, 440)])
def test_targets_out_of_order_are_refused(early_s: float, late_s: float) -> None:
    with pytest.raises(ValueError, match="must be > 0 and < late_s"):
        PhaseTargets(early_s=early_s, late_s=late_s, injection_before_first_post_s=30)
