"""A study that the model was not made for is refused; one at the edge is answered with a warning."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.volume import VolumeGeometry
from tiny_model import metadata
from tiny_mr import AXIAL, CORONAL, SAGITTAL, Axes, mr_image, study_of
from volumes import ball, grid_of, volume_of_pixels, washing_out

from pcr.clinical import ClinicalRecord
from pcr.domain import check_acquisition, check_lesion, check_patient, check_statements
from pcr.lesion import Lesion, outlined
from pcr.manifest import Domain, Manifest, Range, read_metadata
from pcr.reasons import NotEvaluable
from pcr.volume import DceVolume

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (12, 30, 30)
MANIFEST = Manifest.model_validate(metadata()["breast_pcr"])
DOMAIN, CROP = MANIFEST.domain, MANIFEST.crop


def volume(spacing: tuple[float, float, float] = (2.0, 1.0, 1.0), **series: Any) -> DceVolume:
    return volume_of_pixels(washing_out(ball(SHAPE, (6, 15, 15), 4)), grid_of(SHAPE, spacing), **series)


def tilted(degrees: float) -> Axes:
    """Axial images turned about the axis from right to left."""
    angle = math.radians(degrees)
    return (1.0, 0.0, 0.0), (0.0, math.cos(angle), math.sin(angle))


def in_plane(axes: Axes) -> DceVolume:
    """A volume whose rows and columns run along these axes."""
    affine = np.eye(4)
    along_row, along_column = np.array(axes)
    affine[:3, :3] = np.column_stack([np.cross(along_column, along_row), along_column, along_row])
    found = volume((1.0, 1.0, 1.0))
    return replace(found, geometry=VolumeGeometry(affine, SHAPE, "PATIENT", frame_of_reference_uid="1.2.3.99"))


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


def test_a_pre_contrast_phase_of_another_hour_is_refused() -> None:
    assert "61 minutes after" in refusal(check_acquisition, volume(pre_gap_s=3660.0), DOMAIN, CROP)


@pytest.mark.parametrize(
    ("axes", "warned"),
    [
        (AXIAL, []),
        (tilted(15), []),
        (tilted(25), ["the images are tilted by 25 degrees; the model was trained on straight ones"]),
        (SAGITTAL, ["the images are sagittal; the model was trained on axial ones"]),
        (CORONAL, ["the images are coronal; the model was trained on axial ones"]),
    ],
    ids=["axial", "tilted by 15", "tilted by 25", "sagittal", "coronal"],
)
def test_planes_that_the_model_was_not_trained_on_are_warned_of(axes: Axes, warned: list[str]) -> None:
    assert list(check_acquisition(in_plane(axes), DOMAIN, CROP)) == warned


@pytest.mark.parametrize(("vendor", "warnings"), [("SIEMENS", 1), ("", 1), ("GE MEDICAL SYSTEMS", 0)])
def test_times_of_reconstruction_are_warned_of(vendor: str, warnings: int) -> None:
    found = volume(Manufacturer=vendor)
    timed = replace(found, series=replace(found.series, time_field="ContentTime"))
    assert ["ContentTime" in w for w in check_acquisition(timed, DOMAIN, CROP)] == [True] * warnings


def test_a_resampled_phase_is_warned_of_by_its_role() -> None:
    (warning,) = check_acquisition(replace(volume(), resampled=(0, 1)), DOMAIN, CROP)
    assert warning.startswith("the pre phase was taken on another grid")


def test_a_study_after_therapy_and_one_with_an_implant_are_refused_with_the_words_that_say_so() -> None:
    after = study_of([mr_image(StudyDescription="MRI BREAST POST NAC")])
    assert "StudyDescription says 'post nac'" in refusal(check_statements, after)
    assert "BreastImplantPresent" in refusal(check_statements, study_of([mr_image(BreastImplantPresent="YES")]))


def test_hints_at_an_implant_and_at_therapy_are_one_warning_each() -> None:
    study = study_of([mr_image(StudyDescription="implants, implants, NAC response", PatientComments="after chemo")])
    implant, therapy = check_statements(study)
    assert "may mean a breast implant" in implant and "may mean a time during or after therapy" in therapy
    assert check_statements(study_of([mr_image()])) == ()


def test_the_page_on_the_domain_states_the_ranges_of_the_shipped_model() -> None:
    page = (ROOT / "docs/domain.md").read_text()
    ranges = read_metadata(ROOT / "models/pcr").manifest.domain
    for name in Domain.model_fields:
        allowed = getattr(ranges, name)
        assert f"{allowed.low:g} to {allowed.high:g}" in page, name


def lesion() -> Lesion:
    return outlined(ball(SHAPE, (6, 15, 15), 4), volume(), source="kinetic", laterality="left")


def test_a_lesion_of_another_size_is_refused() -> None:
    check_lesion(lesion(), narrowed(lesion_longest_diameter_mm=(5, 20)))
    assert "longest lesion diameter" in refusal(check_lesion, lesion(), narrowed(lesion_longest_diameter_mm=(20, 100)))
    assert np.isclose(lesion().longest_diameter_mm, 18)
