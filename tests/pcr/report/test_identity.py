"""Whatever a study says of its patient comes through unharmed, and nothing is invented."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pydicom
import pytest

from pcr.case import PredictedCase
from pcr.page import OverlayPage
from pcr.report.identity import writable
from pcr.report.provenance import Provenance
from pcr.report.secondary_capture import make_secondary_captures
from pcr.report.seg import make_segmentation
from pcr.report.sr import make_report

NAMES = {
    "utf-8": ("ISO_IR 192", "Иванова^Мария^Петровна^^"),
    "cyrillic": ("ISO_IR 144", "Люкceмбypг"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Hanako=山田^花子=やまだ^はなこ"),
    "accents, five components": ("ISO_IR 100", "Müller-Lüdenscheidt^Zoë^D^Dr.^PhD"),
}


def objects(case: PredictedCase, made: Provenance) -> list[pydicom.Dataset]:
    """Report, segmentation and a page, as they are read back from their files."""
    segmentation = make_segmentation(case, made)
    page = OverlayPage(pixels=np.zeros((8, 8, 3), dtype=np.uint8), slice_index=0)
    datasets = [make_report(case, segmentation, made), segmentation, *make_secondary_captures(case, [page], made)]
    read = []
    for dataset in datasets:
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        file.seek(0)
        read.append(pydicom.dcmread(file))
    return read


@pytest.mark.parametrize(("charset", "name"), NAMES.values(), ids=NAMES)
def test_names_survive(
    predict: Callable[..., PredictedCase], made: Provenance, charset: str | list[str], name: str
) -> None:
    case = predict(identity={"SpecificCharacterSet": charset, "PatientName": name})
    for dataset in objects(case, made):
        assert str(dataset.PatientName) == name
        assert dataset.SpecificCharacterSet == charset


def test_patient_and_study_are_those_of_the_source(case: PredictedCase, made: Provenance) -> None:
    source = case.study.header
    for dataset in objects(case, made):
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
def test_what_the_source_leaves_empty_stays_empty(predict: Callable[..., PredictedCase], made: Provenance) -> None:
    empty = {"PatientName": "", "PatientBirthDate": "", "StudyDate": "", "StudyTime": "", "SliceThickness": None}
    case = predict(identity={**empty, "PatientSex": "female"})
    for dataset in objects(case, made):
        assert [dataset[keyword].is_empty for keyword in empty if keyword != "SliceThickness"] == [True] * 4
        assert dataset.PatientSex == "female"


def test_an_attribute_that_the_source_lacks_is_there_and_empty(
    predict: Callable[..., PredictedCase], made: Provenance
) -> None:
    case = predict()
    for instance in case.volume.series.phase("early").frames:
        del instance.header.AccessionNumber
    assert [dataset["AccessionNumber"].is_empty for dataset in objects(case, made)] == [True] * 3


def test_making_a_report_leaves_the_source_headers_alone(
    predict: Callable[..., PredictedCase], made: Provenance
) -> None:
    case = predict()
    before = [str(f.header) for phase in case.volume.series.phases for f in phase.frames]
    objects(case, made)
    assert [str(f.header) for phase in case.volume.series.phases for f in phase.frames] == before


def test_a_name_is_not_told_to_the_log(predict: Callable[..., PredictedCase], made: Provenance) -> None:
    case = predict(identity={"PatientName": "Mononym"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        objects(case, made)
    assert not [w for w in caught if "Mononym" in str(w.message)]


def test_text_that_the_character_set_can_not_hold_is_replaced() -> None:
    header = pydicom.Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    assert writable("Größe 3 µl", header) == "Größe 3 µl"
    assert writable("3 → 5", header) == "3 ? 5"
