"""Reports of the case as files, and changes to their content: what the tests of the reader share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.case import PredictedCase
from pcr.report import codes as concepts
from pcr.report.attribution import attribute_case
from pcr.report.predecessors import follow_earlier_reports
from pcr.report.provenance import Provenance
from pcr.report.seg import make_segmentation
from pcr.report.sr import make_report

# What is said of the probability, as numbers and in codes.
PREDICTION = (
    concepts.PROBABILITY,
    concepts.PROBABILITY_LOW,
    concepts.PROBABILITY_HIGH,
    concepts.THRESHOLD,
    concepts.PROBABILITY_IMAGING,
    concepts.PROBABILITY_CLINICAL,
    concepts.ATTENTION_INSIDE,
    concepts.AGAINST_THRESHOLD,
)


def written(case: PredictedCase, made: Provenance, path: Path) -> Path:
    """The report of a case as a file."""
    attribution = attribute_case(case, made)
    report = make_report(case, make_segmentation(case, attribution), attribution)
    follow_earlier_reports(report, case.study)
    report.save_as(path, enforce_file_format=True)
    return path


def name_of(item: Dataset) -> Code:
    """The concept name of a content item."""
    code = item.ConceptNameCodeSequence[0]
    return Code(code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning)


def group_of(report: Dataset) -> Dataset:
    """The measurement group."""
    (group,) = report.ContentSequence[-1].ContentSequence
    return group


def phase_groups_of(report: Dataset) -> Sequence[Dataset]:
    """The groups of the image library, one a phase."""
    (library,) = (item for item in report.ContentSequence if name_of(item) == codes.DCM.ImageLibrary)
    groups: Sequence[Dataset] = library.ContentSequence
    return groups


def item_of(parent: Dataset, name: Code) -> Dataset:
    """The one item of this name."""
    (found,) = (item for item in parent.ContentSequence if name_of(item) == name)
    return found


def set_number(item: Dataset, value: float) -> None:
    """Give a measurement another number."""
    measured = item.MeasuredValueSequence[0]
    measured.NumericValue = str(value)
    measured.pop("FloatingPointValue", None)


def set_code(item: Dataset, code: Code) -> None:
    """Give a coded item another answer."""
    item.ConceptCodeSequence = [CodedConcept.from_code(code)]
