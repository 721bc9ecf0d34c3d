"""Phase times for the model folder: the settings' targets, and the range of the cohort, widened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pcr.clinical import ClinicalRecord
from pcr.manifest import Range
from training.cohorts import CohortError, Patient, Timing
from training.config import TimingSettings
from training.timing import phase_times

SETTINGS = TimingSettings(early_s=120, late_s=440, injection_before_first_post_s=30, margin=1.5)
PATIENT = Patient(
    patient_id="P", dataset="ISPY2", site="A", pcr=True, clinical=ClinicalRecord(), imaging=None, timing=None
)


def patients(times_s: Sequence[tuple[float, float, float]]) -> list[Patient]:
    timings = [Timing(first_post_s=first, early_s=early, late_s=late) for first, early, late in times_s]
    return [replace(PATIENT, timing=timing) for timing in timings]


def test_targets_are_those_of_the_settings() -> None:
    early, late = phase_times(patients([(100, 185, 530), (150, 240, 570)]), SETTINGS)
    assert (early.target_s, late.target_s) == (120, 440)


def test_ranges_count_from_injection_and_are_rounded_outwards() -> None:
    early, late = phase_times(patients([(100, 190, 550)]), SETTINGS)
    assert early.allowed_s == Range(low=80, high=180)
    assert late.allowed_s == Range(low=320, high=720)


def test_an_old_pre_contrast_phase_does_not_widen_the_range() -> None:
    fresh, old = patients([(100, 190, 550)]), patients([(1000, 1090, 1450)])
    assert phase_times(fresh, SETTINGS) == phase_times(old, SETTINGS)


def test_patients_of_unknown_times_do_not_count() -> None:
    known = patients([(100, 190, 550)])
    assert phase_times([*known, PATIENT], SETTINGS) == phase_times(known, SETTINGS)


def test_no_known_times_are_refused() -> None:
    with pytest.raises(CohortError, match="no acquisition times"):
        phase_times([PATIENT], SETTINGS)


def test_a_target_that_the_cohort_does_not_reach_is_refused() -> None:
    with pytest.raises(CohortError, match=r"late phases .* 220 to 220 s .* correct timing.late_s"):
        phase_times(patients([(100, 190, 290)]), SETTINGS)
