"""Finds the dynamic series of the study, orders its phases and reads their pixels."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import Case, DceCase, grow
from pcr.domain import check_acquisition
from pcr.manifest import Manifest
from pcr.phases import select_dce
from pcr.volume import load


class SeriesSelectionOperator(StepOperator):
    """Study -> dynamic series with its volume, inside the model's domain."""

    label = "series and phases"

    def __init__(self, fragment: Fragment, *args: Any, manifest: Manifest, max_voxels: int, **kwargs: Any) -> None:
        self._manifest = manifest
        self._max_voxels = max_voxels
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: Case) -> DceCase:
        """Select, read, check."""
        volume = load(select_dce(case.study, self._manifest.crop), self._max_voxels)
        warnings = check_acquisition(volume, self._manifest.domain, self._manifest.crop)
        return grow(case, DceCase, volume=volume, warnings=warnings)
