"""The series that results go to: their fixed numbers, descriptions and folders, documented in docs/conformance.md."""

from __future__ import annotations

from dataclasses import dataclass

_NOTICE = "AI generated, not for clinical use"


@dataclass(frozen=True, slots=True)
class ResultSeries:
    """A series of ours, one in each study.

    Attributes:
        number: SeriesNumber.
        name: what it holds, in words of its SeriesDescription.
        kind: the folder of its files, and its object in short.
    """

    number: int
    name: str
    kind: str

    @property
    def description(self) -> str:
        """SeriesDescription: what the series holds, and that it is for research."""
        return f"{self.name} ({_NOTICE})"


REPORT = ResultSeries(9001, "pCR report", "SR")
SEGMENTATION = ResultSeries(9002, "Lesion outline", "SEG")
SUMMARY = ResultSeries(9003, "pCR summary", "SC")
OVERLAY = ResultSeries(9004, "pCR overlay", "SC")
ATTENTION = ResultSeries(9005, "pCR attention map", "PM")
KEY_OBJECTS = ResultSeries(9006, "pCR key images", "KO")
NOT_EVALUABLE = ResultSeries(9007, "pCR not evaluable", "SC")

ALL_SERIES = (REPORT, SEGMENTATION, SUMMARY, OVERLAY, ATTENTION, KEY_OBJECTS, NOT_EVALUABLE)
