"""Finds the dynamic series of the study, orders its phases and reads their pixels."""

from __future__ import annotations

from itertools import chain
from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import Case, DceCase, grow
from pcr.domain import check_acquisition
from pcr.enhancement import check_enhancement
from pcr.manifest import Manifest
from pcr.phases import select_dce
from pcr.volume import VolumeLimits, load


class SeriesSelectionOperator(StepOperator):
    """Study -> dynamic series with its volumes, inside the model's domain."""

    label = "series and phases"

    def __init__(self, fragment: Fragment, *args: Any, manifest: Manifest, limits: VolumeLimits, **kwargs: Any) -> None:
        self._manifest = manifest
        self._limits = limits
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: Case) -> DceCase:
        """Select, read, check."""
        manifest = self._manifest
        volumes = tuple(load(series, self._limits) for series in select_dce(case.study, manifest.crop))
        for volume in volumes:
            check_enhancement(volume)
        warnings = [check_acquisition(volume, manifest.domain, manifest.crop) for volume in volumes]
        return grow(case, DceCase, volumes=volumes, warnings=tuple(dict.fromkeys(chain(*warnings))))
