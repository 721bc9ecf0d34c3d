"""Draws what a radiologist looks at: the lesion, the attention and the probability on the images."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import IllustratedCase, PredictedCase, grow
from pcr.report.overlay import draw_pages
from pcr.report.provenance import Provenance


class AttentionOverlayOperator(StepOperator):
    """Prediction -> overlay pages."""

    label = "overlay"

    def __init__(self, fragment: Fragment, *args: Any, made: Provenance, **kwargs: Any) -> None:
        self._made = made
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: PredictedCase) -> IllustratedCase:
        """Draw."""
        pages = draw_pages(case, self._made)
        return grow(case, IllustratedCase, volume=case.volume.without_pixels(), pages=pages)
