"""Whether a study is one for this model: its acquisition, its patient and its lesion against the declared ranges."""

from __future__ import annotations

import math

import numpy as np

from pcr.clinical import ClinicalRecord
from pcr.contrast import FIRST_PHASE_AFTER_INJECTION_S
from pcr.image_times import vendor_of
from pcr.lesion import Lesion
from pcr.manifest import CropSpec, Domain, Range
from pcr.phases import DceSeries
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.statements import Statement, implant_statements, therapy_statements
from pcr.study import Study
from pcr.volume import DceVolume

# Beyond these, the answer stands but the report says so.
PRE_GAP_WARNING_S = 600.0
TARGET_DEVIATION_WARNING = 0.5
TILT_WARNING_DEG = 20.0
# Longer than any dynamic examination: the patient has been off the table in between.
PRE_GAP_LIMIT_S = 3600.0

_PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient that their normal is nearest to


def check_patient(study: Study, record: ClinicalRecord, domain: Domain) -> None:
    """Refuse a patient whom the model was not made for.

    Raises NotEvaluable("outside_model_domain").
    """
    if any(str(series.header.get("PatientSex") or "").strip().upper() == "M" for series in study.series):
        raise _outside("the patient is male; the model was trained on women")
    if record.age is not None:
        _check("age", "years", record.age, domain.age_years)


def check_statements(study: Study) -> tuple[str, ...]:
    """Refuse a study that says for certain that there is an implant or that therapy has begun; warn of hints at it.

    Raises NotEvaluable("outside_model_domain").
    """
    return (
        *_judged(implant_statements(study), "a breast implant", "the model was trained without implants"),
        *_judged(therapy_statements(study), "a time during or after therapy", "the model reads the study before it"),
    )


def check_acquisition(volume: DceVolume, domain: Domain, crop: CropSpec) -> tuple[str, ...]:
    """Refuse an acquisition outside of the ranges; warn of one far from what the model was trained on.

    Raises NotEvaluable("outside_model_domain").
    """
    geometry, series = volume.geometry, volume.series
    for spacing in geometry.pixel_spacing:
        _check("pixel spacing", "mm", spacing, domain.pixel_spacing_mm)
    _check("slice spacing", "mm", geometry.spacing_between_slices, domain.slice_spacing_mm)
    times = {role: series.phase(role).after_injection_s for role in ("early", "late")}
    _check("early phase after injection", "s", times["early"], domain.early_after_injection_s)
    _check("late phase after injection", "s", times["late"], domain.late_after_injection_s)
    if series.pre_gap_s > PRE_GAP_LIMIT_S:
        raise _outside(
            f"the first post-contrast phase began {series.pre_gap_s / 60:.0f} minutes after the pre-contrast phase, "
            f"{PRE_GAP_LIMIT_S / 60:.0f} are accepted"
        )
    return (*_timing_warnings(series, crop), *_plane_warnings(volume), *_grid_warnings(volume))


def check_lesion(lesion: Lesion, domain: Domain) -> None:
    """Refuse a lesion of a size that the model has not seen.

    Raises NotEvaluable("outside_model_domain").
    """
    _check("longest lesion diameter", "mm", lesion.longest_diameter_mm, domain.lesion_longest_diameter_mm)


def _timing_warnings(series: DceSeries, crop: CropSpec) -> tuple[str, ...]:
    warnings = []
    if series.pre_gap_s > PRE_GAP_WARNING_S:
        warnings.append(
            f"the pre-contrast phase was taken {series.pre_gap_s / 60:.0f} minutes before the first post-contrast "
            "phase; the patient may have moved"
        )
    if series.injection_source == "estimated":
        warnings.append(
            "the images give no usable time of injection; it is taken to be "
            f"{FIRST_PHASE_AFTER_INJECTION_S:.0f} s before the first post-contrast phase"
        )
    header = series.phases[0].frames[0].header
    # GE writes the phase's own time there; elsewhere it is when an image was reconstructed.
    if series.time_field == "ContentTime" and vendor_of(header) != "GE":
        warnings.append(
            "the times of the phases are those of reconstruction (ContentTime), since no time of acquisition tells "
            "the phases apart"
        )
    for role, target in (("early", crop.early_target_s), ("late", crop.late_target_s)):
        found = series.phase(role).after_injection_s  # type: ignore[arg-type]
        if abs(found - target) > TARGET_DEVIATION_WARNING * target:
            warnings.append(f"the {role} phase lies {found:.0f} s after injection, the model expects {target:.0f} s")
    return tuple(warnings)


def _plane_warnings(volume: DceVolume) -> tuple[str, ...]:
    """The shipped model was trained on axial images (I-SPY 2) and checked on sagittal ones (I-SPY 1)."""
    along = np.abs(volume.geometry.unit_vectors()[0])
    nearest = int(np.argmax(along))
    tilt_deg = math.degrees(math.acos(min(1.0, float(along[nearest]))))
    plane = _PLANES[nearest]
    warnings = []
    if plane != "axial":
        warnings.append(f"the images are {plane}; the model was trained on axial ones")
    if tilt_deg > TILT_WARNING_DEG:
        warnings.append(f"the images are tilted by {tilt_deg:.0f} degrees; the model was trained on straight ones")
    return tuple(warnings)


def _grid_warnings(volume: DceVolume) -> tuple[str, ...]:
    roles = [volume.series.phases[index].role for index in volume.resampled]
    return tuple(
        f"the {role} phase was taken on another grid and resampled onto that of the early one"
        for role in roles
        if role != "other"
    )


def _judged(statements: tuple[Statement, ...], what: str, why: str) -> tuple[str, ...]:
    """Nothing, or the warning for the first of these statements.

    Raises NotEvaluable("outside_model_domain") where it is certain.
    """
    for statement in statements[:1]:
        if statement.certain:
            raise _outside(f"{statement}, which means {what}; {why}")
        return (f"{statement}, which may mean {what}; {why}",)
    return ()


def _check(what: str, unit: str, value: float, allowed: Range) -> None:
    if not allowed.holds(value):
        raise _outside(
            f"{what} is {value:.4g} {unit}, the model was made for {allowed.low:g} to {allowed.high:g} {unit}"
        )


def _outside(message: str) -> NotEvaluable:
    return NotEvaluable(ReasonCode.OUTSIDE_MODEL_DOMAIN, message)
