"""Whatever a study says of its patient comes through unharmed, and nothing is invented."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pydicom
import pytest

from pcr.case import PredictedCase
from pcr.report.identity import best_identified, writable

NAMES = {
    "utf-8": ("ISO_IR 192", "Иванова^Мария^Петровна^^"),
    "cyrillic": ("ISO_IR 144", "Люкceмбypг"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Hanako=山田^花子=やまだ^はなこ"),
    "accents, five components": ("ISO_IR 100", "Müller-Lüdenscheidt^Zoë^D^Dr.^PhD"),
}


MakeAll = Callable[..., dict[str, list[pydicom.Dataset]]]
Objects = Callable[[PredictedCase], list[pydicom.Dataset]]


@pytest.fixture
def objects(make_all: MakeAll) -> Objects:
    """Makes every object of a case."""

    def all_objects(case: PredictedCase) -> list[pydicom.Dataset]:
        return [dataset for kind in make_all(case).values() for dataset in kind]

    return all_objects


@pytest.mark.parametrize(("charset", "name"), NAMES.values(), ids=NAMES)
def test_names_survive(
    predict: Callable[..., PredictedCase], objects: Objects, charset: str | list[str], name: str
) -> None:
    case = predict(identity={"SpecificCharacterSet": charset, "PatientName": name})
    for dataset in objects(case):
        assert str(dataset.PatientName) == name
        assert dataset.SpecificCharacterSet == charset


def test_patient_and_study_are_those_of_the_source(case: PredictedCase, objects: Objects) -> None:
    source = case.study.header
    for dataset in objects(case):
        for keyword in (
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyInstanceUID",
            "StudyDate",
            "AccessionNumber",
        ):
            assert dataset[keyword] == source[keyword]
        assert dataset.StudyDescription == source.StudyDescription


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_what_the_source_leaves_empty_stays_empty(predict: Callable[..., PredictedCase], objects: Objects) -> None:
    empty = {"PatientName": "", "PatientBirthDate": "", "StudyDate": "", "StudyTime": "", "SliceThickness": None}
    case = predict(identity={**empty, "PatientSex": "female"})
    for dataset in objects(case):
        assert [dataset[keyword].is_empty for keyword in empty if keyword != "SliceThickness"] == [True] * 4
        assert dataset.PatientSex == "female"


def test_an_attribute_that_the_source_lacks_is_there_and_empty(
    predict: Callable[..., PredictedCase], objects: Objects
) -> None:
    case = predict()
    for instance in case.volume.series.phase("early").frames:
        del instance.header.AccessionNumber
    assert {dataset["AccessionNumber"].is_empty for dataset in objects(case)} == {True}


def test_making_a_report_leaves_the_source_headers_alone(
    predict: Callable[..., PredictedCase], objects: Objects
) -> None:
    case = predict()
    before = [str(f.header) for phase in case.volume.series.phases for f in phase.frames]
    objects(case)
    assert [str(f.header) for phase in case.volume.series.phases for f in phase.frames] == before


def test_a_name_is_not_told_to_the_log(predict: Callable[..., PredictedCase], objects: Objects) -> None:
    case = predict(identity={"PatientName": "Mononym"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        objects(case)
    assert not [w for w in caught if "Mononym" in str(w.message)]


def test_text_that_the_character_set_can_not_hold_is_replaced() -> None:
    header = pydicom.Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    assert writable("Größe 3 µl", header) == "Größe 3 µl"
    assert writable("3 → 5 µm, é", header) == "3 ? 5 µm, é"
    assert writable("two\nlines\x00", header) == "two lines "
    header.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    assert writable("警告 é", header) == "警告 ?"


def test_identity_is_that_of_the_image_that_says_most_of_it(
    predict: Callable[..., PredictedCase], objects: Objects
) -> None:
    case = predict()
    for frame in case.volume.series.phase("early").frames[:3]:
        frame.header.PatientID = ""
    assert {dataset.PatientID for dataset in objects(case)} == {"T-1"}


def test_of_headers_that_say_the_same_the_first_is_taken() -> None:
    first, second = pydicom.Dataset(), pydicom.Dataset()
    first.PatientID = second.PatientID = "1"
    assert best_identified([first, second]) is first


def test_uids_of_64_characters_come_through(predict: Callable[..., PredictedCase], objects: Objects) -> None:
    longest = ("1.2.840." + "9" * 64)[:64]
    case = predict(identity={"StudyInstanceUID": longest, "FrameOfReferenceUID": longest[:-1] + "1"})
    for dataset in objects(case):
        assert dataset.StudyInstanceUID == longest
        assert len(dataset.SOPInstanceUID) <= 64
