"""Attention that sums to one and is what pools; clinical weights by pattern; extent that follows the tumour."""

from __future__ import annotations

import pytest
import torch

from training.networks import (
    Backbone,
    ClinicalHead,
    ImagingHead,
    PcrHead,
    SpatialAttention,
    attended_extent,
    uniform_weights,
)

CHANNELS = 5


@pytest.fixture
def head() -> PcrHead:
    torch.manual_seed(0)
    imaging = ImagingHead(CHANNELS, components=3, attention=SpatialAttention(CHANNELS, 4, 3.0), window_mm=80)
    imaging.scaling.fit(torch.randn(20, 2, 4, 4, CHANNELS))
    torch.nn.init.normal_(imaging.classifier.weight)
    clinical = ClinicalHead(3, [(1, 2)])
    torch.nn.init.normal_(clinical.weights)
    return PcrHead(imaging, clinical, 0.5)


@pytest.fixture
def cells() -> torch.Tensor:
    return torch.randn(6, 2, 4, 4, CHANNELS, generator=torch.Generator().manual_seed(1))


def _clinical(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(2)), torch.zeros(count, 3)


def test_attention_sums_to_one_over_slices_rows_and_columns(head: PcrHead, cells: torch.Tensor) -> None:
    attention = head(cells, *_clinical()).attention
    assert attention.shape == (6, 2, 4, 4)
    assert torch.allclose(attention.sum(dim=(1, 2, 3)), torch.ones(6))


def test_no_cell_counts_more_than_the_bound_allows(cells: torch.Tensor) -> None:
    attention = SpatialAttention(CHANNELS, 4, bound=1.5)
    with torch.no_grad():
        attention.score[2].weight.mul_(1000)
    weights = attention(cells).flatten(1)
    assert (weights.amax(dim=1) / weights.amin(dim=1)).max() <= torch.exp(torch.tensor(3.0)) * 1.001


def test_the_attention_that_is_given_out_is_the_one_that_pools(head: PcrHead, cells: torch.Tensor) -> None:
    output = head(cells, *_clinical())
    assert torch.allclose(output.imaging, head.imaging.logit(cells, output.attention))
    pooled = (output.attention[..., None] * head.imaging.scaling(cells)).sum(dim=(1, 2, 3))
    features = torch.cat([head.imaging.scaling.project(pooled), attended_extent(output.attention, 80)], dim=1)
    assert torch.allclose(output.imaging, head.imaging.classifier(features).squeeze(1), atol=1e-5)


def test_cells_without_attention_do_not_move_the_logit(head: PcrHead, cells: torch.Tensor) -> None:
    weights = torch.zeros(6, 2, 4, 4)
    weights[:, 0, 1, 2] = 1
    changed = cells.clone()
    changed[:, 1] += 10
    assert torch.allclose(head.imaging.logit(cells, weights), head.imaging.logit(changed, weights))


def test_the_joint_logit_is_the_clinical_one_plus_the_scaled_image(head: PcrHead, cells: torch.Tensor) -> None:
    output = head(cells, *_clinical())
    assert torch.allclose(output.joint, output.clinical + 0.5 * output.imaging)


def test_a_missing_value_is_not_looked_at(head: PcrHead) -> None:
    values, missing = _clinical()
    missing[:, 1] = 1
    other = values.clone()
    other[:, 1] = torch.nan
    assert torch.equal(head.clinical(values, missing), head.clinical(other, missing))
    assert torch.equal(head.clinical(values, missing), head.clinical(other, torch.zeros(6, 3)))


def test_every_pattern_of_missing_values_has_its_own_weights(head: PcrHead) -> None:
    patterns = head.clinical.patterns()
    intercepts = head.clinical(torch.zeros(8, 3), patterns)
    assert torch.equal(intercepts, head.clinical.weights[:, 0])


def test_an_interaction_needs_both_of_its_variables(head: PcrHead) -> None:
    with torch.no_grad():
        head.clinical.weights.zero_()
        head.clinical.weights[:, 4] = 1
    values = torch.tensor([[0.0, 1.0, 1.0]] * 2)
    assert head.clinical(values, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).tolist() == [1, 0]


def test_extent_grows_with_the_attended_area_and_not_with_its_place() -> None:
    small, moved, large = (torch.zeros(1, 2, 16, 16) for _ in range(3))
    small[:, :, 7:9, 7:9] = 1
    moved[:, :, 1:3, 12:14] = 1
    large[:, :, 5:11, 5:11] = 1
    small, moved, large = (weights / weights.sum() for weights in (small, moved, large))
    assert torch.allclose(attended_extent(small, 80), attended_extent(moved, 80), atol=1e-4)
    assert (attended_extent(large, 80) > attended_extent(small, 80)).all()


def test_uniform_weights_are_even(cells: torch.Tensor) -> None:
    assert torch.allclose(uniform_weights(cells), torch.full((6, 2, 4, 4), 1 / 32))


def test_components_are_uncorrelated_with_unit_variance(head: PcrHead) -> None:
    cells = torch.randn(50, 2, 4, 4, CHANNELS) @ torch.randn(CHANNELS, CHANNELS)
    head.imaging.scaling.fit(cells)
    components = head.imaging.scaling.project(head.imaging.scaling(cells)).reshape(-1, 3)
    assert torch.allclose(torch.cov(components.T), torch.eye(3), atol=1e-2)


def test_the_backbone_is_frozen_and_keeps_its_statistics() -> None:
    backbone = Backbone(last_block=4)
    assert not any(weight.requires_grad for weight in backbone.parameters())
    assert not backbone.train().training
    cells = backbone(torch.rand(2, 3, 4, 32, 32))
    assert cells.shape == (2, 4, 4, 4, 43)
