"""Runs the model on the crop around the lesion and places its attention in the patient."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.attention import place_attention
from pcr.case import LesionCase, PredictedCase, grow
from pcr.clinical import encode
from pcr.crop import extract, normalised_combs
from pcr.model import PcrModel


class PcrInferenceOperator(StepOperator):
    """Lesion -> crop -> probability and attention."""

    label = "inference"

    def __init__(self, fragment: Fragment, *args: Any, model: PcrModel, **kwargs: Any) -> None:
        self._model = model
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: LesionCase) -> PredictedCase:
        """Crop, normalise, predict."""
        manifest = self._model.manifest
        crop = extract(case.volume, case.lesion, manifest.crop)
        encoded = encode(case.clinical, manifest.clinical)
        images = normalised_combs(crop, manifest.normalisation)
        prediction = self._model.predict(images, encoded, case.lesion.box)
        attention = place_attention(prediction.attention, crop.window)
        return grow(case, PredictedCase, encoded=encoded, prediction=prediction, attention=attention)
