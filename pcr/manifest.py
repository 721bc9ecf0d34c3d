"""What a model folder declares of itself: our part of the MONAI bundle's metadata.json, typed and checked.

The file is the contract between training and application: everything that the application needs to feed the
network and to judge whether a study is one for it, and nothing that it would have to guess.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pcr.reasons import BadModel, first_complaint

CONTRACT_VERSION: Final = 2
METADATA_KEY = "breast_pcr"
METADATA_PATH = Path("configs/metadata.json")

PhaseRole = Literal["pre", "early", "late"]
ClinicalName = Literal["age", "menopausal_status", "hr", "er", "pr", "her2"]
LesionName = Literal["box_diameter", "section_diameter"]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Declared):
    """A closed interval; the unit is that of the field which holds it."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) must be <= high ({self.high})")
        return self

    def holds(self, value: float) -> bool:
        """Whether `value` lies inside, borders included."""
        return self.low <= value <= self.high


class PhaseTarget(_Declared):
    """A contrast phase that the network reads; the target counts from contrast injection (none for `pre`)."""

    role: PhaseRole
    target_after_injection_s: Positive | None = None


class CropSpec(_Declared):
    """The window that is cut around the lesion: `slices` planes of `grid` x `grid` pixels over `window_mm`.

    `training_extent_fraction` tells which middle part of the lesion the training crops were spread over.
    """

    window_mm: Positive
    grid: Annotated[int, Field(ge=8)]
    slices: Annotated[int, Field(ge=1)]
    training_extent_fraction: Annotated[float, Field(gt=0, le=1)]
    phases: tuple[PhaseTarget, ...]

    @model_validator(mode="after")
    def _three_phases_in_order(self) -> CropSpec:
        if [phase.role for phase in self.phases] != ["pre", "early", "late"]:
            raise ValueError("phases must be pre, early, late in this order")
        early, late = (phase.target_after_injection_s for phase in self.phases[1:])
        if early is None or late is None or early >= late:
            raise ValueError("early and late need target times, early before late")
        return self

    @property
    def early_target_s(self) -> float:
        """Seconds after injection that the early phase should lie at."""
        return float(self.phases[1].target_after_injection_s or 0)

    @property
    def late_target_s(self) -> float:
        """Seconds after injection that the late phase should lie at."""
        return float(self.phases[2].target_after_injection_s or 0)


class Normalisation(_Declared):
    """Percentiles of the crop, all phases together, that become 0 and 1; what lies beyond is cut at `ceiling`."""

    low_percentile: Annotated[float, Field(ge=0, lt=100)]
    high_percentile: Annotated[float, Field(gt=0, le=100)]
    ceiling: Positive


class ClinicalVariable(_Declared):
    """How one clinical variable enters the network: (value - offset) / scale, or 0 and a flag where it is missing.

    Booleans are 0 and 1, menopausal status is 0 (pre), 0.5 (peri) and 1 (post), age is in years.
    """

    name: ClinicalName
    offset: float = 0.0
    scale: Positive = 1.0


class LesionVariable(_Declared):
    """How one size of the lesion's box enters the network: (log2(mm) - offset) / scale. It is never missing.

    Sides in plane count as `longest_side_mm` where they are longer, since the training crops were cut there.
    """

    name: LesionName
    longest_side_mm: Positive
    offset: float = 5.0
    scale: Positive = 1.0


class Domain(_Declared):
    """Ranges outside of which the model was not made to be used."""

    age_years: Range
    pixel_spacing_mm: Range
    slice_spacing_mm: Range
    early_after_injection_s: Range
    late_after_injection_s: Range
    lesion_longest_diameter_mm: Range


class Threshold(_Declared):
    """The operating point and the variables without which it means nothing."""

    value: Fraction
    chosen_by: str
    requires: tuple[ClinicalName, ...]


class OnnxFile(_Declared):
    """The network: path relative to the model folder, checksum, and the numbers of its outputs."""

    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    members: Annotated[int, Field(ge=1)]
    attention_cells: tuple[int, int, int]


class Source(_Declared):
    """Where data behind the weights came from."""

    name: str
    url: str
    licence: str


class Manifest(_Declared):
    """The whole declaration of one model folder.

    The network's inputs `clinical` and `clinical_missing` [N, K] hold the `clinical` variables, then those of `lesion`.
    """

    contract_version: Literal[2]
    onnx: OnnxFile
    crop: CropSpec
    normalisation: Normalisation
    clinical: tuple[ClinicalVariable, ...]
    lesion: tuple[LesionVariable, ...]
    domain: Domain
    threshold: Threshold
    provenance: tuple[Source, ...]
    figures: dict[str, float | str | list[float]]

    @property
    def base_rate(self) -> float | None:
        """Share of the patients behind the weights who had a pCR; None where the figures do not tell."""
        patients, responders = self.figures.get("patients"), self.figures.get("responders")
        if not isinstance(patients, float) or not isinstance(responders, float) or not 0 <= responders <= patients:
            return None
        return responders / patients if patients else None

    @model_validator(mode="after")
    def _threshold_names_known_variables(self) -> Manifest:
        known = {variable.name for variable in self.clinical}
        unknown = set(self.threshold.requires) - known
        if unknown:
            raise ValueError(f"threshold requires variables the model does not read: {sorted(unknown)}")
        return self


class ModelFolder(_Declared):
    """A manifest with the name and version that the bundle's own metadata gives."""

    name: str
    version: str
    manifest: Manifest


def read_metadata(folder: Path) -> ModelFolder:
    """Read and check `configs/metadata.json` of a model folder.

    Raises BadModel, saying which entry is wrong.
    """
    path = folder / METADATA_PATH
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadModel(f"the model folder has no {METADATA_PATH}; point -m at the folder that holds pcr/") from None
    except (OSError, ValueError) as error:
        raise BadModel(f"{METADATA_PATH} of the model folder can not be read: {error}") from None
    if not isinstance(metadata, dict) or METADATA_KEY not in metadata:
        raise BadModel(f"{METADATA_PATH} has no entry '{METADATA_KEY}': this bundle is not a pCR model")
    try:
        return ModelFolder.model_validate(
            {"name": metadata.get("name"), "version": metadata.get("version"), "manifest": metadata[METADATA_KEY]}
        )
    except ValidationError as error:
        where, what = first_complaint(error)
        raise BadModel(f"{METADATA_PATH}: {where}: {what} ({error.error_count()} in all)") from None
