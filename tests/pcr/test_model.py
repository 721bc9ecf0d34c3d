"""A model folder predicts if it is what it says it is; else it is refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto
from tiny_model import CELLS, GRID, SHIFTS, SLICES

from pcr.clinical import ClinicalRecord, EncodedClinical, encode
from pcr.lesion_box import LesionBox
from pcr.model import PcrModel, Prediction, load_model
from pcr.reasons import BadConfiguration, BadModel

Write = Callable[..., Path]

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "pcr"
COMPLETE = ClinicalRecord(age=60, hr=True, her2=False)
CUBE = LesionBox(slices_mm=32, rows_mm=32, columns_mm=32)  # 0 to the tiny model


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def images(combs: int = 2, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).random((combs, 3, SLICES, GRID, GRID), dtype=np.float32)


@pytest.fixture
def model(model_folder: Write) -> PcrModel:
    return load_model(model_folder(), "cpu")


def predict(model: PcrModel, record: ClinicalRecord = COMPLETE, combs: int = 2, box: LesionBox = CUBE) -> Prediction:
    return model.predict(images(combs), encode(record, model.manifest.clinical), box)


def complaint(folder: Path) -> str:
    with pytest.raises(BadModel) as caught:
        load_model(folder, "cpu")
    return caught.value.message


# Prediction


def test_probabilities_are_the_means_over_the_combs(model: PcrModel) -> None:
    found = predict(model)
    means, clinical = images().mean(axis=(1, 2, 3, 4)), (60 - 50) / 10 + 1 + 0
    assert found.imaging_probability == pytest.approx(np.mean([sigmoid(m) for m in means]), abs=1e-5)
    assert found.clinical_probability == pytest.approx(sigmoid(clinical), abs=1e-5)
    assert found.probability == pytest.approx(np.mean([sigmoid(m + clinical) for m in means]), abs=1e-5)


def test_the_interval_spans_the_members_and_holds_the_probability(model: PcrModel) -> None:
    found = predict(model, combs=1)
    logit = images(1).mean() + 2
    members = [sigmoid(logit + shift) for shift in SHIFTS]
    assert found.interval == pytest.approx(np.percentile(members, (2.5, 97.5)), abs=1e-5)
    assert found.interval[0] <= found.probability <= found.interval[1]


def test_attention_has_the_cells_of_the_contract_and_sums_to_one_per_comb(model: PcrModel) -> None:
    attention = predict(model, combs=3).attention
    assert attention.shape == (3, *CELLS)
    np.testing.assert_allclose(attention.sum(axis=(1, 2, 3)), 1, rtol=1e-5)


def test_the_size_of_the_lesion_reaches_the_network_and_is_no_clinical_variable(model: PcrModel) -> None:
    once, twice = (predict(model, combs=1, box=box) for box in (CUBE, CUBE.scaled(2)))
    assert twice.probability == pytest.approx(sigmoid(images(1).mean() + 2 + 1), abs=1e-5)
    assert twice.clinical_probability == once.clinical_probability


def test_the_size_of_the_lesion_is_not_missing_where_every_clinical_variable_is(model: PcrModel) -> None:
    found = predict(model, ClinicalRecord(), combs=1, box=CUBE.scaled(0.25))
    assert found.probability == pytest.approx(sigmoid(images(1).mean() - 2), abs=1e-5)
    assert found.clinical_probability == pytest.approx(0.5)


@pytest.mark.parametrize("age", [20, 50, 80])
def test_above_threshold_is_the_probability_against_the_threshold(model: PcrModel, age: float) -> None:
    found = predict(model, ClinicalRecord(age=age, hr=False, her2=False))
    assert found.above_threshold is (found.probability >= found.threshold)


@pytest.mark.parametrize("missing", ["age", "hr", "her2"])
def test_above_threshold_is_not_said_where_a_variable_that_it_needs_is_missing(model: PcrModel, missing: str) -> None:
    assert predict(model, replace(COMPLETE, **{missing: None})).above_threshold is None


def test_above_threshold_is_said_where_only_variables_that_it_does_not_need_are_missing(model_folder: Write) -> None:
    model = load_model(model_folder(changes={"threshold.requires": ["age"]}), "cpu")
    assert predict(model, ClinicalRecord(age=60)).above_threshold is True


def test_the_same_input_twice_gives_the_same_numbers(model: PcrModel) -> None:
    one, two = predict(model), predict(model)
    np.testing.assert_array_equal(one.attention, two.attention)
    assert replace(one, attention=None) == replace(two, attention=None)


def test_how_combs_are_batched_does_not_matter(model: PcrModel) -> None:
    encoded = encode(COMPLETE, model.manifest.clinical)
    alone = [model.predict(comb[None], encoded, CUBE).probability for comb in images(3)]
    assert model.predict(images(3), encoded, CUBE).probability == pytest.approx(np.mean(alone), abs=1e-6)


# The folder


def test_a_changed_network_is_refused_with_both_checksums(model_folder: Write) -> None:
    folder = model_folder()
    path = folder / "models/model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    said = complaint(folder)
    assert "models/model.onnx has sha256" in said
    assert "the manifest says" in said


def test_a_missing_network_is_refused(model_folder: Write) -> None:
    folder = model_folder()
    (folder / "models/model.onnx").unlink()
    assert "models/model.onnx of the model folder can not be read" in complaint(folder)


def test_a_file_that_is_no_network_is_refused(model_folder: Write) -> None:
    assert "can not be loaded" in complaint(model_folder(file=b"no network"))


@pytest.mark.parametrize("path", ["../outside.onnx", "/etc/hostname", "models/../../outside.onnx", "link.onnx"])
def test_a_network_outside_the_folder_is_refused(model_folder: Write, path: str) -> None:
    folder = model_folder(changes={"onnx.path": path})
    (folder.parent / "outside.onnx").write_bytes((folder / "models/model.onnx").read_bytes())
    (folder / "link.onnx").symlink_to(folder.parent / "outside.onnx")
    assert "lies outside its folder" in complaint(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"crop.grid": 32}, "input 'image'"),
        ({"crop.slices": 8}, "input 'image'"),
        ({"clinical": [{"name": "age"}], "threshold.requires": []}, "input 'clinical'"),
        ({"lesion": []}, "input 'clinical'"),
        ({"onnx.members": 5}, "output 'member_probability'"),
        ({"onnx.attention_cells": [4, 4, 4]}, "output 'attention'"),
    ],
    ids=str,
)
def test_shapes_that_differ_from_the_manifest_are_refused_by_name(
    model_folder: Write, changes: Any, named: str
) -> None:
    said = complaint(model_folder(changes=changes))
    assert named in said
    assert "the manifest says" in said


@pytest.mark.parametrize("name", ["probability", "member_probability", "attention"])
def test_a_network_without_an_output_of_the_contract_is_refused(model_folder: Write, name: str) -> None:
    assert f"no output '{name}'" in complaint(model_folder(without=name))


def test_a_network_that_takes_a_fixed_number_of_cases_is_refused(model_folder: Write) -> None:
    assert "fixed number of cases" in complaint(model_folder(batch=1))


def test_a_network_of_other_numbers_than_float32_is_refused(model_folder: Write) -> None:
    assert "'clinical' of the network is tensor(double)" in complaint(model_folder(clinical=TensorProto.DOUBLE))


# The device


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_provider_that_runs_is_the_one_that_is_told(model_folder: Write, device: str, without_cuda: None) -> None:
    assert load_model(model_folder(), device).provider == "CPUExecutionProvider"


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime as it is installed where there is no GPU."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


def test_cuda_without_a_cuda_provider_is_a_configuration_error(model_folder: Write, without_cuda: None) -> None:
    with pytest.raises(BadConfiguration, match="install the extra 'gpu'") as caught:
        load_model(model_folder(), "cuda")
    assert caught.value.code == "bad_configuration"


class FallenBack:
    """A session of ONNX Runtime that was asked for CUDA and fell back to the CPU in silence."""

    def __init__(self, network: bytes, sess_options: Any, providers: list[str]) -> None:
        assert providers[0] == "CUDAExecutionProvider"
        self._session = REAL_SESSION(network, sess_options=sess_options, providers=["CPUExecutionProvider"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


REAL_SESSION = onnxruntime.InferenceSession


@pytest.fixture
def broken_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime with a CUDA provider that does not start, as without a driver."""
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallenBack)


def test_cuda_that_does_not_start_is_a_configuration_error(model_folder: Write, broken_cuda: None) -> None:
    with pytest.raises(BadConfiguration, match="CUDA could not be started"):
        load_model(model_folder(), "cuda")


def test_auto_falls_back_to_the_cpu_and_says_so(model_folder: Write, broken_cuda: None) -> None:
    assert load_model(model_folder(), "auto").provider == "CPUExecutionProvider"


# The model that is shipped


@pytest.fixture(scope="module")
def shipped() -> PcrModel:
    return load_model(SHIPPED, "cpu")


def shipped_input(model: PcrModel) -> np.ndarray:
    crop = model.manifest.crop
    noise = np.random.default_rng(1).random((1, 3, crop.slices, crop.grid, crop.grid), dtype=np.float32)
    return noise * model.manifest.normalisation.ceiling


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no model is shipped yet")
def test_the_shipped_model_gives_finite_probabilities_with_every_variable_or_none(shipped: PcrModel) -> None:
    for record in (COMPLETE, ClinicalRecord()):
        encoded: EncodedClinical = encode(record, shipped.manifest.clinical)
        found = shipped.predict(shipped_input(shipped), encoded, CUBE)
        for value in (found.probability, found.imaging_probability, found.clinical_probability, *found.interval):
            assert 0 < value < 1
        assert found.attention.sum() == pytest.approx(1, abs=1e-3)
    assert found.above_threshold is None


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no model is shipped yet")
def test_the_shipped_model_ignores_the_value_of_a_variable_that_is_flagged_as_missing(shipped: PcrModel) -> None:
    encoded = encode(ClinicalRecord(), shipped.manifest.clinical)
    other = replace(encoded, values=np.full_like(encoded.values, 3))
    one, two = (shipped.predict(shipped_input(shipped), e, CUBE).probability for e in (encoded, other))
    assert one == pytest.approx(two, abs=1e-6)
