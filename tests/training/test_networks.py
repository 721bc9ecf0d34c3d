"""Attention that sums to one and is what pools; clinical weights by pattern; size, fusion, components."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.networks import (
    AttendedSize,
    CellScaling,
    ClinicalHead,
    ImagingHead,
    Inputs,
    MeasuredSize,
    PcrHead,
    PlainFusion,
    ResidualFusion,
    SpatialAttention,
    attended_extent,
    uniform_weights,
)

CASES, CELLS, COMPONENTS = 6, (2, 4, 4), 3
WINDOW_MM = 60


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.fixture
def inputs() -> Inputs:
    return Inputs(
        components=torch.randn(CASES, *CELLS, COMPONENTS, generator=generator()),
        clinical=torch.rand(CASES, 3, generator=generator()),
        missing=torch.zeros(CASES, 3),
        lesion=torch.randn(CASES, 1, generator=generator()),
    )


def make_head(size: MeasuredSize | AttendedSize, fusion: ResidualFusion | PlainFusion) -> PcrHead:
    imaging = ImagingHead(COMPONENTS, SpatialAttention(COMPONENTS, 4, 3.0), size)
    head = PcrHead(imaging, ClinicalHead(3, [(1, 2)]), fusion)
    with torch.no_grad():
        for weight in head.parameters():
            if weight.dim():
                weight.copy_(torch.randn(weight.shape, generator=generator()))
    return head


@pytest.fixture
def head() -> PcrHead:
    return make_head(MeasuredSize(1), ResidualFusion(0.5))


@pytest.fixture
def plain_head() -> PcrHead:
    return make_head(AttendedSize(WINDOW_MM), PlainFusion(COMPONENTS + 2 + 2 * 3 + 1))


# Attention


def test_attention_sums_to_one_over_slices_rows_and_columns(head: PcrHead, inputs: Inputs) -> None:
    attention = head(inputs).attention
    assert attention.shape == (CASES, *CELLS)
    assert torch.allclose(attention.sum(dim=(1, 2, 3)), torch.ones(CASES))


def test_no_cell_counts_more_than_the_bound_allows(inputs: Inputs) -> None:
    attention = SpatialAttention(COMPONENTS, 4, bound=1.5)
    with torch.no_grad():
        attention.score[2].weight.mul_(1000)
    weights = attention(inputs.components).flatten(1)
    assert (weights.amax(dim=1) / weights.amin(dim=1)).max() <= torch.exp(torch.tensor(3.0)) * 1.001


def test_the_attention_that_is_given_out_is_the_one_that_pools(head: PcrHead, inputs: Inputs) -> None:
    output = head(inputs)
    pooled = (output.attention[..., None] * inputs.components).sum(dim=(1, 2, 3))
    expected = head.imaging.pattern(pooled) + head.imaging.extent(inputs.lesion)
    assert torch.allclose(output.imaging, expected.squeeze(1), atol=1e-5)


@pytest.mark.parametrize("name", ["head", "plain_head"])
def test_cells_without_attention_move_no_logit(name: str, inputs: Inputs, request: pytest.FixtureRequest) -> None:
    head: PcrHead = request.getfixturevalue(name)
    weights = torch.zeros(CASES, *CELLS)
    weights[:, 0, 1, 2] = 1
    changed = inputs.components.clone()
    changed[:, 1] += 10
    first, second = head.pool(inputs, weights), head.pool(inputs._replace(components=changed), weights)
    assert torch.equal(first.imaging, second.imaging)
    assert torch.equal(first.joint, second.joint)
    changed[:, 0, 1, 2] += 10
    assert not torch.equal(first.joint, head.pool(inputs._replace(components=changed), weights).joint)


def test_uniform_weights_are_even(inputs: Inputs) -> None:
    assert torch.allclose(uniform_weights(inputs.components), torch.full((CASES, *CELLS), 1 / 32))


# Size


def test_a_lesion_size_that_is_missing_counts_as_its_offset(head: PcrHead, inputs: Inputs) -> None:
    unknown = head(inputs._replace(lesion=torch.full((CASES, 1), torch.nan)))
    at_offset = head(inputs._replace(lesion=torch.zeros(CASES, 1)))
    assert torch.equal(unknown.imaging, at_offset.imaging)
    assert not torch.equal(unknown.imaging, head(inputs).imaging)


def test_attended_size_asks_for_no_measured_one(plain_head: PcrHead, inputs: Inputs) -> None:
    unknown = plain_head(inputs._replace(lesion=torch.full((CASES, 1), torch.nan)))
    assert torch.equal(unknown.joint, plain_head(inputs).joint)


def test_extent_grows_with_the_attended_area_and_not_with_its_place() -> None:
    small, moved, large = (torch.zeros(1, 2, 16, 16) for _ in range(3))
    small[:, :, 7:9, 7:9] = 1
    moved[:, :, 1:3, 12:14] = 1
    large[:, :, 5:11, 5:11] = 1
    at_home, elsewhere, wide = (attended_extent(w / w.sum(), WINDOW_MM) for w in (small, moved, large))
    assert torch.allclose(at_home, elsewhere, atol=1e-4)
    assert (wide > at_home).all()


def test_extent_is_counted_in_quarter_octaves() -> None:
    weights = torch.zeros(1, 1, 60, 60)
    weights[..., 20, 20:41:20] = 0.5
    radius, share = attended_extent(weights, WINDOW_MM)[0]
    # Two points 20 mm apart have an RMS radius of 10 mm, which is 0 octaves from 1 cm; they are 2 cells of 3600.
    assert radius.item() == pytest.approx(0, abs=1e-4)
    assert share.item() == pytest.approx(4 * torch.log2(torch.tensor(2 / 3600)).item(), abs=1e-3)


# Clinical part


def clinical(head: PcrHead, values: Tensor, missing: Tensor) -> Tensor:
    logit: Tensor = head.clinical(values, missing)
    return logit


def test_a_missing_value_is_not_looked_at(head: PcrHead, inputs: Inputs) -> None:
    flagged, holes = inputs.missing.clone(), inputs.clinical.clone()
    flagged[:, 1] = 1
    holes[:, 1] = torch.nan
    expected = clinical(head, inputs.clinical, flagged)
    assert torch.equal(expected, clinical(head, holes, flagged))
    assert torch.equal(expected, clinical(head, holes, inputs.missing))


def test_every_pattern_of_missing_values_has_its_own_weights(head: PcrHead) -> None:
    patterns = head.clinical.patterns()
    assert torch.equal(clinical(head, torch.zeros(8, 3), patterns), head.clinical.weights[:, 0])


def test_an_interaction_needs_both_of_its_variables(head: PcrHead) -> None:
    with torch.no_grad():
        head.clinical.weights.zero_()
        head.clinical.weights[:, 4] = 1
    values, missing = torch.tensor([[0.0, 1.0, 1.0]] * 2), torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert clinical(head, values, missing).tolist() == [1, 0]


# Fusion


def test_the_joint_logit_is_the_clinical_one_plus_the_scaled_image(head: PcrHead, inputs: Inputs) -> None:
    output = head(inputs)
    assert torch.allclose(output.joint, output.clinical + 0.5 * output.imaging)


def test_plain_fusion_is_linear_in_image_size_clinical_values_and_their_flags(
    plain_head: PcrHead, inputs: Inputs
) -> None:
    missing = inputs.missing.clone()
    missing[:, 0] = 1
    output = plain_head(inputs._replace(missing=missing))
    pooled, size = plain_head.imaging.features(inputs, output.attention)
    _, hr, her2 = inputs.clinical.unbind(1)
    known = torch.stack([torch.zeros(CASES), hr, her2, hr * her2], dim=1)
    expected = plain_head.fusion.joint(torch.cat([pooled, size, known, missing], dim=1)).squeeze(1)
    assert torch.allclose(output.joint, expected)


# Components


def test_components_are_uncorrelated_with_unit_variance_on_what_they_were_fitted_on() -> None:
    channels = 5
    mixed = torch.randn(channels, channels, generator=generator())
    cells = torch.randn(50, *CELLS, channels, generator=generator()) @ mixed + 3
    scaled = CellScaling(channels, COMPONENTS).fit(cells)(cells).reshape(-1, COMPONENTS)
    assert torch.allclose(torch.cov(scaled.T), torch.eye(COMPONENTS), atol=1e-2)
    assert torch.allclose(scaled.mean(dim=0), torch.zeros(COMPONENTS), atol=1e-4)


def test_components_come_in_the_order_of_what_they_explain() -> None:
    common = torch.randn(500, 1, generator=generator())
    cells = torch.cat([common.repeat(1, 3) + 0.1 * torch.randn(500, 3, generator=generator()), common.flip(0)], dim=1)
    first = CellScaling(4, 2).fit(cells)(cells)[:, 0]
    assert torch.corrcoef(torch.stack([first, common[:, 0]]))[0, 1].abs() > 0.99
