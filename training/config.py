"""The settings of a training run: YAML in, checked and frozen values out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pcr.manifest import ClinicalName, ClinicalVariable, Normalisation, Range

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CropSettings(_Settings):
    """What the cohort's crops are: `slices` planes of `grid` x `grid` pixels over `window_mm`.

    `extent_fraction` is the middle part of the tumour that the slices of the cohort were spread over.
    """

    window_mm: Positive
    grid: Count
    slices: Count
    extent_fraction: Annotated[float, Field(gt=0, le=1)]


class AugmentationSettings(_Settings):
    """The altered copies of every crop that heads are trained on, beside the unaltered one."""

    variants: Annotated[int, Field(ge=0)]
    displacement_mm: NotNegative
    gamma: tuple[Positive, Positive]
    noise_sd: NotNegative

    @model_validator(mode="after")
    def _gamma_in_order(self) -> AugmentationSettings:
        if self.gamma[0] > self.gamma[1]:
            raise ValueError(f"gamma low ({self.gamma[0]}) must be <= high ({self.gamma[1]})")
        return self


class NetworkSettings(_Settings):
    """Frozen backbone and the size of the head that is trained on it."""

    last_block: Annotated[int, Field(ge=0, le=15)]
    projection: Count
    attention_hidden: Count
    attention_bound: Positive


class ClinicalSettings(_Settings):
    """Variables of the clinical part, their products, and how strongly its weights are held to zero."""

    variables: tuple[ClinicalVariable, ...]
    interactions: tuple[tuple[ClinicalName, ClinicalName], ...]
    ridge: NotNegative

    @model_validator(mode="after")
    def _interactions_are_of_known_variables(self) -> ClinicalSettings:
        known = {variable.name for variable in self.variables}
        unknown = {name for pair in self.interactions for name in pair} - known
        if unknown:
            raise ValueError(f"interactions name variables that the clinical part does not read: {sorted(unknown)}")
        return self


class StepSettings(_Settings):
    """How long and how fast one step of the training runs."""

    epochs: Count
    learning_rate: Positive
    classifier_ridge: NotNegative
    batch_size: Count


class GuidedSettings(StepSettings):
    """A step with guided attention: lambda rises linearly from 0 to `guidance_weight` over `ramp_epochs`."""

    guidance: Literal["mass_outside", "cross_entropy"]
    guidance_weight: NotNegative
    ramp_epochs: Annotated[int, Field(ge=0)]

    def guidance_at(self, epoch: int) -> float:
        """Lambda of the guidance loss in `epoch`, counted from 0."""
        if epoch >= self.ramp_epochs:
            return self.guidance_weight
        return self.guidance_weight * epoch / self.ramp_epochs


class MultimodalSettings(GuidedSettings):
    """The joint step: priors that keep the image a small addition to what the clinical part knows.

    Attributes:
        initial_scale: scale of the image logit at the start.
        scale_prior: weight of scale^2 in the loss.
        clinical_anchor: weight of the squared distance of the clinical weights to their pre-trained values.
        imaging_weight: weight of the imaging-only classification loss beside the joint one.
    """

    initial_scale: Positive
    scale_prior: NotNegative
    clinical_anchor: NotNegative
    imaging_weight: NotNegative


class StepsSettings(_Settings):
    """The three steps, in their order."""

    global_: Annotated[StepSettings, Field(alias="global")]
    guided: GuidedSettings
    multimodal: MultimodalSettings


class TimingSettings(_Settings):
    """How the target times and ranges of the phases follow from the cohort's acquisition times.

    Attributes:
        injection_before_first_post_s: where the injection is taken to lie; the application assumes the same.
        margin: factor by which the range of times in the cohort is widened to what a study may have.
    """

    injection_before_first_post_s: NotNegative
    margin: Annotated[float, Field(ge=1)]


class DomainSettings(_Settings):
    """Ranges of studies that the model may be used on, as far as they are no statistic of the cohort."""

    age_years: Range
    pixel_spacing_mm: Range
    slice_spacing_mm: Range
    lesion_longest_diameter_mm: Range


class BundleSettings(_Settings):
    """Name, version and change note of the exported model."""

    name: str
    version: str
    change: str


class Config(_Settings):
    """Everything that decides a training run, beside the cohort."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    folds: Annotated[int, Field(ge=2)]
    bootstrap: Count
    classification: Literal["weighted_bce", "focal"]
    crop: CropSettings
    normalisation: Normalisation
    augmentation: AugmentationSettings
    network: NetworkSettings
    clinical: ClinicalSettings
    steps: StepsSettings
    timing: TimingSettings
    domain: DomainSettings
    bundle: BundleSettings

    def plain(self) -> dict[str, Any]:
        """As plain values that YAML and JSON can hold, under the names that the file uses."""
        return self.model_dump(mode="json", by_alias=True)


def read_config(path: Path) -> Config:
    """Read and check a YAML file of settings; raises pydantic's ValidationError, or OSError."""
    return Config.model_validate(yaml.safe_load(path.read_text("utf-8")))
