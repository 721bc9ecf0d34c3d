"""What a site chooses of the objects that are made beside the report, the segmentation and the overlays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Background = Literal["early", "subtraction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Which objects are made.

    Attributes:
        background: what the overlays show under outline and attention: the early phase, or early minus pre-contrast.
        parametric_map: whether the attention is written as a Parametric Map too.
        key_objects: whether a Key Object Selection points to the summary and to the lesion's largest section.
        not_evaluable_page: whether a study without a result gets a page that says so, instead of no DICOM at all.
    """

    background: Background = "early"
    parametric_map: bool = False
    key_objects: bool = True
    not_evaluable_page: bool = False
