"""Backbones: cells that carry the kinetics beside their features, the same whenever they are made."""

from __future__ import annotations

import pytest
import torch

from training.backbones import BACKBONES, Backbone, make_backbone

SLICES = 4


@pytest.fixture(scope="module")
def frozen() -> dict[str, Backbone]:
    """Every backbone by name."""
    return {name: make_backbone(name).frozen() for name in BACKBONES}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, SLICES, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "cells"),
    [("lite0_block2", (4, 8, 8)), ("lite0_block4", (4, 4, 4)), ("resnet10_layer2", (1, 4, 4))],
)
def test_every_backbone_gives_cells_with_the_mean_signal_behind_its_features(
    name: str, cells: tuple[int, int, int], frozen: dict[str, Backbone], image: torch.Tensor
) -> None:
    found = frozen[name](image)
    assert found.shape[:4] == (2, *cells)
    pre, early, late = torch.nn.functional.adaptive_avg_pool3d(image, cells).unbind(1)
    assert torch.allclose(found[..., -3:], torch.stack([pre, early - pre, late - early], dim=-1), atol=1e-6)


def test_the_test_above_leaves_out_no_backbone(frozen: dict[str, Backbone]) -> None:
    assert set(frozen) == {"lite0_block2", "lite0_block4", "resnet10_layer2"}


def test_the_pictures_network_looks_at_every_slice_by_itself(frozen: dict[str, Backbone], image: torch.Tensor) -> None:
    backbone, other = frozen["lite0_block2"], image.clone()
    other[:, :, 1] = 0
    moved = (backbone(other) - backbone(image)).abs().amax(dim=(0, 2, 3, 4))
    assert (moved > 0).tolist() == [False, True, False, False]


@pytest.mark.parametrize("name", ["lite0_block2", "resnet10_layer2"])
def test_a_backbone_has_the_same_weights_each_time_whatever_was_drawn_before(
    name: str, frozen: dict[str, Backbone]
) -> None:
    torch.manual_seed(123)
    again = make_backbone(name).state_dict()
    assert all(torch.equal(weight, again[key]) for key, weight in frozen[name].state_dict().items())


def test_a_frozen_backbone_does_not_learn_and_keeps_its_statistics(
    frozen: dict[str, Backbone], image: torch.Tensor
) -> None:
    backbone = frozen["lite0_block2"]
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert not backbone(image).requires_grad
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_an_unknown_backbone_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match="'vgg'; there are lite0_block2, lite0_block4, resnet10_layer2"):
        make_backbone("vgg")
