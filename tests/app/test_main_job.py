"""The main job on phantoms: what comes out, and that it comes out the same every time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from app.preview import write_pages

from .conftest import Outcome, Run, dicom_files, edit


@pytest.fixture(scope="module")
def done(phantom_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One finished run that several tests look at."""
    from app.__main__ import main

    from .conftest import MODELS

    out = tmp_path_factory.mktemp("done") / "out"
    status = main(["-i", str(phantom_study), "-o", str(out), "-m", str(MODELS)])
    return Outcome(status, out, "", "")


def test_lesion_of_the_phantom_is_found_and_measured(done: Outcome, phantom_study: Path) -> None:
    truth = json.loads((phantom_study.parent / "truth.json").read_text())["lesion"]
    lesion = done.result["lesion"]
    assert done.exit == 0
    assert np.linalg.norm(np.subtract(lesion["centroid_lps_mm"], truth["centroid_lps_mm"])) < 2
    assert lesion["volume_ml"] == pytest.approx(truth["volume_ml"], rel=0.2)
    assert (lesion["source"], lesion["laterality"]) == ("kinetic", "left")


def test_phases_are_in_order_with_distinct_roles(done: Outcome) -> None:
    phases = done.result["phases"]
    assert [phase["time_s"] for phase in phases] == [0, 129, 219, 549]
    assert [phase["role"] for phase in phases] == ["pre", "other", "early", "late"]
    rejected = {r["description"] for r in done.result["selection"]["rejected"]}
    assert {"ax t1 tse +c", "localizer"} <= rejected


def test_probability_lies_in_its_interval_and_uses_the_record(done: Outcome) -> None:
    result = done.result
    low, high = result["prediction"]["interval"]
    assert 0 < low <= result["prediction"]["probability"] <= high < 1
    assert set(result["clinical"]["used"]) == {"age", "hr", "her2"}
    assert result["prediction"]["above_threshold"] in (True, False)
    assert result["model"]["provider"] == "CPUExecutionProvider"


def test_every_output_is_listed_and_belongs_to_the_study(done: Outcome, phantom_study: Path) -> None:
    source = pydicom.dcmread(dicom_files(phantom_study)[0], stop_before_pixels=True)
    folder = done.out / done.result["study_instance_uid"]
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.dcm")}
    assert written == set(done.result["outputs"])
    assert {path.split("/")[0] for path in written} == {"SR", "SEG", "SC", "KO"}
    for path in written:
        made = pydicom.dcmread(folder / path, stop_before_pixels=True)
        assert made.StudyInstanceUID == source.StudyInstanceUID == folder.name
        assert (made.PatientID, made.PatientName) == (source.PatientID, source.PatientName)


def test_result_names_no_patient(done: Outcome, phantom_study: Path) -> None:
    source = pydicom.dcmread(dicom_files(phantom_study)[0], stop_before_pixels=True)
    text = (done.out / done.result["study_instance_uid"] / "result.json").read_text()
    for secret in (source.PatientID, str(source.PatientName), source.get("PatientBirthDate") or "no birth date"):
        assert secret not in text


def test_odd_headers_are_not_printed_on_the_console(study: Path, run: Run) -> None:
    edit(dicom_files(study)[:1], lambda d: d.add_new("IrradiationEventUID", "UI", "1.2"))
    path = dicom_files(study)[0]
    path.write_bytes(path.read_bytes().replace(b"UI\x04\x001.2\x00", b"UI\x04\x00DOE^"))
    assert run(study).complained == ""


def test_overlay_pages_become_pictures(done: Outcome, tmp_path: Path) -> None:
    pages = write_pages(done.out, tmp_path / "pictures")
    assert len(pages) == len(done.objects("SC")) > 1
    assert {path.name.rsplit("_")[1].rstrip("0123456789.png") for path in pages} == {"summary", "slice"}
    assert Image.open(pages[-1]).size == (1024, 1024)


def test_published_schema_is_that_of_the_results(done: Outcome) -> None:
    from pcr.report.result import StudyResult

    from .conftest import ROOT

    published = json.loads((ROOT / "docs" / "result.schema.json").read_text())
    assert published == StudyResult.model_json_schema()
    assert set(done.result) == set(published["properties"])


def test_the_same_input_gives_the_same_numbers(done: Outcome, phantom_study: Path, run: Run) -> None:
    def numbers(result: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in result.items() if key != "timings_s"}

    assert numbers(run(phantom_study).result) == numbers(done.result)


def test_without_a_record_the_images_answer_and_the_threshold_is_not_judged(study: Path, run: Run) -> None:
    (study / "clinical.json").unlink()
    edit(dicom_files(study), lambda d: d.__delattr__("PatientAge"))
    result = run(study).result
    assert result["clinical"]["missing"] == ["age", "hr", "her2"]
    assert result["prediction"]["above_threshold"] is None
    assert result["prediction"]["probability"] == pytest.approx(result["prediction"]["imaging_probability"], abs=0.1)


def test_a_rerun_replaces_the_earlier_result(phantom_study: Path, run: Run, tmp_path: Path) -> None:
    first = run(phantom_study, tmp_path / "twice").result
    second = run(phantom_study, tmp_path / "twice")
    assert first["outputs"] == second.result["outputs"]
    assert {path.name for path in second.out.iterdir()} == {first["study_instance_uid"], "result.json"}


def test_two_patients_in_one_folder_get_each_their_own(
    phantom_study: Path, healthy_study: Path, tmp_path: Path, run: Run
) -> None:
    both = tmp_path / "both"
    for number, source in enumerate((phantom_study, healthy_study)):
        shutil.copytree(source, both / str(number))
    (both / "0" / "clinical.json").rename(both / "clinical.json")
    outcome = run(both)
    statuses = {result["study_instance_uid"]: result["status"] for result in outcome.results}
    uids = [
        pydicom.dcmread(dicom_files(s)[0], stop_before_pixels=True).StudyInstanceUID
        for s in (phantom_study, healthy_study)
    ]
    assert statuses == {uids[0]: "completed", uids[1]: "not_evaluable"}
    assert outcome.exit == 3
    assert {d.PatientID for kind in ("SR", "SEG", "SC", "KO") for d in outcome.objects(kind)} == {
        pydicom.dcmread(dicom_files(phantom_study)[0], stop_before_pixels=True).PatientID
    }
