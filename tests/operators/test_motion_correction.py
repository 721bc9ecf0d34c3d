"""What the settings make of a patient who moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from monai.deploy.core import Application

from operators.motion_correction import MotionCorrectionOperator
from pcr.case import DceCase
from pcr.clinical import ClinicalRecord
from pcr.motion import MotionSettings
from pcr.study import Study
from pcr.volume import DceVolume
from phantom import GridSpec, LesionSpec, PhantomSpec, simulate
from tests.pcr.volumes import volume_of_phantom


@pytest.fixture(scope="module")
def moved() -> DceVolume:
    lying = (0.0, 0.0, 0.0)
    spec = PhantomSpec(
        seed=7,
        grid=GridSpec().coarser(2),
        lesion=LesionSpec(side="right", diameter_mm=24),
        motion_mm=((0.0, 0.0, 6.0), *[lying] * 4),
    )
    return volume_of_phantom(simulate(spec))


def advanced(fragment: Application, volume: DceVolume, settings: MotionSettings) -> DceCase:
    volume = replace(volume, pixels=volume.pixels.copy())
    case = DceCase(study=Study("1.2", ()), clinical=ClinicalRecord(), warnings=("earlier",), volumes=(volume,))
    return MotionCorrectionOperator(fragment, name="motion", announce=print, settings=settings).advance(case)


def test_a_phase_that_moved_is_moved_back_and_the_report_says_so(fragment: Application, moved: DceVolume) -> None:
    case = advanced(fragment, moved, MotionSettings())
    assert case.volumes[0].motion.corrected
    assert not np.array_equal(case.volumes[0].pixels[0], moved.pixels[0])
    assert case.warnings[0] == "earlier"
    assert "phase 1" in case.warnings[1] and "brought together" in case.warnings[1]


def test_switched_off_it_is_measured_and_reported_and_no_pixel_changes(fragment: Application, moved: DceVolume) -> None:
    case = advanced(fragment, moved, MotionSettings(correction="off"))
    assert case.volumes[0].motion.max_mm == pytest.approx(6, abs=1)
    assert np.array_equal(case.volumes[0].pixels, moved.pixels)
    assert "can be wrong" in case.warnings[1]


def test_below_the_limit_nothing_is_said(fragment: Application, moved: DceVolume) -> None:
    assert advanced(fragment, moved, MotionSettings(warn_mm=20)).warnings == ("earlier",)
