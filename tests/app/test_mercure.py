"""The application as a module of mercure: what mercure looks for is where it looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from app.mercure import LOG_NAME, main
from app.settings import Settings

from .conftest import MODELS, ROOT, Run, dicom_files


class Task:
    """Folders as mercure makes them: files named after series and instance, their tags beside them, task.json."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.source, self.out = folder / "in", folder / "out"
        self.source.mkdir(parents=True)
        self.out.mkdir()
        self.told = ""
        self._capfd = capfd

    def receive(self, study: Path) -> None:
        for path in dicom_files(study):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            name = f"{header.SeriesInstanceUID}#{header.SOPInstanceUID}"
            (self.source / f"{name}.dcm").hardlink_to(path)
            (self.source / f"{name}.tags").write_text(json.dumps({"Modality": header.Modality}))

    def run(self, **settings: Any) -> int:
        process = {"module_name": "breast-pcr", "settings": settings, "retain_input_images": False}
        (self.source / "task.json").write_text(json.dumps({"id": "1", "process": process}))
        status = main({"MERCURE_IN_DIR": str(self.source), "MERCURE_OUT_DIR": str(self.out),
                       "HOLOSCAN_MODEL_PATH": str(MODELS)})  # fmt: skip
        self.told = "".join(self._capfd.readouterr())
        return status

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "result.json").read_text()))

    @property
    def objects(self) -> list[pydicom.FileDataset]:
        return [pydicom.dcmread(path) for path in sorted(self.out.glob("*.dcm"))]


ReceiveTask = Callable[[Path], Task]


@pytest.fixture
def task_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> ReceiveTask:
    def received(study: Path) -> Task:
        task = Task(tmp_path / "task", capfd)
        task.receive(study)
        return task

    return received


def test_results_lie_where_mercure_takes_them_and_are_those_of_the_application(
    phantom_study: Path, task_of: ReceiveTask, run: Run
) -> None:
    task = task_of(phantom_study)
    record = json.loads((phantom_study / "clinical.json").read_text())
    assert task.run(clinical=record) == 0
    plain = run(phantom_study)
    made = {path.stem for path in plain.out.rglob("*.dcm")}
    assert {dataset.SOPInstanceUID for dataset in task.objects} == made
    names = {f"{dataset.SeriesInstanceUID}#{dataset.SOPInstanceUID}.dcm" for dataset in task.objects}
    assert {path.name for path in task.out.iterdir()} == names | {"result.json"}
    (study,) = task.result["studies"]
    assert set(study["outputs"]) == names
    assert study["prediction"] == plain.result["prediction"]


def test_the_notification_says_the_probability_and_asks_for_nothing(phantom_study: Path, task_of: ReceiveTask) -> None:
    task = task_of(phantom_study)
    assert task.run() == 0
    notification = task.result["__mercure_notification"]
    probability = task.result["studies"][0]["prediction"]["probability"]
    assert f"probability of pCR {probability:.2f}" in notification["text"]
    assert notification["text"] in task.told
    assert notification["requested"] is False


def test_result_and_log_name_no_patient(phantom_study: Path, task_of: ReceiveTask) -> None:
    task = task_of(phantom_study)
    task.run()
    source = pydicom.dcmread(dicom_files(phantom_study)[0], stop_before_pixels=True)
    for secret in (source.PatientID, str(source.PatientName)):
        assert secret not in (task.out / "result.json").read_text() + task.told


def test_settings_of_the_task_are_honoured(phantom_study: Path, task_of: ReceiveTask) -> None:
    task = task_of(phantom_study)
    assert task.run(report={"key_objects": False}) == 0
    assert {dataset.Modality for dataset in task.objects} == {"SR", "SEG", "OT"}


def test_the_environment_goes_over_the_task(
    healthy_study: Path, task_of: ReceiveTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAST_PCR_REPORT__NOT_EVALUABLE_PAGE", "false")
    task = task_of(healthy_study)
    assert task.run(report={"not_evaluable_page": True}) == 3
    assert task.objects == []


def test_a_study_without_a_result_fails_in_mercure_with_its_reason(healthy_study: Path, task_of: ReceiveTask) -> None:
    task = task_of(healthy_study)
    assert task.run() == 3
    assert task.objects == []
    assert task.result["studies"][0]["reason"]["code"] == "no_lesion_found"
    assert "no result. no_lesion_found" in task.told


def test_a_page_that_says_why_is_sent_and_somebody_notified(healthy_study: Path, task_of: ReceiveTask) -> None:
    task = task_of(healthy_study)
    assert task.run(report={"not_evaluable_page": True}) == 0
    assert len(task.objects) == 1
    notification = task.result["__mercure_notification"]
    assert notification["requested"] is True and "no_lesion_found" in notification["text"]


def test_an_input_without_a_study_says_so(tmp_path: Path, task_of: ReceiveTask) -> None:
    (tmp_path / "nothing").mkdir()
    task = task_of(tmp_path / "nothing")
    assert task.run() == 3
    assert task.result["reason"]["code"] == "no_study"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"colour": "red"}, "setting 'colour'"),
        ({"report": {"background": "late"}}, "setting 'report.background'"),
        (
            {"clinical": {"age": 55, "hr": True}},
            "setting 'clinical': each record needs study_instance_uid or patient_id",
        ),
    ],
)
def test_settings_that_can_not_be_honoured_are_refused_before_anything_is_processed(
    settings: dict[str, Any], said: str, healthy_study: Path, task_of: ReceiveTask
) -> None:
    task = task_of(healthy_study)
    assert task.run(**settings) == 2
    assert f"bad_configuration: task.json: {said}" in task.told
    assert list(task.out.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"process": [1, 2]}', '{"process": {"settings": "x"}}'])
def test_a_task_file_that_is_none_is_refused(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task.json").write_text(text)
    (tmp_path / "out").mkdir()
    assert main({"MERCURE_IN_DIR": str(tmp_path), "MERCURE_OUT_DIR": str(tmp_path / "out")}) == 2
    assert "bad_configuration: task.json" in capfd.readouterr().err


def test_without_mercure_its_entry_says_what_it_is_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert main({}) == 2
    assert "MERCURE_IN_DIR" in capfd.readouterr().err


def test_the_log_of_an_unexpected_error_is_left_for_mercure_to_keep(
    healthy_study: Path, task_of: ReceiveTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr("app.mercure.run", broken)
    task = task_of(healthy_study)
    assert task.run() == 1
    assert [path.name for path in task.out.iterdir()] == [LOG_NAME]
    assert "not foreseen" in (task.out / LOG_NAME).read_text()


def test_the_example_of_the_module_gives_settings_that_the_application_has() -> None:
    example = json.loads((ROOT / "deploy" / "mercure" / "module.json").read_text())
    (module,) = example["modules"].values()
    Settings(**module["settings"])
    for name in ("docker_arguments", "additional_volumes", "environment"):
        assert isinstance(json.loads(module[name]), dict)
    (rule,) = example["rules"].values()
    assert rule["processing_module"] in example["modules"]
    assert rule["action_trigger"] == "study"
