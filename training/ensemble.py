"""What is shipped: the networks of all folds and seeds as one, calibrated inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from training.calibration import Calibration, Line
from training.networks import Inputs, Network, is_missing


class EnsembleOutput(NamedTuple):
    """Probabilities [N], those of the members [N, M], and attention [N, S, R, C] that sums to one per case.

    The names and their order are those of the ONNX file.
    """

    probability: Tensor
    imaging_probability: Tensor
    clinical_probability: Tensor
    member_probability: Tensor
    attention: Tensor


class Ensemble(nn.Module):
    """The mean of the members' logits, calibrated, and the mean of the maps that they pool with.

    Without any clinical value the joint answer is the imaging answer: the calibration line of the joint output was
    fitted on complete records and says nothing about a bare image.

    Args:
        backbone: what the members share; the identity where each has fine-tuned its own.
        members: the networks of folds and seeds.
        calibration: lines for joint, imaging and clinical logits.
        clinical: number of clinical variables; what follows them in the input are the lesion's.
    """

    lines: Tensor

    def __init__(
        self, backbone: nn.Module, members: Sequence[Network], calibration: Calibration, clinical: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.members = nn.ModuleList(members)
        self.clinical = clinical
        lines = [calibration.joint, calibration.imaging, calibration.clinical]
        self.register_buffer("lines", torch.tensor([_pair(line) for line in lines]))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor, clinical: Tensor, clinical_missing: Tensor) -> EnsembleOutput:
        """Predict normalised crops [N, 3, S, H, W] with encoded values and missing flags [N, K + L]; NaN is missing."""
        cells = self.backbone(torch.nan_to_num(image))
        absent = is_missing(clinical, clinical_missing)
        values = torch.where(absent, torch.zeros_like(clinical), clinical)
        variables = self.clinical
        outputs = []
        for member in self.members:
            network = cast(Network, member)
            components = network.encoder(cells)
            inputs = Inputs(components, values[:, :variables], absent[:, :variables].float(), values[:, variables:])
            outputs.append(network.head(inputs))
        joint = torch.stack([output.joint for output in outputs], dim=1)
        imaging = torch.stack([output.imaging for output in outputs], dim=1)
        known = torch.stack([output.clinical for output in outputs], dim=1).mean(dim=1)
        bare = absent[:, :variables].all(dim=1, keepdim=True)
        calibrated = torch.where(bare, self._line(1, imaging), self._line(0, joint))
        attention = torch.stack([output.attention for output in outputs]).mean(dim=0)
        return EnsembleOutput(
            probability=calibrated.mean(dim=1).sigmoid(),
            imaging_probability=self._line(1, imaging.mean(dim=1)).sigmoid(),
            clinical_probability=self._line(2, known).sigmoid(),
            member_probability=calibrated.sigmoid(),
            attention=attention,
        )

    def _line(self, line: int, logit: Tensor) -> Tensor:
        """Calibrated logits, by one of the three lines."""
        slope, intercept = self.lines[line].unbind()
        return logit * slope + intercept


def _pair(line: Line) -> tuple[float, float]:
    return line.slope, line.intercept
