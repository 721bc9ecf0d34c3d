"""The table of reason codes: exit status, one sentence, and nothing in OUT that looks like a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, HTJ2KLossless

from .conftest import MODELS, Outcome, Run, by_description, dicom_files, edit

DYNAMIC = ("ax dyn pre", "ax dyn 1st pass", "ax dyn 2nd pass", "ax dyn 3rd pass")


def _paths(folder: Path, *descriptions: str) -> list[Path]:
    found = by_description(folder)
    return [path for description in descriptions for path in found[description]]


def _delete(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def _empty(folder: Path) -> None:
    _delete(list(folder.iterdir()))


def _only_text(folder: Path) -> None:
    _empty(folder)
    (folder / "notes.txt").write_text("no images today")


def _only_ct(folder: Path) -> None:
    def to_ct(dataset: pydicom.Dataset) -> None:
        dataset.Modality, dataset.SOPClassUID = "CT", CTImageStorage
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage

    edit(dicom_files(folder), to_ct)


def _no_dynamic_series(folder: Path) -> None:
    _delete(_paths(folder, *DYNAMIC))


def _two_phases(folder: Path) -> None:
    _delete(_paths(folder, *DYNAMIC[2:]))


def _other_spacing(folder: Path) -> None:
    edit(_paths(folder, DYNAMIC[1]), lambda d: setattr(d, "PixelSpacing", [1.2, 1.2]))


def _missing_slice(folder: Path) -> None:
    paths = _paths(folder, DYNAMIC[1])
    _delete([paths[len(paths) // 2]])


def _missing_in_all(folder: Path) -> None:
    for description in DYNAMIC:
        _delete([_paths(folder, description)[9]])


def _high_throughput_jpeg(folder: Path) -> None:
    def compress(dataset: pydicom.Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
        dataset.PixelData = encapsulate([b"\xff\xd8 not decodable here \xff\xd9"])
        dataset["PixelData"].VR = "OB"

    edit(_paths(folder, *DYNAMIC), compress)


def _enhanced_in_name_only(folder: Path) -> None:
    def to_enhanced(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage

    edit(dicom_files(folder), to_enhanced)


def _without_positions(folder: Path) -> None:
    edit(_paths(folder, *DYNAMIC), lambda dataset: dataset.__delattr__("ImagePositionPatient"))


def _cut_pixels(folder: Path) -> None:
    edit(_paths(folder, DYNAMIC[2])[:1], lambda d: setattr(d, "PixelData", d.PixelData[:1000]))


def _two_patients(folder: Path) -> None:
    edit(_paths(folder, DYNAMIC[1]), lambda d: setattr(d, "PatientID", "SOMEBODY-ELSE"))


def _man(folder: Path) -> None:
    edit(dicom_files(folder), lambda d: setattr(d, "PatientSex", "M"))


def _thick_slices(folder: Path) -> None:
    def stretch(dataset: pydicom.Dataset) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z * 2]

    edit(_paths(folder, *DYNAMIC), stretch)


def _record(**fields: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "clinical.json").write_text(json.dumps({"records": [fields]}))

    return write


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("no_study", _empty),
        ("no_study", _only_text),
        ("no_study", _only_ct),
        ("no_dce_series", _no_dynamic_series),
        ("too_few_phases", _two_phases),
        ("mixed_geometry", _other_spacing),
        ("missing_slices", _missing_slice),
        ("missing_slices", _missing_in_all),
        ("unsupported_transfer_syntax", _high_throughput_jpeg),
        ("corrupt_pixels", _enhanced_in_name_only),
        ("unsupported_object", _without_positions),
        ("corrupt_pixels", _cut_pixels),
        ("mixed_patients", _two_patients),
        ("outside_model_domain", _man),
        ("outside_model_domain", _thick_slices),
        ("clinical_record_mismatch", _record(patient_id="NOBODY", age=50)),
        ("clinical_record_invalid", _record(age=550)),
        ("clinical_record_invalid", _record(hr=False, er=True)),
    ],
)
def test_a_study_that_can_not_be_answered_is_refused_with_its_code(
    code: str, spoil: Callable[[Path], None], study: Path, run: Run
) -> None:
    spoil(study)
    _assert_refused(run(study), code)


def test_a_study_without_a_lesion_is_refused(healthy_study: Path, run: Run) -> None:
    _assert_refused(run(healthy_study), "no_lesion_found")


def _assert_refused(outcome: Outcome, code: str) -> None:
    assert outcome.exit == 3
    assert outcome.complained.startswith(f"{code}: ")
    assert outcome.complained.count("\n") == 1
    assert "Traceback" not in outcome.printed + outcome.complained
    if code == "no_study":
        assert outcome.index["studies"] == [] and outcome.index["reason"]["code"] == code
    else:
        assert outcome.result["reason"]["code"] == code
        assert outcome.result["status"] == "not_evaluable"
        assert outcome.result["prediction"] is None
    assert not list(outcome.out.rglob("*.dcm"))


def test_a_study_beyond_the_limit_is_refused(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_LIMITS__MAX_VOXELS", "1000000")
    _assert_refused(run(study), "too_large")


def test_a_tampered_model_stops_the_run_before_anything_is_processed(study: Path, tmp_path: Path, run: Run) -> None:
    models = Path(shutil.copytree(MODELS, tmp_path / "models"))
    with (models / "pcr" / "models" / "model.onnx").open("ab") as network:
        network.write(b" ")
    outcome = run(study, models=models)
    assert outcome.exit == 2
    assert outcome.complained.startswith("bad_model: ") and "sha256" in outcome.complained
    assert not list(outcome.out.glob("*"))


def test_an_unknown_setting_stops_the_run(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_DEVICE", "abacus")
    outcome = run(study)
    assert outcome.exit == 2
    assert outcome.complained.startswith("bad_configuration: setting 'device'")
    assert not list(outcome.out.glob("*"))


@pytest.mark.parametrize("variable", ["BREAST_PCR_DEVICE", "BREAST_PCR_CLINICAL_FILE"])
def test_a_run_that_can_not_begin_leaves_no_index_of_an_earlier_one(
    variable: str, healthy_study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(healthy_study).exit == 3
    monkeypatch.setenv(variable, "cuda")
    outcome = run(healthy_study)
    assert outcome.exit == 2
    assert not (outcome.out / "result.json").exists()


def test_a_record_without_a_key_is_refused_beside_a_study_that_is_passed_over(
    study: Path, phantom_study: Path, run: Run
) -> None:
    (study / "clinical.json").write_text(json.dumps({"age": 50, "hr": True, "her2": False}))

    def to_ct_of_another(dataset: pydicom.Dataset) -> None:
        dataset.Modality, dataset.SOPClassUID, dataset.StudyInstanceUID = "CT", CTImageStorage, "1.2.3.4"

    shutil.copy(dicom_files(phantom_study)[0], study / "ct.dcm")
    edit([study / "ct.dcm"], to_ct_of_another)
    _assert_refused(run(study), "clinical_record_mismatch")


def test_a_record_that_is_a_broken_link_does_not_pass_for_none(study: Path, run: Run) -> None:
    (study / "clinical.json").unlink()
    (study / "clinical.json").symlink_to("gone.json")
    _assert_refused(run(study), "clinical_record_invalid")


@pytest.mark.parametrize("in_the_way", ["a file", "a link"])
def test_what_stands_where_a_result_belongs_is_replaced(
    in_the_way: str, healthy_study: Path, run: Run, tmp_path: Path
) -> None:
    uid = pydicom.dcmread(dicom_files(healthy_study)[0], stop_before_pixels=True).StudyInstanceUID
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    if in_the_way == "a file":
        (out / uid).write_text("")
    else:
        (out / uid).symlink_to(elsewhere)
    assert run(healthy_study, out).result["reason"]["code"] == "no_lesion_found"
    assert not list(elsewhere.iterdir())


def test_a_clinical_file_that_is_named_must_be_there(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_CLINICAL_FILE", str(study / "none.json"))
    outcome = run(study)
    assert outcome.exit == 2
    assert outcome.complained.startswith("bad_configuration: the clinical file")
    assert not list(outcome.out.glob("*"))


def test_cuda_that_can_not_be_had_is_an_error_and_no_silent_fallback(
    study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAST_PCR_DEVICE", "cuda")
    outcome = run(study)
    assert outcome.exit == 2
    assert outcome.complained.startswith("bad_configuration: ") and "CUDA" in outcome.complained


def test_output_inside_the_input_is_refused(study: Path, run: Run) -> None:
    outcome = run(study, study / "results")
    assert outcome.exit == 2
    assert outcome.complained.startswith("bad_configuration: ")


def test_what_should_not_happen_ends_one_study_with_one_line_and_a_log(
    study: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("operators.series_selection.select_dce", break_down)
    outcome = run(study)
    assert outcome.exit == 1
    assert outcome.complained.startswith("internal_error: ") and outcome.complained.count("\n") == 1
    assert outcome.result["status"] == "failed"
    log = Path(outcome.complained.strip().rsplit(" ", 1)[1])
    assert "ZeroDivisionError: planted" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    log.unlink()


def test_a_disk_that_takes_no_log_does_not_end_the_run(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    def break_down(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("app.log.tempfile.mkstemp", full)
    monkeypatch.setattr("operators.series_selection.select_dce", break_down)
    outcome = run(study)
    assert (outcome.exit, outcome.result["status"]) == (1, "failed")
    assert "no log could be written" in outcome.complained and "Traceback" not in outcome.complained
