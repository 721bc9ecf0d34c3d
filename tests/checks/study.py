"""A study and the results that the program wrote for it, read back from disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

REPORT, SEGMENTATION, SUMMARY, OVERLAY, ATTENTION, KEY_OBJECTS, NOT_EVALUABLE = range(9001, 9008)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOnDisk:
    """One study with its results.

    Attributes:
        sources: headers of its instances by SOPInstanceUID; `filename` says where they lie.
        results: the DICOM objects made for it, with pixels.
        facts: its result.json.
        folder: where the results lie.
    """

    sources: Mapping[str, pydicom.FileDataset]
    results: tuple[pydicom.FileDataset, ...]
    facts: Mapping[str, Any]
    folder: Path

    def of_series(self, number: int) -> list[pydicom.FileDataset]:
        """The results in the series of this number, by InstanceNumber."""
        return sorted((r for r in self.results if r.SeriesNumber == number), key=lambda made: int(made.InstanceNumber))

    def only(self, number: int) -> pydicom.FileDataset:
        """The one object of the series of this number.

        Raises ValueError where there is none or more than one.
        """
        (made,) = self.of_series(number)
        return made

    @property
    def is_completed(self) -> bool:
        """Whether the study has its probability."""
        return bool(self.facts["status"] == "completed")


def read_study_on_disk(sources: Iterable[Path], folder: Path) -> StudyOnDisk:
    """Read the results in `folder` and, of the files in `sources`, the headers of the same study."""
    facts = json.loads((folder / "result.json").read_text("utf-8"))
    headers = (_header(path) for path in sources)
    return StudyOnDisk(
        sources={
            str(header.SOPInstanceUID): header
            for header in headers
            if header is not None and header.StudyInstanceUID == facts["study_instance_uid"]
        },
        results=tuple(pydicom.dcmread(path) for path in sorted(folder.glob("*/*.dcm"))),
        facts=facts,
        folder=folder,
    )


def _header(path: Path) -> pydicom.FileDataset | None:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        return None


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """All elements of a data set and of all items in it."""
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def items(dataset: Dataset) -> Iterator[Dataset]:
    """All items of all sequences in a data set, at any depth."""
    for element in elements(dataset):
        if element.VR == "SQ":
            yield from element.value


def references(dataset: Dataset) -> Iterator[Dataset]:
    """All items that refer to an instance."""
    return (item for item in items(dataset) if "ReferencedSOPInstanceUID" in item)
