"""The record of one study on its way through the program; each step gives back the next, fuller kind of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from pcr.attention import AttentionMap
from pcr.clinical import ClinicalRecord, EncodedClinical
from pcr.lesion import Lesion
from pcr.model import Prediction
from pcr.page import OverlayPage
from pcr.study import Study
from pcr.volume import DceVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A study of one patient and her clinical record.

    Attributes:
        warnings: sentences for the report, in the order in which they arose.
        timings_s: wall seconds by step.
    """

    study: Study
    clinical: ClinicalRecord
    warnings: tuple[str, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DceCase(Case):
    """A case whose dynamic series is found and read."""

    volume: DceVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionCase(DceCase):
    """A case whose lesion is outlined."""

    lesion: Lesion


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCase(LesionCase):
    """A case with its prediction and with the attention behind it."""

    encoded: EncodedClinical
    prediction: Prediction
    attention: AttentionMap


@dataclass(frozen=True, slots=True, kw_only=True)
class IllustratedCase(PredictedCase):
    """A case whose overlay pages are drawn."""

    pages: tuple[OverlayPage, ...]


_Next = TypeVar("_Next", bound=Case)


def grow(case: Case, kind: type[_Next], *, warnings: tuple[str, ...] = (), **found: Any) -> _Next:
    """The next kind of a case: everything it had, what was `found`, and further warnings."""
    had = {f.name: getattr(case, f.name) for f in fields(case)}
    return kind(**{**had, **found, "warnings": case.warnings + warnings})
