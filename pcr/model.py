"""A model folder as something that predicts: checked against its manifest, run with ONNX Runtime."""

from __future__ import annotations

import hashlib
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pcr.clinical import EncodedClinical
from pcr.lesion_box import LesionBox, encode_box
from pcr.manifest import Manifest, ModelFolder, read_metadata
from pcr.reasons import BadConfiguration, BadModel

Device = Literal["auto", "cpu", "cuda"]
Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]

_SPREAD_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says of one lesion.

    Attributes:
        probability: calibrated probability of pCR from images and clinical variables, mean over the slice combs.
        interval: 2.5th and 97.5th percentile over ensemble members and slice combs: how far the model's own parts
            differ, which is less than how far the truth may be.
        imaging_probability: the same from the images alone, and from the sizes of the lesion where the model is told
            them.
        clinical_probability: the same from the clinical variables alone.
        threshold: the operating point of the model.
        above_threshold: None where variables that the threshold was set with are missing.
        attention: float32 [combs, slice cells, row cells, column cells], summing to 1 per comb.
    """

    probability: float
    interval: tuple[float, float]
    imaging_probability: float
    clinical_probability: float
    threshold: float
    above_threshold: bool | None
    attention: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PcrModel:
    """A loaded and checked model; `provider` is the one that really runs."""

    folder: ModelFolder
    session: ort.InferenceSession
    provider: Provider

    @property
    def manifest(self) -> Manifest:
        return self.folder.manifest

    def predict(self, images: npt.NDArray[np.float32], clinical: EncodedClinical, box: LesionBox) -> Prediction:
        """Predict from normalised crops of one lesion [combs, 3, slices, rows, columns], its record and its box."""
        combs = len(images)
        size = encode_box(box, self.manifest.lesion)
        values = np.concatenate([clinical.values, size])
        missing = np.concatenate([clinical.missing, np.zeros_like(size)])
        outputs = self._run(images, np.tile(values, (combs, 1)), np.tile(missing, (combs, 1)))
        probability = float(outputs["probability"].mean())
        low, high = np.percentile(outputs["member_probability"], _SPREAD_PERCENTILES)
        threshold = self.manifest.threshold
        judged = set(threshold.requires) <= set(clinical.used_names)
        return Prediction(
            probability=probability,
            interval=(min(float(low), probability), max(float(high), probability)),
            imaging_probability=float(outputs["imaging_probability"].mean()),
            clinical_probability=float(outputs["clinical_probability"].mean()),
            threshold=threshold.value,
            above_threshold=probability >= threshold.value if judged else None,
            attention=outputs["attention"],
        )

    def _run(
        self,
        images: npt.NDArray[np.float32],
        clinical: npt.NDArray[np.float32],
        missing: npt.NDArray[np.float32],
    ) -> dict[str, npt.NDArray[np.float32]]:
        names = list(_output_shapes(self.manifest))
        values = self.session.run(names, {"image": images, "clinical": clinical, "clinical_missing": missing})
        return dict(zip(names, values, strict=True))


def load_model(folder: Path, device: Device) -> PcrModel:
    """Load a model folder and check that it is what its manifest says.

    Raises:
        BadModel: checksum, names, shapes or types differ from the contract, or the file is no network.
        BadConfiguration: CUDA was asked for and can not be had.
    """
    described = read_metadata(folder)
    onnx = described.manifest.onnx
    path = folder / onnx.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadModel(f"the model's file {onnx.path} lies outside its folder")
    try:
        network = path.read_bytes()
    except OSError as error:
        raise BadModel(f"{onnx.path} of the model folder can not be read: {error.strerror}") from None
    found = hashlib.sha256(network).hexdigest()
    if found != onnx.sha256:
        raise BadModel(f"{onnx.path} has sha256 {found[:12]}..., the manifest says {onnx.sha256[:12]}...")
    session = _session(network, device)
    _check_signature(session, described.manifest)
    return PcrModel(described, session, _running_provider(session, device))


def _session(network: bytes, device: Device) -> ort.InferenceSession:
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # The network is small and runs once a study: what it needs meanwhile, drawing needs afterwards.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    available = ort.get_available_providers()
    wanted = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in available:
        # ONNX Runtime does not look for CUDA where Python packages put it; what is missing it would print.
        with redirect_stdout(StringIO()):
            ort.preload_dlls()
        wanted.insert(0, "CUDAExecutionProvider")
    elif device == "cuda":
        raise BadConfiguration(
            "device is 'cuda', but the installed ONNX Runtime has no CUDA provider; install the extra 'gpu' "
            "or set device to 'auto' or 'cpu'"
        )
    try:
        return ort.InferenceSession(network, sess_options=options, providers=wanted)
    except Exception as error:  # onnxruntime's errors have no public common base
        raise BadModel(f"the network can not be loaded: {type(error).__name__}") from error


def _running_provider(session: ort.InferenceSession, device: Device) -> Provider:
    """The provider that the session really has: ONNX Runtime falls back to the CPU in silence."""
    provider: Provider = session.get_providers()[0]
    if device == "cuda" and provider != "CUDAExecutionProvider":
        raise BadConfiguration(
            "device is 'cuda', but CUDA could not be started; check the driver, or set device to 'auto' or 'cpu'"
        )
    return provider


def _check_signature(session: ort.InferenceSession, manifest: Manifest) -> None:
    crop, variables = manifest.crop, len(manifest.clinical) + len(manifest.lesion)
    inputs = {
        "image": (3, crop.slices, crop.grid, crop.grid),
        "clinical": (variables,),
        "clinical_missing": (variables,),
    }
    for kind, expected, found in (
        ("input", inputs, session.get_inputs()),
        ("output", _output_shapes(manifest), session.get_outputs()),
    ):
        values = {value.name: value for value in found}
        for name, shape in expected.items():
            if name not in values:
                raise BadModel(f"the network has no {kind} '{name}'")
            cases, *rest = values[name].shape
            if isinstance(cases, int):
                raise BadModel(f"{kind} '{name}' of the network has a fixed number of cases, {cases}")
            if tuple(rest) != shape:
                raise BadModel(f"{kind} '{name}' of the network has shape {tuple(rest)}, the manifest says {shape}")
            if values[name].type != "tensor(float)":
                raise BadModel(f"{kind} '{name}' of the network is {values[name].type}, not float32")


def _output_shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Outputs of the contract and their shapes after the batch axis."""
    return {
        "probability": (),
        "imaging_probability": (),
        "clinical_probability": (),
        "member_probability": (manifest.onnx.members,),
        "attention": manifest.onnx.attention_cells,
    }
