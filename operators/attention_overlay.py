"""Draws what a radiologist looks at: the lesion, the attention and the probability on the images."""

from __future__ import annotations

from operators.step import StepOperator
from pcr.case import IllustratedCase, PredictedCase, grow
from pcr.report.overlay import draw_pages


class AttentionOverlayOperator(StepOperator):
    """Prediction -> overlay pages."""

    label = "overlay"

    def advance(self, case: PredictedCase) -> IllustratedCase:
        """Draw."""
        return grow(case, IllustratedCase, pages=draw_pages(case))
