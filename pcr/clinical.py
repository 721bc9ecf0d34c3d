"""The clinical record of a patient: its variables and units, what may be missing, and how it enters the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pcr.manifest import ClinicalName, ClinicalVariable
from pcr.reasons import NotEvaluable, ReasonCode

MenopausalStatus = Literal["pre", "peri", "post"]

PLAUSIBLE_AGE_YEARS = (15.0, 110.0)
_MENOPAUSAL_VALUES: dict[str, float] = {"pre": 0.0, "peri": 0.5, "post": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalRecord:
    """Clinical variables of one patient before therapy; None is missing.

    Attributes:
        age: years at the time of the study.
        hr: hormone receptor status; where it is missing it follows from `er` and `pr` (positive when either is).
        source: where the values came from, for the report: a kind of source, never a path.

    Raises NotEvaluable("clinical_record_invalid") on values out of range and on contradictions.
    """

    age: float | None = None
    menopausal_status: MenopausalStatus | None = None
    hr: bool | None = None
    er: bool | None = None
    pr: bool | None = None
    her2: bool | None = None
    source: str = "none"

    def __post_init__(self) -> None:
        low, high = PLAUSIBLE_AGE_YEARS
        if self.age is not None and not low <= self.age <= high:
            raise invalid_record(f"age lies outside {low:g} to {high:g} years; check the unit and the record")
        if self.menopausal_status is not None and self.menopausal_status not in _MENOPAUSAL_VALUES:
            raise invalid_record(f"menopausal_status must be one of {', '.join(_MENOPAUSAL_VALUES)}")
        derived = receptor_status(self.er, self.pr)
        if self.hr is None:
            object.__setattr__(self, "hr", derived)
        elif derived is not None and derived != self.hr:
            raise invalid_record("hr contradicts er and pr; correct the record")

    def value(self, name: ClinicalName) -> float | None:
        """The variable as a number: years, 0 or 1 for booleans, 0, 0.5 or 1 for menopausal status; None if missing."""
        raw = getattr(self, name)
        if isinstance(raw, str):
            return _MENOPAUSAL_VALUES[raw]
        return None if raw is None else float(raw)

    def with_age(self, age: float, source: str) -> ClinicalRecord:
        """This record with an age from `source` where it has none."""
        if self.age is not None:
            return self
        joined = source if self.source == "none" else f"{self.source}, age from {source}"
        return replace(self, age=age, source=joined)


@dataclass(frozen=True, slots=True)
class EncodedClinical:
    """A record as the network reads it: `values` and `missing`, both float32 [K], and the names behind them."""

    values: npt.NDArray[np.float32]
    missing: npt.NDArray[np.float32]
    used_names: tuple[ClinicalName, ...]
    missing_names: tuple[ClinicalName, ...]


def encode(record: ClinicalRecord, variables: Sequence[ClinicalVariable]) -> EncodedClinical:
    """Encode a record for a model's variables, in their order: (value - offset) / scale, 0 where it is missing."""
    raw = [record.value(variable.name) for variable in variables]
    values = [
        0.0 if value is None else (value - variable.offset) / variable.scale
        for value, variable in zip(raw, variables, strict=True)
    ]
    return EncodedClinical(
        values=np.asarray(values, dtype=np.float32),
        missing=np.asarray([value is None for value in raw], dtype=np.float32),
        used_names=tuple(v.name for v, value in zip(variables, raw, strict=True) if value is not None),
        missing_names=tuple(v.name for v, value in zip(variables, raw, strict=True) if value is None),
    )


def receptor_status(er: bool | None, pr: bool | None) -> bool | None:
    """Hormone receptor status: positive when either is, negative when both are, else unknown."""
    if er or pr:
        return True
    return False if er is False and pr is False else None


def invalid_record(message: str) -> NotEvaluable:
    """The refusal of a record; the message names an entry and never its value."""
    return NotEvaluable(ReasonCode.CLINICAL_RECORD_INVALID, f"the clinical record is not valid: {message}")
