"""What is trained on the cells of a backbone: spatial attention that pools, classifier, clinical part, their fusion."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

_CM_IN_MM = 10.0
_STEPS_PER_OCTAVE = 4
_ATTENDED_FEATURES = 2


class Inputs(NamedTuple):
    """What a head reads: components [N, S, R, C, F], clinical values and missing flags [N, K], lesion size [N, L]."""

    components: Tensor
    clinical: Tensor
    missing: Tensor
    lesion: Tensor


class HeadOutput(NamedTuple):
    """Logits [N] before calibration, and attention [N, slices, rows, columns] that sums to one per case."""

    joint: Tensor
    imaging: Tensor
    clinical: Tensor
    attention: Tensor


class CellScaling(nn.Module):
    """Principal components of standardised cells, of unit variance; a statistic of the patients that are trained on."""

    mean: Tensor
    axes: Tensor

    def __init__(self, channels: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("axes", torch.zeros(channels, components))

    def fit(self, cells: Tensor) -> CellScaling:
        """Take the statistics of `cells`, any shape [..., channels]."""
        flat = cells.reshape(-1, cells.shape[-1]).double()
        sd, mean = torch.std_mean(flat, dim=0)
        sd = sd.clamp(min=1e-6)
        standard = (flat - mean) / sd
        values, vectors = torch.linalg.eigh(standard.T @ standard / len(standard))
        count = self.axes.shape[1]
        leading = vectors[:, -count:].flip(1) / values[-count:].flip(0).clamp(min=1e-6).sqrt()
        # An eigenvector's sign is arbitrary; fixing it keeps runs comparable.
        leading = leading * leading.gather(0, leading.abs().argmax(0, keepdim=True)).sign()
        self.mean.copy_(mean)
        self.axes.copy_(leading / sd[:, None])
        return self

    def forward(self, cells: Tensor) -> Tensor:
        """Components [..., components] of cells [..., channels]."""
        return (cells - self.mean) @ self.axes


class SpatialAttention(nn.Module):
    """One softmax over all slices, rows and columns: how much each cell counts.

    Scores are held within +-`bound`, so no cell can count more than exp(2 * bound) times another: guidance then fills
    the tumour, where without a bound it is content with a handful of cells that are safely inside.
    """

    def __init__(self, components: int, hidden: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.score = nn.Sequential(nn.Linear(components, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, components: Tensor) -> Tensor:
        """Weights [N, slices, rows, columns] of cells, summing to one per case."""
        score = self.bound * self.score(components).squeeze(-1).tanh()
        weights: Tensor = score.flatten(1).softmax(dim=1).view_as(score)
        return weights


class MeasuredSize(nn.Module):
    """Size of the tumour as the lesion variables give it; a variable that is missing counts as its offset."""

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.count = variables

    def forward(self, weights: Tensor, lesion: Tensor) -> Tensor:
        """Features [N, L] of encoded lesion variables [N, L]; the weights are not needed."""
        del weights
        return torch.nan_to_num(lesion)


class AttendedSize(nn.Module):
    """Size of the tumour as far as the attention shows it: how far it reaches."""

    count = _ATTENDED_FEATURES

    def __init__(self, window_mm: float) -> None:
        super().__init__()
        self.window_mm = window_mm

    def forward(self, weights: Tensor, lesion: Tensor) -> Tensor:
        """Features [N, 2] of weights [N, slices, rows, columns]; the lesion variables are not looked at."""
        del lesion
        return attended_extent(weights, self.window_mm)


class ImagingHead(nn.Module):
    """Linear classifier on cells pooled with weights, and on the tumour's size."""

    def __init__(self, components: int, attention: SpatialAttention, size: MeasuredSize | AttendedSize) -> None:
        super().__init__()
        self.attention = attention
        self.size = size
        self.pattern = nn.Linear(components, 1)
        self.extent = nn.Linear(size.count, 1, bias=False)
        for layer in (self.pattern, self.extent):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.pattern.bias)

    def features(self, inputs: Inputs, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled components [N, F] and size features [N, L] under weights [N, S, R, C], which sum to one per case."""
        pooled = torch.einsum("nsrc,nsrcf->nf", weights, inputs.components)
        return pooled, self.size(weights, inputs.lesion)

    def logit(self, pooled: Tensor, size: Tensor) -> Tensor:
        """Logit [N] of pooled components [N, F] and size features [N, L]."""
        return cast(Tensor, self.pattern(pooled) + self.extent(size)).squeeze(-1)


class ClinicalHead(nn.Module):
    """Logistic regression with its own weights for every pattern of missing values.

    A pattern's weights see only what is there, so complete records are not compromised by incomplete ones, and with
    everything missing what remains is the intercept: the prevalence. (Reduced models: Saar-Tsechansky and Provost,
    JMLR 8, 2007.)
    """

    bits: Tensor

    def __init__(self, variables: int, interactions: list[tuple[int, int]]) -> None:
        super().__init__()
        self.interactions = interactions
        self.register_buffer("bits", 2 ** torch.arange(variables))
        self.weights = nn.Parameter(torch.zeros(2**variables, 1 + variables + len(interactions)))

    def features(self, values: Tensor, missing: Tensor) -> Tensor:
        """One, the values that are known (others 0) and their products [N, 1 + K + interactions]; NaN is missing."""
        known = torch.where(is_missing(values, missing), torch.zeros_like(values), values)
        products = [known[:, first] * known[:, second] for first, second in self.interactions]
        return torch.stack([torch.ones_like(known[:, 0]), *known.unbind(1), *products], dim=1)

    def forward(self, values: Tensor, missing: Tensor) -> Tensor:
        """Logit [N] of encoded values [N, K] and their missing flags [N, K]."""
        pattern = (is_missing(values, missing).long() * self.bits).sum(dim=1)
        return (self.weights[pattern] * self.features(values, missing)).sum(dim=1)

    def patterns(self) -> Tensor:
        """Every pattern of missing flags, float [2 ** K, K], in the order of the weights."""
        count = int(self.bits.shape[0])
        flags = [flags[::-1] for flags in product((0.0, 1.0), repeat=count)]
        return torch.tensor(flags, device=self.weights.device)


class ResidualFusion(nn.Module):
    """Joint logit = clinical logit + scale x imaging logit: the image adds to what the clinical part knows."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, imaging: Tensor, clinical: Tensor, features: Tensor) -> Tensor:
        """Joint logit [N] of the two logits [N]; the features are not needed."""
        del features
        return clinical + self.scale * imaging

    def penalty(self) -> Tensor:
        """Squared scale: the prior that the image says little."""
        return self.scale.square()


class PlainFusion(nn.Module):
    """Joint logit = a linear layer on everything: pooled components, size, clinical values and their missing flags."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.joint = nn.Linear(features, 1)
        nn.init.zeros_(self.joint.weight)
        nn.init.zeros_(self.joint.bias)

    def forward(self, imaging: Tensor, clinical: Tensor, features: Tensor) -> Tensor:
        """Joint logit [N] of features [N, F]; the logits are not looked at."""
        del imaging, clinical
        return cast(Tensor, self.joint(features)).squeeze(-1)

    def penalty(self) -> Tensor:
        """Mean squared weight."""
        return self.joint.weight.square().mean()


class PcrHead(nn.Module):
    """All that is trained on the components of the cells."""

    def __init__(self, imaging: ImagingHead, clinical: ClinicalHead, fusion: ResidualFusion | PlainFusion) -> None:
        super().__init__()
        self.imaging = imaging
        self.clinical = clinical
        self.fusion = fusion

    def forward(self, inputs: Inputs) -> HeadOutput:
        """Logits and attention."""
        return self.pool(inputs, self.imaging.attention(inputs.components))

    def pool(self, inputs: Inputs, weights: Tensor) -> HeadOutput:
        """The same with given weights [N, S, R, C] in the place of the attention; they sum to one per case."""
        pooled, size = self.imaging.features(inputs, weights)
        imaging = self.imaging.logit(pooled, size)
        clinical = self.clinical(inputs.clinical, inputs.missing)
        flags = is_missing(inputs.clinical, inputs.missing).float()
        known = self.clinical.features(inputs.clinical, inputs.missing)[:, 1:]
        joint = self.fusion(imaging, clinical, torch.cat([pooled, size, known, flags], dim=1))
        return HeadOutput(joint=joint, imaging=imaging, clinical=clinical, attention=weights)


class Network(nn.Module):
    """An encoder from the input to components of cells, and the head on them.

    The encoder of a fine-tuned network is backbone and scaling; where the components were computed beforehand it is
    the identity.
    """

    def __init__(self, encoder: nn.Module, head: PcrHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head


def is_missing(values: Tensor, missing: Tensor) -> Tensor:
    """Bool [N, K]: flagged as missing, or not a number."""
    return (missing > 0.5) | torch.isnan(values)


def attended_extent(weights: Tensor, window_mm: float) -> Tensor:
    """How far the attention reaches, [N, 2]: its in-plane RMS radius over 1 cm, and its share of effective cells.

    Both are moments of the weights [N, slices, rows, columns], so they follow the tumour wherever it lies in the
    window; the effective number of cells is the exponential of the entropy. Both are logarithms in quarter octaves.
    """
    slices, rows, columns = weights.shape[1:]
    along_rows, along_columns = weights.sum(dim=(1, 3)), weights.sum(dim=(1, 2))
    variance = _variance(along_rows, window_mm / rows) + _variance(along_columns, window_mm / columns)
    radius = 0.5 * torch.log2(variance.clamp(min=1.0) / _CM_IN_MM**2)
    entropy = -(weights * torch.log2(weights.clamp(min=1e-12))).sum(dim=(1, 2, 3))
    share = entropy - math.log2(slices * rows * columns)
    return torch.stack([radius, share], dim=1) * _STEPS_PER_OCTAVE


def uniform_weights(components: Tensor) -> Tensor:
    """Equal weights [N, slices, rows, columns] for every cell of [N, slices, rows, columns, components]."""
    places = components.shape[:-1]
    return torch.full(places, 1.0 / float(places[1] * places[2] * places[3]), device=components.device)


def _variance(weights: Tensor, pitch_mm: float) -> Tensor:
    """Variance in mm^2 of positions with weights [N, places] that lie `pitch_mm` apart."""
    position = torch.arange(weights.shape[1], dtype=weights.dtype, device=weights.device) * pitch_mm
    mean = weights @ position
    return weights @ position**2 - mean**2
