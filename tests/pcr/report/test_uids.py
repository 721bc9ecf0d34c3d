"""The same job gives the same instances, and any other job gives others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from pcr.case import PredictedCase, grow
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.report.objects import make_refusal_objects
from pcr.report.provenance import Provenance
from pcr.report.settings import ReportSettings
from pcr.study import Instance, Series

MakeAll = Callable[..., dict[str, list[Dataset]]]
# The moment at which an object was made is all that may differ between two of the same job.
MOMENTS = {
    "InstanceCreationDate",
    "InstanceCreationTime",
    "ContentDate",
    "ContentTime",
    "DateOfSecondaryCapture",
    "TimeOfSecondaryCapture",
    "ContributionDateTime",
}
# UIDs that are not an instance's: what it is of, what it is written in, and the device that made it, which is one
# device for all studies.
SHARED = {"SOPClassUID", "ReferencedSOPClassUID", "CodingSchemeUID", "UID"}


def without_moments(dataset: Dataset) -> Dataset:
    """A data set as it would be, made at no time."""
    for element in list(dataset):
        if element.keyword in MOMENTS:
            del dataset[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                without_moments(item)
    return dataset


def uids(dataset: Dataset) -> set[str]:
    """All UIDs of a data set but the shared ones."""
    found = {str(e.value) for e in dataset.iterall() if e.VR == "UI" and e.keyword not in SHARED and not e.is_empty}
    tracking = {
        str(item.UID)
        for item in _items(dataset)
        if item.get("ValueType") == "UIDREF" and item.ConceptNameCodeSequence[0].CodeValue == "112040"
    }
    return found | tracking


def _items(dataset: Dataset) -> list[Dataset]:
    below = [item for element in dataset if element.VR == "SQ" for item in element.value]
    return below + [inner for item in below for inner in _items(item)]


def test_two_runs_of_one_job_give_the_same_objects_but_for_their_moment(
    case: PredictedCase, made: Provenance, make_all: MakeAll
) -> None:
    later = replace(made, made_at=datetime(2027, 5, 6, 7, 8, 9))
    first, second = make_all(case), make_all(case, later)
    assert first.keys() == second.keys()
    for kind in first:
        for one, other in zip(first[kind], second[kind], strict=True):
            assert without_moments(one) == without_moments(other), kind


def test_two_studies_have_no_uid_in_common(predict: Callable[..., PredictedCase], make_all: MakeAll) -> None:
    one, other = (
        {uid for kind in make_all(predict()).values() for dataset in kind for uid in uids(dataset)} for _ in range(2)
    )
    assert len(one) > 20
    assert one & other == set()


@pytest.mark.parametrize(
    "change",
    [
        {"software_version": "0.1.1"},
        {"model_version": "0.1.1"},
        {"model_sha256": "1" * 64},
        {"configuration_sha256": "1" * 64},
        {"provider": "CUDAExecutionProvider"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_model_or_setting_gives_other_instances(
    case: PredictedCase, made: Provenance, make_all: MakeAll, change: dict[str, str]
) -> None:
    assert instances(make_all(case)) & instances(make_all(case, replace(made, **change))) == set()


def test_another_record_gives_other_instances(case: PredictedCase, make_all: MakeAll) -> None:
    other = grow(case, PredictedCase, clinical=replace(case.clinical, menopausal_status="post"))
    assert instances(make_all(case)) & instances(make_all(other)) == set()


def _rename(dataset: Dataset) -> None:
    dataset.PatientName = "Corrected^Name"


def _describe(dataset: Dataset) -> None:
    dataset.StudyDescription = "Another"


def _move(dataset: Dataset) -> None:
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y, z + 5]


def _rescale(dataset: Dataset) -> None:
    dataset.PixelSpacing = [1.6, 1.1]


def _place_elsewhere(dataset: Dataset) -> None:
    dataset.FrameOfReferenceUID = "1.2.3.4"


def _renumber(dataset: Dataset) -> None:
    dataset.SeriesNumber = 77


def _brighten(dataset: Dataset) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[40:, :10] += 50  # far from the lesion
    dataset.PixelData = pixels.tobytes()


@pytest.mark.parametrize("change", [_rename, _describe, _move, _rescale, _place_elsewhere, _renumber, _brighten])
def test_any_change_of_the_images_gives_other_instances(
    written_study: Path, make_drawn: MakeAll, change: Callable[[Dataset], None]
) -> None:
    before = make_drawn(written_study)
    for path in written_study.iterdir():
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
    assert instances(before) & instances(make_drawn(written_study)) == set()


def instances(objects: Mapping[str, Sequence[Dataset]]) -> set[str]:
    """The SOPInstanceUIDs of objects."""
    return {dataset.SOPInstanceUID for kind in objects.values() for dataset in kind}


PAGE = ReportSettings(not_evaluable_page=True)


def test_a_refusal_for_another_reason_is_another_page_and_for_the_same_the_same(
    case: PredictedCase, made: Provenance
) -> None:
    one, again, other = (
        instances(make_refusal_objects(case.study, NotEvaluable(ReasonCode.NO_LESION_FOUND, text), PAGE, made))
        for text in ("a", "a", "b")
    )
    assert one == again
    assert one & other == set()


def test_an_earlier_page_of_ours_does_not_decide_whose_study_it_is(case: PredictedCase, made: Provenance) -> None:
    refusal = NotEvaluable(ReasonCode.NO_LESION_FOUND, "a")
    ((page,),) = make_refusal_objects(case.study, refusal, PAGE, made).values()
    page = deepcopy(page)  # elements are shared with the source
    page.PatientName = "Wrong^Name"
    stored = Series(page.SeriesInstanceUID, (Instance(Path("page"), page),))
    with_page = replace(case.study, series=(stored, *case.study.series))
    ((again,),) = make_refusal_objects(with_page, refusal, PAGE, made).values()
    assert again.PatientName == case.study.header.PatientName
