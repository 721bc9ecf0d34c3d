"""The steps of the training, each a Lightning module over the same network, each starting where the last ended.

1. Global: the classifier learns on evenly pooled cells.
2. Guided: the attention learns to pool inside the tumour region, the classifier goes on with what it pools.
3. Multimodal: the clinical part, trained beforehand on all rows, and the image are judged together.

Arms without steps have a single stage instead, in which everything learns at once.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics.classification import BinaryAUROC

from training.config import Config, GuidanceSettings, StepSettings
from training.data import Batch
from training.losses import CLASSIFICATION, GUIDANCE, positive_weight
from training.networks import ClinicalHead, HeadOutput, Inputs, Network, uniform_weights

STOP_LOSS = "stop_loss"


class Step(pl.LightningModule):
    """What the steps share: the network, the classification loss, guidance, the optimiser, the log, the stop loss.

    Args:
        network: what is trained; a step says which parts of its head learn.
        settings: length and speed.
        config: everything else.
        guidance: None for a step without.
        responder_weight: non-responders per responder among the patients that are trained on.
        seed: of the modality dropout.
    """

    responder_weight: Tensor

    def __init__(
        self,
        network: Network,
        settings: StepSettings,
        config: Config,
        guidance: GuidanceSettings | None,
        responder_weight: Tensor,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.config = config
        self.guidance = guidance
        self.seed = seed
        self.classification = CLASSIFICATION[config.imbalance.loss]
        self.register_buffer("responder_weight", responder_weight)
        self.stop_auc = BinaryAUROC()

    def output(self, inputs: Inputs) -> HeadOutput:
        """What the head says of a batch in this step."""
        output: HeadOutput = self.network.head(inputs)
        return output

    def answer(self, output: HeadOutput) -> Tensor:
        """The logit [N] that this step is for."""
        raise NotImplementedError

    def priors(self, output: HeadOutput, batch: Batch) -> dict[str, Tensor]:
        """Further terms of the loss that this step has."""
        del output, batch
        return {}

    def inputs(self, batch: Batch, missing: Tensor) -> Inputs:
        """What the head reads of a batch, with these missing flags."""
        return Inputs(self.network.encoder(batch.input), batch.clinical, missing, batch.lesion)

    def classify(self, logit: Tensor, batch: Batch) -> Tensor:
        """Classification loss of logits [N]."""
        return self.classification(logit, batch.label, self.responder_weight)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum of the named terms of the loss, each logged by epoch."""
        hidden = self.hide(batch.missing, batch_idx)
        output = self.output(self.inputs(batch, hidden))
        optimisation, imaging = self.config.optimisation, self.network.head.imaging
        terms = {
            "classification": self.classify(self.answer(output), batch),
            "ridge": optimisation.classifier_ridge * imaging.pattern.weight.square().sum()
            + optimisation.size_ridge * imaging.extent.weight.square().sum(),
        }
        if self.guidance:
            weight = self.guidance.at(self.current_epoch)
            terms["guidance"] = weight * GUIDANCE[self.guidance.loss](output.attention, batch.coverage)
        terms |= self.priors(output, batch)
        self.log_dict(terms, on_step=False, on_epoch=True, batch_size=len(batch.label))
        return torch.stack(list(terms.values())).sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what the step stops by: classification, and guidance at its full weight whatever the epoch."""
        del batch_idx
        output = self.output(self.inputs(batch, batch.missing))
        loss = self.classify(self.answer(output), batch)
        if self.guidance:
            loss = loss + self.guidance.weight * GUIDANCE[self.guidance.loss](output.attention, batch.coverage)
        self.stop_auc.update(self.answer(output), batch.label.int())
        self.log(STOP_LOSS, loss, on_epoch=True, batch_size=len(batch.label), sync_dist=True)
        self.log("stop_auc", self.stop_auc, on_epoch=True, batch_size=len(batch.label))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over what has a gradient in this step."""
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        return torch.optim.Adam(weights, lr=self.settings.learning_rate, foreach=False)

    def hide(self, missing: Tensor, batch_idx: int) -> Tensor:
        """Flags [N, K] with some more variables hidden; which ones follows from seed, epoch and batch alone."""
        generator = torch.Generator().manual_seed(hash((self.seed, self.current_epoch, batch_idx)) % 2**31)
        drawn = torch.rand(missing.shape, generator=generator) < self.config.joint.modality_dropout
        return torch.maximum(missing, drawn.to(missing))


class GlobalStep(Step):
    """Step 1: image patterns of the whole window, every cell counting the same."""

    def setup(self, stage: str) -> None:
        """Only the classifier of the image learns."""
        del stage
        head = self.network.head.requires_grad_(False)
        for layer in (head.imaging.pattern, head.imaging.extent):
            layer.requires_grad_(True)

    def output(self, inputs: Inputs) -> HeadOutput:
        """The head's logits of evenly pooled cells."""
        output: HeadOutput = self.network.head.pool(inputs, uniform_weights(inputs.components))
        return output

    def answer(self, output: HeadOutput) -> Tensor:
        """The image's."""
        return output.imaging


class ImagingStep(Step):
    """Step 2, and the single stage of an imaging model: attention and classifier learn."""

    def setup(self, stage: str) -> None:
        """The clinical part and the fusion do not learn."""
        del stage
        self.network.head.requires_grad_(False)
        self.network.head.imaging.requires_grad_(True)

    def answer(self, output: HeadOutput) -> Tensor:
        """The image's."""
        return output.imaging


class JointStep(Step):
    """Step 3, and the single stage of a multimodal model: image and clinical variables judged together.

    The clinical weights are anchored to where they were when the step began: after pre-training to what it found, in
    a single stage to zero, which is a ridge.
    """

    clinical_start: Tensor

    def __init__(self, network: Network, *args: Any, **kwargs: Any) -> None:
        super().__init__(network, *args, **kwargs)
        self.register_buffer("clinical_start", network.head.clinical.weights.detach().clone())

    def setup(self, stage: str) -> None:
        """Everything learns."""
        del stage
        self.network.head.requires_grad_(True)

    def answer(self, output: HeadOutput) -> Tensor:
        """The joint one."""
        return output.joint

    def priors(self, output: HeadOutput, batch: Batch) -> dict[str, Tensor]:
        """The image by itself, and the priors for a small image part and known clinical weights."""
        joint, head = self.config.joint, self.network.head
        moved = (head.clinical.weights - self.clinical_start).square().sum()
        return {
            "imaging": joint.imaging_weight * self.classify(output.imaging, batch),
            "scale_prior": joint.scale_prior * head.fusion.penalty(),
            "clinical_anchor": self.anchor() * moved,
        }

    def anchor(self) -> float:
        """How strongly the clinical weights are held."""
        return self.config.joint.clinical_anchor


class SingleJointStep(JointStep):
    """The single stage: its clinical weights start at zero and have the ridge that pre-training has."""

    def anchor(self) -> float:
        """The clinical part's own ridge."""
        return self.config.clinical.ridge


class ClinicalPretraining(pl.LightningModule):
    """The clinical part alone, on rows with and without images: convex, so a few full-batch L-BFGS passes end it.

    Every row is shown under every pattern of missing values, so each pattern's weights learn from all rows that have
    what the pattern leaves.
    """

    def __init__(self, head: ClinicalHead, config: Config) -> None:
        super().__init__()
        self.head = head.requires_grad_(True)
        self.ridge = config.clinical.ridge
        self.classification = CLASSIFICATION[config.imbalance.loss]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Mean loss over all rows and patterns, with a ridge on all weights but the intercepts."""
        del batch_idx
        label, values, missing = batch
        patterns = self.head.patterns()
        flags = torch.maximum(patterns[:, None, :], missing[None, :, :])
        logit = self.head(values.repeat(len(patterns), 1), flags.flatten(0, 1))
        fit = self.classification(logit, label.repeat(len(patterns)), positive_weight(label))
        self.log("classification", fit, on_step=False, on_epoch=True, batch_size=len(label))
        return len(patterns) * fit + self.ridge * self.head.weights[:, 1:].square().sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """L-BFGS with line search."""
        return torch.optim.LBFGS(self.head.parameters(), max_iter=100, line_search_fn="strong_wolfe")
