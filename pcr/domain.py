"""Whether a study is one for this model: its acquisition, its patient and its lesion against the declared ranges."""

from __future__ import annotations

from pcr.clinical import ClinicalRecord
from pcr.lesion import Lesion
from pcr.manifest import CropSpec, Domain, Range
from pcr.phases import FIRST_PHASE_AFTER_INJECTION_S, DceSeries
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Study
from pcr.volume import DceVolume

# Beyond these, the answer stands but the report says so.
PRE_GAP_WARNING_S = 600.0
TARGET_DEVIATION_WARNING = 0.5


def check_patient(study: Study, record: ClinicalRecord, domain: Domain) -> None:
    """Refuse a patient whom the model was not made for.

    Raises NotEvaluable("outside_model_domain").
    """
    if str(study.header.get("PatientSex") or "").strip().upper() == "M":
        raise _outside("the patient is male; the model was trained on women")
    if record.age is not None:
        _check("age", "years", record.age, domain.age_years)


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
    return _timing_warnings(series, crop)


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
    for role, target in (("early", crop.early_target_s), ("late", crop.late_target_s)):
        found = series.phase(role).after_injection_s  # type: ignore[arg-type]
        if abs(found - target) > TARGET_DEVIATION_WARNING * target:
            warnings.append(f"the {role} phase lies {found:.0f} s after injection, the model expects {target:.0f} s")
    return tuple(warnings)


def _check(what: str, unit: str, value: float, allowed: Range) -> None:
    if not allowed.holds(value):
        raise _outside(
            f"{what} is {value:.4g} {unit}, the model was made for {allowed.low:g} to {allowed.high:g} {unit}"
        )


def _outside(message: str) -> NotEvaluable:
    return NotEvaluable(ReasonCode.OUTSIDE_MODEL_DOMAIN, message)
