"""The facts of a result that have to be the same wherever the program runs, and what differs between two of them."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import BaseModel, ConfigDict

from pcr.report.result import StudyResult

# What another processor or a GPU rounds otherwise; anything beyond is another program.
PROBABILITY_TOLERANCE = 1e-3
CENTROID_TOLERANCE_MM = 1.0
VOLUME_TOLERANCE_FRACTION = 0.05


class Facts(BaseModel):
    """Of a completed result; `phases` are roles with seconds after the first, `objects` counts DICOM files by kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: str
    probability: float
    centroid_lps_mm: tuple[float, float, float]
    volume_ml: float
    phases: tuple[tuple[str, float], ...]
    objects: dict[str, int]


def facts(result: StudyResult) -> Facts:
    """The facts of a completed result.

    Raises:
        ValueError: the study was not completed.
    """
    if result.prediction is None or result.lesion is None:
        raise ValueError(result.reason.message if result.reason else "the study was not completed")
    return Facts(
        model_sha256=result.model.sha256,
        probability=result.prediction.probability,
        centroid_lps_mm=result.lesion.centroid_lps_mm,
        volume_ml=result.lesion.volume_ml,
        phases=tuple((phase.role, phase.time_s) for phase in result.phases),
        objects=dict(sorted(Counter(path.split("/")[0] for path in result.outputs).items())),
    )


def differences(result: StudyResult, expected: Facts) -> tuple[str, ...]:
    """What of a result is not as expected, a phrase each; the model first, since another one explains the rest."""
    try:
        found = facts(result)
    except ValueError as error:
        return (f"no result ({error})",)
    checks = (
        (
            found.model_sha256 == expected.model_sha256,
            f"the model is {found.model_sha256[:12]}, the stored result is of {expected.model_sha256[:12]}",
        ),
        (
            abs(found.probability - expected.probability) <= PROBABILITY_TOLERANCE,
            f"the probability is {found.probability:.4f}, not {expected.probability:.4f}",
        ),
        (
            math.dist(found.centroid_lps_mm, expected.centroid_lps_mm) <= CENTROID_TOLERANCE_MM,
            f"the lesion lies at {_point(found.centroid_lps_mm)} mm, not at {_point(expected.centroid_lps_mm)}",
        ),
        (
            math.isclose(found.volume_ml, expected.volume_ml, rel_tol=VOLUME_TOLERANCE_FRACTION),
            f"the lesion has {found.volume_ml:.2f} ml, not {expected.volume_ml:.2f}",
        ),
        (found.phases == expected.phases, f"the phases are {found.phases}, not {expected.phases}"),
        (found.objects == expected.objects, f"the files are {found.objects}, not {expected.objects}"),
    )
    return tuple(phrase for passed, phrase in checks if not passed)


def _point(values: tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
