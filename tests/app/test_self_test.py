"""The self-test passes on a sound installation and fails, in one line, on one that is not."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from app.__main__ import main
from app.self_test import EXPECTED, STUDY
from app.self_test.facts import Facts, differences
from pcr.report.result import ModelFacts, Reason, StudyResult

from .conftest import MODELS

Captured = pytest.CaptureFixture[str]


def _self_test(models: Path, capsys: Captured) -> tuple[int, str]:
    status = main(["--self-test", "-m", str(models)])
    (line,) = capsys.readouterr().out.splitlines()
    return status, line


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the models that a test may spoil."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def test_a_sound_installation_passes_whatever_the_site_has_set(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAST_PCR_LOCALIZATION__MIN_SCORE", "0.999")
    monkeypatch.setenv("BREAST_PCR_REPORT__KEY_OBJECTS", "false")
    status, line = _self_test(MODELS, capsys)
    assert status == 0 and line.startswith("self-test passed: model pcr ")


def test_a_damaged_model_fails(models: Path, capsys: Captured) -> None:
    path = models / "pcr/models/model.onnx"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    status, line = _self_test(models, capsys)
    assert status == 1 and line.startswith("self-test failed: bad_model: ")


def test_a_model_that_answers_otherwise_fails_although_its_checksum_is_right(models: Path, capsys: Captured) -> None:
    path, metadata = models / "pcr/models/model.onnx", models / "pcr/configs/metadata.json"
    network = onnx.load(path)
    for weights in network.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT and len(weights.dims) >= 2:
            weights.CopyFrom(numpy_helper.from_array(1.2 * numpy_helper.to_array(weights), weights.name))
    onnx.save(network, path)
    described = json.loads(metadata.read_text())
    described["breast_pcr"]["onnx"]["sha256"] = sha256(path.read_bytes()).hexdigest()
    metadata.write_text(json.dumps(described))
    status, line = _self_test(models, capsys)
    assert status == 1 and "the stored result is of" in line and "the probability is" in line


def test_a_study_without_a_result_is_a_difference() -> None:
    refused = StudyResult(
        notice="",
        status="not_evaluable",
        reason=Reason(code="no_lesion_found", message="nothing enhances"),
        study_instance_uid="1.2",
        model=ModelFacts(name="pcr", version="1", sha256="0" * 64, provider="CPUExecutionProvider"),
    )
    expected = Facts.model_validate_json(EXPECTED.read_text())
    assert differences(refused, expected) == ("no result (nothing enhances)",)


def test_the_stored_study_is_small() -> None:
    assert STUDY.stat().st_size < 1_500_000
