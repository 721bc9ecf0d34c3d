"""A model of a few numbers that keeps the contract between training and app: fast, and every output known by hand.

imaging_probability  = sigmoid(mean of the image)
clinical_probability = sigmoid(sum over the clinical variables that are not missing)
probability          = sigmoid(mean of the image + that sum + the lesion's size in octaves from 32 mm), as are its
                       members with -0.5, 0 and +0.5 added
attention            = softmax over cells of the mean of the image in each
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

SLICES, GRID = 4, 16
CELLS = (2, 4, 4)
SHIFTS = (-0.5, 0.0, 0.5)
VARIABLES = ("age", "hr", "her2", "box_diameter")
CLINICAL = [0, 1, 2]


def metadata(sha: str = "0" * 64) -> dict[str, Any]:
    """What configs/metadata.json says of the tiny model."""
    wide = {"low": 0.0, "high": 1000.0}
    return {
        "name": "tiny",
        "version": "0.0.1",
        "breast_pcr": {
            "contract_version": 2,
            "onnx": {"path": "models/model.onnx", "sha256": sha, "members": 3, "attention_cells": CELLS},
            "crop": {
                "window_mm": 32,
                "grid": GRID,
                "slices": SLICES,
                "training_extent_fraction": 0.7,
                "phases": [
                    {"role": "pre"},
                    {"role": "early", "target_after_injection_s": 120},
                    {"role": "late", "target_after_injection_s": 440},
                ],
            },
            "normalisation": {"low_percentile": 1, "high_percentile": 99.5, "ceiling": 1.5},
            "clinical": [{"name": "age", "offset": 50, "scale": 10}, {"name": "hr"}, {"name": "her2"}],
            "lesion": [{"name": "box_diameter", "longest_side_mm": 80, "offset": 5, "scale": 1}],
            "domain": {
                "age_years": {"low": 18, "high": 90},
                "pixel_spacing_mm": wide,
                "slice_spacing_mm": wide,
                "early_after_injection_s": wide,
                "late_after_injection_s": wide,
                "lesion_longest_diameter_mm": wide,
            },
            "threshold": {"value": 0.5, "chosen_by": "hand", "requires": ["age", "hr", "her2"]},
            "provenance": [{"name": "none", "url": "https://example.org", "licence": "CC0"}],
            "figures": {"auc": [0.6, 0.5, 0.7]},
        },
    }


def network(*, batch: str | int = "N", clinical: int = TensorProto.FLOAT, without: str = "") -> bytes:
    """The network as a file; `clinical` is the type of the clinical variables, `without` an output that is left out."""

    def value(name: str, *shape: int, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, [batch, *shape])

    def constant(name: str, values: list[float] | list[int], kind: int) -> onnx.TensorProto:
        return helper.make_tensor(name, kind, [len(values)], values)

    kernel = [SLICES // CELLS[0], GRID // CELLS[1], GRID // CELLS[2]]
    nodes = [
        helper.make_node("ReduceMean", ["image", "all axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["one", "clinical_missing"], ["known"]),
        helper.make_node("Cast", ["clinical"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["values", "known"], ["used"]),
        helper.make_node("Gather", ["used", "clinical places"], ["used clinical"], axis=1),
        helper.make_node("ReduceSum", ["used clinical", "variables"], ["clinical sum"], keepdims=0),
        helper.make_node("ReduceSum", ["used", "variables"], ["sum"], keepdims=0),
        helper.make_node("Add", ["mean", "sum"], ["logit"]),
        helper.make_node("Sigmoid", ["mean"], ["imaging_probability"]),
        helper.make_node("Sigmoid", ["clinical sum"], ["clinical_probability"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("Unsqueeze", ["logit", "variables"], ["column"]),
        helper.make_node("Add", ["column", "shifts"], ["member logits"]),
        helper.make_node("Sigmoid", ["member logits"], ["member_probability"]),
        helper.make_node("ReduceMean", ["image", "variables"], ["phases merged"], keepdims=1),
        helper.make_node("AveragePool", ["phases merged"], ["cells"], kernel_shape=kernel, strides=kernel),
        helper.make_node("Flatten", ["cells"], ["flat"], axis=1),
        helper.make_node("Softmax", ["flat"], ["weights"], axis=1),
        helper.make_node("Reshape", ["weights", "cell shape"], ["attention"]),
    ]
    constants = [
        constant("all axes", [1, 2, 3, 4], TensorProto.INT64),
        constant("variables", [1], TensorProto.INT64),
        constant("clinical places", CLINICAL, TensorProto.INT64),
        constant("cell shape", [-1, *CELLS], TensorProto.INT64),
        constant("one", [1.0], TensorProto.FLOAT),
        constant("shifts", list(SHIFTS), TensorProto.FLOAT),
    ]
    inputs = [
        value("image", 3, SLICES, GRID, GRID),
        value("clinical", len(VARIABLES), kind=clinical),
        value("clinical_missing", len(VARIABLES)),
    ]
    outputs = [
        value("probability"),
        value("imaging_probability"),
        value("clinical_probability"),
        value("member_probability", len(SHIFTS)),
        value("attention", *CELLS),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [o for o in outputs if o.name != without], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def write_model(
    folder: Path, *, changes: dict[str, Any] | None = None, file: bytes | None = None, **graph: Any
) -> Path:
    """Write a model folder with a right checksum.

    Args:
        folder: where to.
        changes: what its manifest says differently, by path, such as {"crop.grid": 32}; None deletes.
        file: what the network's file holds instead of a network.
        **graph: how the network differs, as in `network`.
    """
    content = network(**graph) if file is None else file
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "models" / "model.onnx").write_bytes(content)
    said = metadata(sha256(content).hexdigest())
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place = said["breast_pcr"]
        for name in parents:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    (folder / "configs" / "metadata.json").write_text(json.dumps(said))
    return folder
