"""Writes the network as one ONNX file and proves on real cases that it answers as the torch model does."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import Tensor

from training.ensemble import Ensemble, EnsembleOutput

OPSET = 20
INPUTS = ("image", "clinical", "clinical_missing")
LARGEST_BYTES = 25 * 1024 * 1024
PROBABILITY_TOLERANCE = 1e-4
ATTENTION_TOLERANCE_L1 = 1e-3


class ExportError(Exception):
    """The exported file does not do what the torch model does, or may not be shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest differences between torch and ONNX Runtime over the cases that were compared."""

    cases: int
    probability: float
    attention_l1: float


def write_onnx(model: Ensemble, example: tuple[Tensor, Tensor, Tensor], path: Path) -> None:
    """Write the model with a dynamic batch axis and its weights inside the one file."""
    batch = torch.export.Dim("N", min=1, max=64)
    with _quiet_exporter():
        torch.onnx.export(
            model,
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=list(EnsembleOutput._fields),
            dynamic_shapes=({0: batch}, {0: batch}, {0: batch}),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _strip(path)


def check_size(path: Path) -> None:
    """Raises ExportError where the file is too large to ship."""
    if path.stat().st_size > LARGEST_BYTES:
        raise ExportError(f"{path.name} has {path.stat().st_size} bytes, more than {LARGEST_BYTES}")


def run_onnx(path: Path, feeds: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
    """All outputs by name, on the CPU."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


@torch.inference_mode()
def check_parity(model: Ensemble, path: Path, cases: tuple[Tensor, Tensor, Tensor]) -> Parity:
    """Compare torch and ONNX Runtime on `cases` (image, clinical, clinical_missing).

    Raises:
        ExportError: they differ by more than the contract allows, or the attention does not sum to one.
    """
    expected: EnsembleOutput = model(*cases)
    got = run_onnx(path, {name: case.numpy() for name, case in zip(INPUTS, cases, strict=True)})
    differences = {name: np.abs(got[name] - getattr(expected, name).numpy()) for name in EnsembleOutput._fields}
    parity = Parity(
        cases=len(cases[0]),
        probability=max(float(differences[name].max()) for name in EnsembleOutput._fields if name != "attention"),
        attention_l1=float(differences["attention"].sum(axis=(1, 2, 3)).max()),
    )
    # Written so that NaN fails as well.
    if not (parity.probability <= PROBABILITY_TOLERANCE and parity.attention_l1 <= ATTENTION_TOLERANCE_L1):
        raise ExportError(f"torch and ONNX Runtime disagree: {parity}")
    total = got["attention"].sum(axis=(1, 2, 3))
    if not np.allclose(total, 1.0, atol=1e-4):
        raise ExportError(f"attention sums to {total.min():g} .. {total.max():g}, not to 1")
    return parity


def sha256(path: Path) -> str:
    """Checksum of a file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter's deprecations, and its regret that torchvision is not installed, are nothing to act on here."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _strip(path: Path) -> None:
    """Take out stack traces and folder names that the exporter notes: of no use, and different on every machine."""
    proto = onnx.load(str(path))
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    for entry in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del entry.metadata_props[:]
        entry.doc_string = ""
    for tensor in proto.graph.initializer:
        tensor.doc_string = ""
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))
