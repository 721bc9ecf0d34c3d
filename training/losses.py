"""Losses by name: classification under imbalance, and guidance of the attention by the tumour region."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

_FOCAL_GAMMA = 2.0

ClassificationLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
GuidanceLoss = Callable[[Tensor, Tensor], Tensor]


def bce(logit: Tensor, label: Tensor, positive_weight: Tensor) -> Tensor:
    """Mean binary cross-entropy of logits [N] to labels [N]; the weight is not used: the batches may be balanced."""
    del positive_weight
    return functional.binary_cross_entropy_with_logits(logit, label)


def weighted_bce(logit: Tensor, label: Tensor, positive_weight: Tensor) -> Tensor:
    """The same, responders counted `positive_weight` times."""
    return functional.binary_cross_entropy_with_logits(logit, label, pos_weight=positive_weight)


def focal(logit: Tensor, label: Tensor, positive_weight: Tensor) -> Tensor:
    """Cross-entropy, each case scaled by (1 - p of its label) ** 2: easy cases count less (Lin et al., ICCV 2017).

    Without class weights, since it is meant to go with balanced batches.
    """
    del positive_weight
    each = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
    right = torch.where(label > 0.5, logit, -logit).sigmoid()
    return ((1 - right) ** _FOCAL_GAMMA * each).mean()


def mass_outside(attention: Tensor, coverage: Tensor) -> Tensor:
    """Mean mass of attention [N, S, R, C] outside the region, which covers `coverage` of each cell (0 to 1)."""
    return 1.0 - (attention * coverage).sum(dim=(1, 2, 3)).mean()


def kl(attention: Tensor, coverage: Tensor) -> Tensor:
    """Mean KL divergence of the attention from an even spread over the region, per log of the number of cells."""
    target = coverage / coverage.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
    divergence = target * (target.clamp(min=1e-12).log() - attention.clamp(min=1e-12).log())
    return divergence.sum(dim=(1, 2, 3)).mean() / math.log(attention[0].numel())


def dice(attention: Tensor, coverage: Tensor) -> Tensor:
    """One minus the mean soft Dice overlap of the region with the attention, scaled to 1 at its largest cell."""
    scaled = attention / attention.amax(dim=(1, 2, 3), keepdim=True)
    overlap = (scaled * coverage).sum(dim=(1, 2, 3))
    return 1.0 - (2 * overlap / (scaled.sum(dim=(1, 2, 3)) + coverage.sum(dim=(1, 2, 3)))).mean()


def positive_weight(label: Tensor) -> Tensor:
    """Non-responders per responder in labels [N] of 0 and 1."""
    return (1 - label).sum() / label.sum()


CLASSIFICATION: MappingProxyType[str, ClassificationLoss] = MappingProxyType(
    {"bce": bce, "weighted_bce": weighted_bce, "focal": focal}
)
GUIDANCE: MappingProxyType[str, GuidanceLoss] = MappingProxyType({"mass_outside": mass_outside, "kl": kl, "dice": dice})
