"""The three steps of the training, each a Lightning module over the same head, each starting where the last ended.

1. Global: the classifier learns on evenly pooled cells.
2. Guided: the attention learns to pool inside the tumour region, the classifier goes on with what it pools.
3. Multimodal: the clinical part, trained beforehand on all rows, and the image are judged together.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from training.config import GuidedSettings, MultimodalSettings, StepSettings
from training.data import Batch
from training.losses import CLASSIFICATION, GUIDANCE, positive_weight
from training.networks import ClinicalHead, HeadOutput, PcrHead, uniform_weights


class Step(pl.LightningModule):
    """What the steps share: the head, the classification loss by name and weight, the optimiser, the log."""

    responder_weight: Tensor

    def __init__(self, head: PcrHead, settings: StepSettings, classification: str, responder_weight: Tensor) -> None:
        super().__init__()
        self.head = head
        self.settings = settings
        self.classification = CLASSIFICATION[classification]
        self.register_buffer("responder_weight", responder_weight)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Named terms of the loss, already weighted; their sum is minimised."""
        raise NotImplementedError

    def classify(self, logit: Tensor, batch: Batch) -> Tensor:
        """Classification loss of logits [N]."""
        return self.classification(logit, batch.label, self.responder_weight)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum of the objective's terms, each logged by epoch."""
        del batch_idx
        terms = self.objective(batch)
        self.log_dict(terms, on_step=False, on_epoch=True, batch_size=len(batch.label))
        return torch.stack(list(terms.values())).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over what has a gradient in this step."""
        weights = [weight for weight in self.head.parameters() if weight.requires_grad]
        return torch.optim.Adam(weights, lr=self.settings.learning_rate, foreach=False)

    def ridge(self) -> Tensor:
        """Penalty on the weights of the imaging classifier: with few patients, many features must stay small."""
        return self.settings.classifier_ridge * self.head.imaging.classifier.weight.square().sum()


class GlobalStep(Step):
    """Step 1: image patterns of the whole window, every cell counting the same."""

    def __init__(self, head: PcrHead, settings: StepSettings, classification: str, responder_weight: Tensor) -> None:
        super().__init__(head, settings, classification, responder_weight)
        head.requires_grad_(False)
        head.imaging.classifier.requires_grad_(True)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Classification by evenly pooled cells."""
        logit = self.head.imaging.logit(batch.cells, uniform_weights(batch.cells))
        return {"classification": self.classify(logit, batch), "ridge": self.ridge()}


class GuidedStep(Step):
    """Step 2: attention held to the tumour region by a guidance loss whose weight lambda rises with the epochs."""

    def __init__(self, head: PcrHead, settings: GuidedSettings, classification: str, responder_weight: Tensor) -> None:
        super().__init__(head, settings, classification, responder_weight)
        self.guided = settings
        head.requires_grad_(False)
        head.imaging.requires_grad_(True)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Classification by attended cells, and guidance."""
        attention = self.head.imaging.attend(batch.cells)
        logit = self.head.imaging.logit(batch.cells, attention)
        return {
            "classification": self.classify(logit, batch),
            "guidance": self.guidance(attention, batch),
            "ridge": self.ridge(),
        }

    def guidance(self, attention: Tensor, batch: Batch) -> Tensor:
        """Lambda of this epoch times the guidance loss."""
        weight = self.guided.guidance_at(self.current_epoch)
        return weight * GUIDANCE[self.guided.guidance](attention, batch.coverage)


class MultimodalStep(GuidedStep):
    """Step 3: image and clinical variables judged together, with priors for a small image part and known weights."""

    clinical_start: Tensor

    def __init__(
        self, head: PcrHead, settings: MultimodalSettings, classification: str, responder_weight: Tensor
    ) -> None:
        super().__init__(head, settings, classification, responder_weight)
        self.joint = settings
        head.requires_grad_(True)
        self.register_buffer("clinical_start", head.clinical.weights.detach().clone())

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Joint and imaging classification, guidance, and the two priors."""
        output: HeadOutput = self.head(batch.cells, batch.clinical, batch.missing)
        moved = (self.head.clinical.weights - self.clinical_start).square().sum()
        return {
            "classification": self.classify(output.joint, batch),
            "imaging": self.joint.imaging_weight * self.classify(output.imaging, batch),
            "guidance": self.guidance(output.attention, batch),
            "ridge": self.ridge(),
            "scale_prior": self.joint.scale_prior * self.head.scale.square(),
            "clinical_anchor": self.joint.clinical_anchor * moved,
        }


class ClinicalPretraining(pl.LightningModule):
    """The clinical part alone, on rows with and without images: convex, so a few full-batch L-BFGS passes end it.

    Every row is shown under every pattern of missing values, so each pattern's weights learn from all rows that have
    what the pattern leaves.
    """

    def __init__(self, head: ClinicalHead, ridge: float, classification: str) -> None:
        super().__init__()
        self.head = head.requires_grad_(True)
        self.ridge = ridge
        self.classification = CLASSIFICATION[classification]

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
