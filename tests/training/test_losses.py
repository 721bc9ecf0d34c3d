"""Losses by name."""

from __future__ import annotations

import pytest
import torch

from training.losses import CLASSIFICATION, GUIDANCE, mass_outside, positive_weight


def test_mass_outside_counts_partly_covered_cells_in_part() -> None:
    attention = torch.zeros(1, 1, 2, 2)
    attention[0, 0, 0] = 0.5
    coverage = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    assert mass_outside(attention, coverage).item() == pytest.approx(0.25)


@pytest.mark.parametrize("name", GUIDANCE)
def test_guidance_prefers_attention_inside_the_region(name: str) -> None:
    coverage = torch.zeros(1, 1, 4, 4)
    coverage[..., :2, :2] = 1
    inside = (coverage + 0.01) / (coverage + 0.01).sum()
    outside = (1 - coverage + 0.01) / (1 - coverage + 0.01).sum()
    assert GUIDANCE[name](inside, coverage) < GUIDANCE[name](outside, coverage)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification_prefers_right_answers_and_weighs_responders(name: str) -> None:
    loss, label = CLASSIFICATION[name], torch.tensor([1.0, 0.0])
    weight = torch.tensor(2.0)
    assert loss(torch.tensor([2.0, -2.0]), label, weight) < loss(torch.tensor([-2.0, 2.0]), label, weight)
    assert loss(torch.tensor([-2.0, -2.0]), label, weight) > loss(torch.tensor([2.0, 2.0]), label, weight)


def test_the_weight_balances_the_classes() -> None:
    assert positive_weight(torch.tensor([1.0, 0.0, 0.0, 0.0])).item() == 3
