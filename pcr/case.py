"""The record of one study on its way through the program; each step gives back the next, fuller kind of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from pcr.attention import AttentionMap
from pcr.clinical import ClinicalRecord, EncodedClinical
from pcr.lesion import Lesion
from pcr.model import Prediction
from pcr.page import Illustrations
from pcr.study import Study
from pcr.volume import DceVolume, PlacedSeries


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
    """A case whose dynamic series is found and read: one volume, or one of each breast where they were taken apart."""

    volumes: tuple[DceVolume, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionCase(Case):
    """A case whose lesion is outlined, with the volume that holds it."""

    volume: DceVolume
    lesion: Lesion


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCase(Case):
    """What a report is made from: where the lesion lies, what the model says of it, and with which attention."""

    volume: PlacedSeries
    lesion: Lesion
    encoded: EncodedClinical
    prediction: Prediction
    attention: AttentionMap


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCase(ReportedCase):
    """A case with its prediction that still has its pixels, to be drawn."""

    volume: DceVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class IllustratedCase(ReportedCase):
    """A case whose pictures are drawn; its pixels are gone."""

    illustrations: Illustrations


_Next = TypeVar("_Next", bound=Case)


def grow(case: Case, kind: type[_Next], *, warnings: tuple[str, ...] = (), **found: Any) -> _Next:
    """The next kind of a case: what it had and the next one needs, what was `found`, and further warnings."""
    wanted = {f.name for f in fields(kind)}
    had = {f.name: getattr(case, f.name) for f in fields(case) if f.name in wanted}
    return kind(**{**had, **found, "warnings": case.warnings + warnings})
