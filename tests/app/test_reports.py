"""The DICOM that comes out of whole runs: whose it is, that it comes out the same, and that it feeds nothing back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from pcr.report.result_series import NOT_EVALUABLE

from .conftest import Run, dicom_files, edit

KINDS = ("SR", "SEG", "SC", "PM", "KO")
IDENTITIES = {
    "japanese": {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "PatientName": "Yamada^Hanako=山田^花子=やまだ^はなこ",
    },
    "cyrillic": {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванова^Мария^Петровна"},
    "accents and five components": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller-Ö^Zoë^D^Dr.^PhD"},
    "no name, no dates": {"PatientName": "", "StudyDate": "", "StudyTime": "", "PatientBirthDate": ""},
    "a UID of 64 characters": {"StudyInstanceUID": ("1.2.840." + "7" * 64)[:64]},
}


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """All objects are asked for."""
    monkeypatch.setenv("BREAST_PCR_REPORT__PARAMETRIC_MAP", "true")
    monkeypatch.setenv("BREAST_PCR_REPORT__NOT_EVALUABLE_PAGE", "true")


def _set(values: dict[str, object], dataset: Dataset) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES)
def test_identities_of_all_kinds_come_through(identity: dict[str, object], study: Path, run: Run) -> None:
    (study / "clinical.json").unlink()
    edit(dicom_files(study), lambda dataset: _set(identity, dataset))
    source = pydicom.dcmread(dicom_files(study)[0], stop_before_pixels=True)
    outcome = run(study)
    assert (outcome.exit, outcome.complained) == (0, "")
    made = [dataset for kind in KINDS for dataset in outcome.objects(kind)]
    assert {d.SOPClassUID for d in made} == {outcome.objects(kind)[0].SOPClassUID for kind in KINDS}
    for dataset in made:
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "SpecificCharacterSet"):
            assert str(dataset.get(keyword, "")) == str(source.get(keyword, "")), keyword


@pytest.mark.usefixtures("everything")
def test_results_in_the_study_change_nothing_and_another_setting_names_its_predecessor(
    study: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(study, tmp_path / "first")
    shutil.copytree(first.out, study / "results of last week")
    again = run(study, tmp_path / "again")
    assert again.result["outputs"] == first.result["outputs"]
    assert again.result["prediction"] == first.result["prediction"]
    assert "PredecessorDocumentsSequence" not in again.objects("SR")[0]

    monkeypatch.setenv("BREAST_PCR_REPORT__BACKGROUND", "subtraction")
    changed = run(study, tmp_path / "changed")
    assert set(changed.result["outputs"]).isdisjoint(first.result["outputs"])
    (report,) = changed.objects("SR")
    (series,) = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.objects("SR")[0].SOPInstanceUID


@pytest.mark.usefixtures("everything")
def test_a_refused_study_gets_a_page_that_says_so(healthy_study: Path, run: Run) -> None:
    outcome = run(healthy_study)
    (page,) = outcome.objects("SC")
    source = pydicom.dcmread(dicom_files(healthy_study)[0], stop_before_pixels=True)
    assert outcome.exit == 3
    assert outcome.result["reason"]["code"] == "no_lesion_found"
    assert outcome.result["outputs"] == [f"SC/{page.SOPInstanceUID}.dcm"]
    assert (page.SeriesNumber, page.PatientID) == (NOT_EVALUABLE.number, source.PatientID)
    assert page.StudyInstanceUID == source.StudyInstanceUID


def test_without_the_setting_a_refused_study_has_no_dicom(healthy_study: Path, run: Run) -> None:
    outcome = run(healthy_study)
    assert [path.name for path in outcome.out.rglob("*") if path.is_file()].count("result.json") == 2
    assert not list(outcome.out.rglob("*.dcm"))


@pytest.mark.usefixtures("everything")
def test_a_study_of_two_patients_gets_no_page_since_it_could_reach_the_wrong_one(study: Path, run: Run) -> None:
    edit(dicom_files(study)[:1], lambda dataset: setattr(dataset, "PatientID", "SOMEBODY-ELSE"))
    outcome = run(study)
    assert outcome.result["reason"]["code"] == "mixed_patients"
    assert not list(outcome.out.rglob("*.dcm"))


@pytest.mark.usefixtures("everything")
def test_a_page_that_can_not_be_made_leaves_the_reason_in_the_result(
    healthy_study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("damaged")

    monkeypatch.setattr("pcr.report.objects.make_refusal", fail)
    outcome = run(healthy_study)
    assert (outcome.exit, outcome.result["reason"]["code"]) == (3, "no_lesion_found")
    assert outcome.result["outputs"] == []


def test_key_objects_are_left_out_where_the_settings_say_so(
    study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAST_PCR_REPORT__KEY_OBJECTS", "false")
    outcome = run(study)
    assert outcome.exit == 0
    assert not outcome.objects("KO")
