"""The settings of a run in words; every name that a setting may have has words here."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from pcr.manifest import Manifest
from training.config import Config

DATASETS = MappingProxyType({"ISPY1": "I-SPY 1", "ISPY2": "I-SPY 2", "NACT": "NACT-Pilot"})
CLINICAL = MappingProxyType(
    {
        "age": "age",
        "menopausal_status": "menopausal status",
        "hr": "hormone receptors",
        "er": "oestrogen receptors",
        "pr": "progesterone receptors",
        "her2": "HER2",
    }
)
LESION = MappingProxyType(
    {
        "box_diameter": "the geometric mean of the three sides of the lesion's box",
        "section_diameter": "the geometric mean of the two in-plane sides of the box of the lesion's largest section",
    }
)
BACKBONES = MappingProxyType(
    {
        "lite0_block2": "EfficientNet-lite0 of ImageNet up to its block 2, slice by slice, phases as colour channels",
        "lite0_block4": "EfficientNet-lite0 of ImageNet up to its block 4, slice by slice, phases as colour channels",
        "resnet10_layer2": "MONAI's 3-D ResNet-10 up to its second layer, from random weights",
    }
)
SIZES = MappingProxyType(
    {
        "lesion": "the size of the lesion as it was measured",
        "attended": "how far the attention reaches (its radius and its effective number of cells)",
    }
)
FUSIONS = MappingProxyType(
    {
        "residual": "joint logit = clinical logit + scale x image logit, with a prior that keeps the scale small",
        "plain": "the joint logit is linear in everything: pooled cells, size, clinical values, what is missing",
    }
)
GUIDANCE = MappingProxyType(
    {
        "mass_outside": "the share of the attention that lies outside the box",
        "kl": "how far the attention is from an even spread over the box (KL divergence)",
        "dice": "how little the attention overlaps with the box (one minus soft Dice)",
    }
)
LOSSES = MappingProxyType(
    {
        "bce": "cross-entropy, all patients alike",
        "weighted_bce": "cross-entropy in which responders weigh as much as all others together",
        "focal": "focal loss, in which easy patients count less",
    }
)
SAMPLINGS = MappingProxyType(
    {
        "even": "every patient once an epoch",
        "balanced": "responders drawn as often as others",
    }
)
TRAININGS = MappingProxyType(
    {
        "frozen": "No arm fine-tunes its backbone: every arm trains a head on cells of the frozen backbone that were "
        "computed once, on a CPU, since no GPU was to be had. What fine-tuning would change is not known.",
        "fine_tuned": "The backbone is fine-tuned together with the head, in every arm that sees images.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words for what one run is made of."""

    clinical: str
    lesion: str
    backbone: str
    backbone_training: str
    size: str
    fusion: str
    guidance: str
    loss: str
    sampling: str

    @classmethod
    def of(cls, config: Config, manifest: Manifest) -> Words:
        """Those of an attempt and of the model folder that it led to."""
        network = config.network
        return cls(
            clinical=listed([CLINICAL[variable.name] for variable in manifest.clinical]),
            lesion=listed([LESION[variable.name] for variable in manifest.lesion]),
            backbone=BACKBONES[network.backbone],
            backbone_training=TRAININGS[network.backbone_training],
            size=SIZES[network.size],
            fusion=FUSIONS[network.fusion],
            guidance=GUIDANCE[config.guidance.loss],
            loss=LOSSES[config.imbalance.loss],
            sampling=SAMPLINGS[config.imbalance.sampling],
        )


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
