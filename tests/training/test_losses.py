"""Losses by name: what they prefer, and what they leave alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.losses import CLASSIFICATION, GUIDANCE, bce, dice, focal, kl, mass_outside, positive_weight

LABEL = torch.tensor([1.0, 0.0])
RIGHT, WRONG = torch.tensor([2.0, -2.0]), torch.tensor([-2.0, 2.0])
WEIGHT = torch.tensor(2.0)


@pytest.fixture
def coverage() -> Tensor:
    """A quarter of the cells."""
    covered = torch.zeros(1, 1, 4, 4)
    covered[..., :2, :2] = 1
    return covered


def even(cells: Tensor) -> Tensor:
    return cells / cells.sum()


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification_prefers_right_answers(name: str) -> None:
    assert CLASSIFICATION[name](RIGHT, LABEL, WEIGHT) < CLASSIFICATION[name](WRONG, LABEL, WEIGHT)


@pytest.mark.parametrize(("name", "factor"), [("bce", 1), ("weighted_bce", 2), ("focal", 1)])
def test_a_missed_responder_costs_more_under_the_weighted_loss_alone(name: str, factor: float) -> None:
    loss, answer = CLASSIFICATION[name], torch.tensor([0.0])
    missed, false_alarm = loss(answer, torch.ones(1), WEIGHT), loss(answer, torch.zeros(1), WEIGHT)
    assert missed.item() == pytest.approx(factor * false_alarm.item())


def test_the_focal_loss_makes_easy_cases_count_less() -> None:
    easy, hard = (focal(answer, LABEL, WEIGHT) / bce(answer, LABEL, WEIGHT) for answer in (RIGHT, WRONG))
    assert easy < hard / 10


def test_the_weight_balances_the_classes() -> None:
    assert positive_weight(torch.tensor([1.0, 0.0, 0.0, 0.0])).item() == 3


@pytest.mark.parametrize("name", GUIDANCE)
def test_guidance_prefers_attention_inside_the_region(name: str, coverage: Tensor) -> None:
    inside, outside = even(coverage + 0.01), even(1 - coverage + 0.01)
    assert GUIDANCE[name](inside, coverage) < GUIDANCE[name](outside, coverage)


def test_mass_outside_counts_partly_covered_cells_in_part() -> None:
    attention = torch.tensor([[[[0.5, 0.5], [0.0, 0.0]]]])
    covered = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    assert mass_outside(attention, covered).item() == pytest.approx(0.25)


def test_an_even_spread_over_the_region_leaves_no_guidance_to_give(coverage: Tensor) -> None:
    for loss in (mass_outside, kl, dice):
        assert loss(even(coverage), coverage).item() == pytest.approx(0, abs=1e-6)


def test_mass_outside_is_content_with_one_cell_inside_and_the_others_ask_for_the_whole_region(
    coverage: Tensor,
) -> None:
    one = torch.zeros_like(coverage)
    one[..., 0, 0] = 1
    assert mass_outside(one, coverage).item() == 0
    assert kl(one, coverage) > kl(even(coverage + 0.01), coverage)
    assert dice(one, coverage) > dice(even(coverage + 0.01), coverage)


@pytest.mark.parametrize("name", GUIDANCE)
def test_a_region_beyond_the_window_gives_a_finite_loss(name: str, coverage: Tensor) -> None:
    assert torch.isfinite(GUIDANCE[name](even(coverage), torch.zeros_like(coverage)))
