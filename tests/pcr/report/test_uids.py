"""The same job gives the same instances, and any other job gives others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from pydicom.dataset import Dataset

from pcr.case import PredictedCase, grow
from pcr.clinical import ClinicalRecord
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.report.attribution import attribute_case, attribute_refusal
from pcr.report.provenance import Provenance

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
    before, after = make_all(case), make_all(case, replace(made, **change))
    instances = [{d.SOPInstanceUID for kind in objects.values() for d in kind} for objects in (before, after)]
    assert instances[0] & instances[1] == set()


def test_another_record_answer_outline_or_name_gives_other_instances(
    predict: Callable[..., PredictedCase], case: PredictedCase, made: Provenance
) -> None:
    smaller = case.lesion.mask.copy()
    smaller[tuple(np.argwhere(smaller)[0])] = False
    renamed = predict()
    before = attribute_case(renamed, made).uids
    for frame in renamed.volume.series.phase("early").frames:
        frame.header.PatientName = "Corrected^Name"
    others = [
        grow(case, PredictedCase, clinical=ClinicalRecord(age=56)),
        grow(case, PredictedCase, prediction=replace(case.prediction, probability=0.3422)),
        grow(case, PredictedCase, lesion=replace(case.lesion, mask=smaller)),
        grow(case, PredictedCase, warnings=(*case.warnings, "One more.")),
    ]
    digests = {attribute_case(other, made).uids.digest for other in (case, *others)}
    assert len(digests) == len(others) + 1
    assert attribute_case(renamed, made).uids != before


def test_a_refusal_for_another_reason_is_another_page(case: PredictedCase, made: Provenance) -> None:
    refusals = [
        NotEvaluable(code, text)
        for code, text in ((ReasonCode.NO_LESION_FOUND, "a"), (ReasonCode.NO_LESION_FOUND, "b"))
    ]
    one, other = (attribute_refusal(case.study, refusal, made).uids for refusal in refusals)
    assert one != other
    assert one == attribute_refusal(case.study, refusals[0], made).uids
