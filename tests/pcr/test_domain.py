"""A study that the model was not made for is refused; one at the edge is answered with a warning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_model import metadata
from tiny_mr import mr_image, study_of
from volumes import ball, grid_of, volume_of_pixels, washing_out

from pcr.clinical import ClinicalRecord
from pcr.domain import check_acquisition, check_lesion, check_patient
from pcr.lesion import Lesion, outlined
from pcr.manifest import Domain, Manifest, Range
from pcr.reasons import NotEvaluable
from pcr.volume import DceVolume

SHAPE = (12, 30, 30)
MANIFEST = Manifest.model_validate(metadata()["breast_pcr"])
DOMAIN, CROP = MANIFEST.domain, MANIFEST.crop


def volume(spacing: tuple[float, float, float] = (2.0, 1.0, 1.0), **series: Any) -> DceVolume:
    return volume_of_pixels(washing_out(ball(SHAPE, (6, 15, 15), 4)), grid_of(SHAPE, spacing), **series)


def narrowed(**ranges: tuple[float, float]) -> Domain:
    return DOMAIN.model_copy(update={name: Range(low=low, high=high) for name, (low, high) in ranges.items()})


def refusal(check: Any, *arguments: Any) -> str:
    with pytest.raises(NotEvaluable) as caught:
        check(*arguments)
    assert caught.value.code == "outside_model_domain"
    return caught.value.message


@pytest.mark.parametrize("age", [17, 91])
def test_a_patient_of_another_age_is_refused(age: float) -> None:
    assert "age is" in refusal(check_patient, study_of([mr_image()]), ClinicalRecord(age=age), DOMAIN)


@pytest.mark.parametrize("sex", ["M", "M "])
def test_a_man_is_refused(sex: str) -> None:
    assert "male" in refusal(check_patient, study_of([mr_image(PatientSex=sex)]), ClinicalRecord(), DOMAIN)


@pytest.mark.parametrize("sex", ["F", "O", "", None])
def test_everybody_else_of_an_age_that_fits_or_is_not_known_is_not(sex: str | None) -> None:
    for record in (ClinicalRecord(), ClinicalRecord(age=18), ClinicalRecord(age=90)):
        check_patient(study_of([mr_image(PatientSex=sex)]), record, DOMAIN)


@pytest.mark.parametrize(
    ("spacing", "domain", "named"),
    [
        ((2, 0.5, 1), narrowed(pixel_spacing_mm=(0.6, 1.5)), "pixel spacing is 0.5 mm"),
        ((2, 1, 1.6), narrowed(pixel_spacing_mm=(0.6, 1.5)), "pixel spacing is 1.6 mm"),
        ((5, 1, 1), narrowed(slice_spacing_mm=(1, 4)), "slice spacing is 5 mm"),
        ((2, 1, 1), narrowed(early_after_injection_s=(130, 200)), "early phase after injection is 120 s"),
        ((2, 1, 1), narrowed(late_after_injection_s=(100, 400)), "late phase after injection is 440 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_acquisition_outside_of_a_range_is_refused_with_its_figure(spacing, domain: Domain, named: str) -> None:
    assert named in refusal(check_acquisition, volume(spacing), domain, CROP)


def test_an_acquisition_as_the_model_expects_it_gives_no_warning() -> None:
    assert check_acquisition(volume(), DOMAIN, CROP) == ()


def test_a_pre_contrast_phase_long_before_the_others_is_warned_of() -> None:
    (warning,) = check_acquisition(volume(pre_gap_s=1389.0), DOMAIN, CROP)
    assert "23 minutes before" in warning


def test_an_estimated_injection_is_warned_of() -> None:
    (warning,) = check_acquisition(volume(injection_source="estimated"), DOMAIN, CROP)
    assert "30 s before" in warning


def test_phases_far_from_their_targets_are_warned_of() -> None:
    early, late = check_acquisition(volume(after_injection_s=(-100, 10, 185, 900)), DOMAIN, CROP)
    assert "early phase lies 185 s after injection, the model expects 120 s" in early
    assert "late phase lies 900 s" in late


def lesion() -> Lesion:
    return outlined(ball(SHAPE, (6, 15, 15), 4), volume(), source="kinetic", laterality="left")


def test_a_lesion_of_another_size_is_refused() -> None:
    check_lesion(lesion(), narrowed(lesion_longest_diameter_mm=(5, 20)))
    assert "longest lesion diameter" in refusal(check_lesion, lesion(), narrowed(lesion_longest_diameter_mm=(20, 100)))
    assert np.isclose(lesion().longest_diameter_mm, 16 + 4 / 3)
