"""Writes the network as one ONNX file, and runs it."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


class ExportError(Exception):
    """The exported file does not do what the torch model does, or may not be shipped."""


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
