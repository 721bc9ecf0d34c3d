"""What the model is given of a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from monai.deploy.core import Application
from scipy.special import logit

from operators.pcr_inference import PcrInferenceOperator
from pcr.case import LesionCase
from pcr.clinical import ClinicalRecord
from pcr.lesion import outlined
from pcr.model import load_model
from pcr.study import Study
from tests.pcr.tiny_model import write_model
from tests.pcr.volumes import grid_of, volume_of_pixels, washing_out


def test_the_model_is_given_the_size_of_the_outline_in_mm(fragment: Application, tmp_path: Path) -> None:
    mask = np.zeros((8, 40, 40), dtype=bool)
    mask[2:6, 10:18, 10:18] = True
    volume = volume_of_pixels(washing_out(mask), grid_of(mask.shape, spacing_mm=(4, 2, 1)))
    lesion = outlined(mask, volume, source="kinetic", laterality="left")
    case = LesionCase(study=Study("1.2", ()), clinical=ClinicalRecord(), volume=volume, lesion=lesion)
    model = load_model(write_model(tmp_path), "cpu")
    operator = PcrInferenceOperator(fragment, name="inference", announce=print, model=model)
    found = operator.advance(case).prediction
    size = logit(found.probability) - logit(found.imaging_probability)
    assert size == pytest.approx(np.log2(16 * 16 * 8) / 3 - 5, abs=1e-4)
