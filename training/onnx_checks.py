"""Proves on real cases that the ONNX file answers as the torch model does and pools with the attention it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.ensemble import Ensemble, EnsembleOutput
from training.onnx_file import INPUTS, ExportError, run_onnx

PROBABILITY_TOLERANCE = 1e-4
ATTENTION_TOLERANCE_L1 = 1e-3
# Share of the cells that are occluded, and how many random sets of as many they are compared with.
_OCCLUDED = 0.05
_RANDOM_SETS = 5
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest differences between torch and ONNX Runtime over the cases that were compared."""

    cases: int
    probability: float
    attention_l1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Occlusion:
    """How far the imaging probability moves, mean over cases, when cells of the input image are blanked.

    Attributes:
        attended: the most attended twentieth of the cells.
        random: as many cells anywhere else.
        cases_attended_more: share of the cases in which the attended cells move it more.
    """

    attended: float
    random: float
    cases_attended_more: float


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


def check_occlusion(path: Path, cases: tuple[Tensor, Tensor, Tensor]) -> Occlusion:
    """Blank the most attended cells of the image, and random ones, and compare what that does to the answer.

    Blanked pixels get the median of their crop and phase: no enhancement, and no dark hole.

    Raises:
        ExportError: random cells matter as much, so the attention is not what the classifier pools with.
    """
    image, clinical, missing = (case.numpy() for case in cases)
    plain = run_onnx(path, {"image": image, "clinical": clinical, "clinical_missing": missing})
    attention = plain["attention"]
    count = max(1, round(_OCCLUDED * attention[0].size))
    order = np.argsort(-attention.reshape(len(image), -1), axis=1)
    generator = np.random.default_rng(_SEED)

    def moved(chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        blanked = _blank(image, chosen, attention.shape[1:])
        outputs = run_onnx(path, {"image": blanked, "clinical": clinical, "clinical_missing": missing})
        return np.abs(outputs["imaging_probability"].astype(float) - plain["imaging_probability"])

    attended = moved(order[:, :count])
    random = np.mean(
        [moved(generator.permuted(order[:, count:], axis=1)[:, :count]) for _ in range(_RANDOM_SETS)], axis=0
    )
    found = Occlusion(
        attended=float(attended.mean()),
        random=float(random.mean()),
        cases_attended_more=float((attended > random).mean()),
    )
    if not found.attended > found.random:
        raise ExportError(f"occluding attended cells moves the answer no more than occluding random ones: {found}")
    return found


def _blank(
    image: npt.NDArray[np.float32], chosen: npt.NDArray[np.int64], cells: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """`image` [N, 3, S, H, W] with the `chosen` cells [N, count] of a grid of `cells` set to the crop's medians."""
    mask = np.zeros((len(image), int(np.prod(cells))), dtype=bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    large = mask.reshape(len(image), *cells)
    for axis, size in enumerate(image.shape[2:], start=1):
        places = np.arange(size) * large.shape[axis] // size
        large = np.take(large, places, axis=axis)
    median = np.median(image, axis=(2, 3, 4), keepdims=True)
    return np.where(large[:, None], median, image).astype(np.float32)
