"""What is shipped: the fold heads on their one backbone, calibrated inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from training.calibration import Calibration, Line
from training.networks import Backbone, PcrHead


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
    """Mean of the members' calibrated probabilities and of the maps that they pool with.

    Without any clinical value the joint answer is the imaging answer: the calibration line of the joint output was
    fitted on complete records and says nothing about a bare image.
    """

    lines: Tensor

    def __init__(self, backbone: Backbone, heads: Sequence[PcrHead], calibration: Calibration) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(heads)
        lines = [calibration.joint, calibration.imaging, calibration.clinical]
        self.register_buffer("lines", torch.tensor([_pair(line) for line in lines]))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor, clinical: Tensor, clinical_missing: Tensor) -> EnsembleOutput:
        """Predict normalised crops [N, 3, S, H, W] with encoded values and missing flags [N, K]; NaN is missing."""
        cells = self.backbone(torch.nan_to_num(image))
        outputs = [cast(PcrHead, head)(cells, clinical, clinical_missing) for head in self.heads]
        joint = self._calibrated(0, [output.joint for output in outputs])
        imaging = self._calibrated(1, [output.imaging for output in outputs])
        known = self._calibrated(2, [output.clinical for output in outputs])
        absent = (clinical_missing > 0.5) | torch.isnan(clinical)
        members = torch.where(absent.all(dim=1, keepdim=True), imaging, joint)
        attention = torch.stack([output.attention for output in outputs]).mean(dim=0)
        return EnsembleOutput(members.mean(dim=1), imaging.mean(dim=1), known.mean(dim=1), members, attention)

    def _calibrated(self, line: int, logits: list[Tensor]) -> Tensor:
        """Probabilities [N, M] of the members' logits, by one of the three lines."""
        slope, intercept = self.lines[line].unbind()
        return (torch.stack(logits, dim=1) * slope + intercept).sigmoid()


def _pair(line: Line) -> tuple[float, float]:
    return line.slope, line.intercept
