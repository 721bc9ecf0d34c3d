"""Draws what a radiologist looks at: the lesion, the attention and the probability on the images."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import IllustratedCase, PredictedCase, grow
from pcr.page import Illustrations
from pcr.report.pictures.overlay import draw_slices
from pcr.report.pictures.summary_page import draw_summary
from pcr.report.provenance import Provenance
from pcr.report.settings import ReportSettings


class AttentionOverlayOperator(StepOperator):
    """Prediction -> summary and overlay pages."""

    label = "overlay"

    def __init__(
        self, fragment: Fragment, *args: Any, settings: ReportSettings, made: Provenance, **kwargs: Any
    ) -> None:
        self._settings = settings
        self._made = made
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: PredictedCase) -> IllustratedCase:
        """Draw."""
        pictures = Illustrations(summary=draw_summary(case, self._made), slices=draw_slices(case, self._settings))
        return grow(case, IllustratedCase, volume=case.volume.without_pixels(), illustrations=pictures)
