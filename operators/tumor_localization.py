"""Finds the lesion that the probability is for."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import Fragment

from operators.step import StepOperator
from pcr.case import DceCase, LesionCase, grow
from pcr.domain import check_lesion
from pcr.localize import LocalizationSettings, locate
from pcr.manifest import Domain


class TumorLocalizationOperator(StepOperator):
    """Dynamic series -> lesion of a size that the model knows."""

    label = "lesion"

    def __init__(
        self, fragment: Fragment, *args: Any, settings: LocalizationSettings, domain: Domain, **kwargs: Any
    ) -> None:
        self._settings = settings
        self._domain = domain
        super().__init__(fragment, *args, **kwargs)

    def advance(self, case: DceCase) -> LesionCase:
        """Locate and check."""
        found = locate(case.study, case.volumes, self._settings)
        check_lesion(found.lesion, self._domain)
        return grow(case, LesionCase, volume=found.volume, lesion=found.lesion, warnings=found.remarks)
