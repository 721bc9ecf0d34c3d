"""Measures the motion between the phases, and moves phases back."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import DceCase, grow
from pcr.motion import MotionSettings, motion_warnings
from pcr.motion_correction import correct_motion
from pcr.motion_measurement import measure_motion
from pcr.volume import DceVolume


class MotionCorrectionOperator(StepOperator):
    """Dynamic series -> the same with its motion, corrected where the settings allow it."""

    label = "motion"

    def __init__(self, fragment: Fragment, *args: Any, settings: MotionSettings, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: DceCase) -> DceCase:
        """Measure, correct, warn."""
        volumes = tuple(self._judged(volume) for volume in case.volumes)
        warnings = [motion_warnings(volume.motion, self._settings.warn_mm) for volume in volumes if volume.motion]
        return grow(case, DceCase, volumes=volumes, warnings=tuple(dict.fromkeys(chain(*warnings))))

    def _judged(self, volume: DceVolume) -> DceVolume:
        motion = measure_motion(volume)
        return replace(volume, motion=motion) if self._settings.correction == "off" else correct_motion(volume, motion)
