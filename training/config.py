"""The settings of a training run: YAML in, checked and frozen values out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pcr.manifest import ClinicalName, ClinicalVariable, LesionVariable, Normalisation, Range
from training.phase_choice import PhaseTargets

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class ConfigError(Exception):
    """The file of settings can not be used; the message says why."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CropSettings(_Settings):
    """The network's window and what is kept around it: `slices` planes of `grid` x `grid` pixels over `window_mm`.

    Training crops are stored with `margin_mm` more on each side, so that a displaced window is cut and never padded.
    `extent_fraction` is the middle part of the tumour that the slices are spread over.
    """

    window_mm: Positive
    grid: Count
    margin_mm: NotNegative
    slices: Count
    extent_fraction: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _margin_is_whole_pixels(self) -> CropSettings:
        if abs(self.margin_mm / self.pixel_mm - self.margin) > 1e-6:
            raise ValueError(f"margin_mm ({self.margin_mm}) must be a whole number of pixels of {self.pixel_mm:g} mm")
        return self

    @property
    def pixel_mm(self) -> float:
        """Side of a pixel."""
        return self.window_mm / self.grid

    @property
    def margin(self) -> int:
        """Pixels that are kept on each side of the window."""
        return round(self.margin_mm / self.pixel_mm)

    @property
    def stored_mm(self) -> float:
        """Side of the stored crop."""
        return self.window_mm + 2 * self.margin_mm

    @property
    def stored_grid(self) -> int:
        """Pixels along each side of the stored crop."""
        return self.grid + 2 * self.margin


class AugmentationSettings(_Settings):
    """Copies of every crop beside the plain one.

    Attributes:
        shifted: copies that are only displaced, for scoring and never for training.
        shift_mm: how far those are displaced, in a random direction of the plane.
        altered: copies for training.
        displacement_mm: most that an altered copy is displaced along rows and along columns.
        extent: 0.2 lets the lesion's extent be anything from 1/1.2 to 1.2 of what it is.
        probability: how often each change of the intensities is made.
        bias_field: largest coefficient of the bias field's polynomial.
        gamma: range of the exponent of the contrast.
        noise_sd: in units of the crop's brightest voxel.
        blur_mm: range of the standard deviation of a Gaussian in the plane.
    """

    shifted: Count
    shift_mm: NotNegative
    altered: Annotated[int, Field(ge=0)]
    displacement_mm: NotNegative
    extent: NotNegative
    probability: Annotated[float, Field(ge=0, le=1)]
    bias_field: NotNegative
    gamma: tuple[Positive, Positive]
    noise_sd: NotNegative
    blur_mm: tuple[Positive, Positive]

    @model_validator(mode="after")
    def _ranges_in_order(self) -> AugmentationSettings:
        for name, (low, high) in (("gamma", self.gamma), ("blur_mm", self.blur_mm)):
            if low > high:
                raise ValueError(f"{name} low ({low}) must be <= high ({high})")
        return self


class NetworkSettings(_Settings):
    """The backbone by name, whether it learns too, and the head on it.

    Attributes:
        backbone: a name of `training.backbones.BACKBONES`.
        backbone_training: a frozen backbone's cells are computed once and cached; a fine-tuned one needs a GPU.
        components: principal components of the cells that the head sees.
        attention_hidden, attention_bound: width of the attention's scorer, and the limit of its scores.
        size: what the classifier knows of the tumour's size: the lesion variables, or how far the attention reaches.
        fusion: how image and clinical variables are joined; a name of `training.networks.FUSIONS`.
    """

    backbone: str
    backbone_training: Literal["frozen", "fine_tuned"]
    components: Count
    attention_hidden: Count
    attention_bound: Positive
    size: Literal["lesion", "attended"]
    fusion: Literal["residual", "plain"]


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


class ImbalanceSettings(_Settings):
    """What is done about responders being the fewer: a loss and a way of drawing the batches, both by name."""

    loss: Literal["bce", "weighted_bce", "focal"]
    sampling: Literal["even", "balanced"]


class OptimisationSettings(_Settings):
    """What all steps share; a step ends when the inner validation has not improved for `patience` epochs."""

    batch_size: Count
    patience: Count
    classifier_ridge: NotNegative
    size_ridge: NotNegative


class StepSettings(_Settings):
    """How long at most and how fast one step of the training runs."""

    epochs: Count
    learning_rate: Positive


class GuidanceSettings(_Settings):
    """Guidance of the attention: lambda rises linearly from 0 to `weight` over `ramp_epochs`."""

    loss: Literal["mass_outside", "kl", "dice"]
    weight: NotNegative
    ramp_epochs: Annotated[int, Field(ge=0)]

    def at(self, epoch: int) -> float:
        """Lambda of the guidance loss in `epoch`, counted from 0."""
        if epoch >= self.ramp_epochs:
            return self.weight
        return self.weight * epoch / self.ramp_epochs


class JointSettings(_Settings):
    """Priors that keep the image a small addition to what the clinical part knows, wherever the two are joined.

    Attributes:
        initial_scale: scale of the image logit at the start.
        scale_prior: weight of scale^2 in the loss.
        clinical_anchor: weight of the squared distance of the clinical weights to where the step began.
        imaging_weight: weight of the imaging-only classification loss beside the joint one.
        modality_dropout: how often each clinical variable of a case is hidden while it is trained on.
    """

    initial_scale: Positive
    scale_prior: NotNegative
    clinical_anchor: NotNegative
    imaging_weight: NotNegative
    modality_dropout: Annotated[float, Field(ge=0, lt=1)]


class StepsSettings(_Settings):
    """The three steps in their order, and the one stage that takes their place in the arms without steps."""

    global_: Annotated[StepSettings, Field(alias="global")]
    guided: StepSettings
    multimodal: StepSettings
    single: StepSettings


class TrainerSettings(_Settings):
    """Handed to Lightning's Trainer: a GPU, several of them, or several nodes are a matter of these values."""

    accelerator: str
    devices: int | str
    num_nodes: Count
    strategy: str
    precision: Literal["32-true", "16-mixed", "bf16-mixed"]


class Attempt(_Settings):
    """One way that was written down before any was scored: its name, the reason, and what it changes."""

    name: Annotated[str, Field(pattern="^[a-z0-9_]+$")]
    why: str
    changes: dict[str, Any]


class TimingSettings(_Settings):
    """The phases that are read, and how the range of their times follows from the cohort's acquisition times.

    Attributes:
        early_s, late_s: target times after injection.
        injection_before_first_post_s: where the injection is taken to lie; the application assumes the same.
        margin: factor by which the range of times in the cohort is widened to what a study may have.
    """

    early_s: Positive
    late_s: Positive
    injection_before_first_post_s: NotNegative
    margin: Annotated[float, Field(ge=1)]

    @property
    def targets(self) -> PhaseTargets:
        """What phases are chosen by."""
        return PhaseTargets(
            early_s=self.early_s,
            late_s=self.late_s,
            injection_before_first_post_s=self.injection_before_first_post_s,
        )


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
    """Everything that decides a training run, beside the cohort.

    Attributes:
        folds: outer folds; a patient is judged by networks of the fold that held her out.
        members: inner folds of each outer fold, and with them networks of different seeds: each is stopped by one
            inner fold, and the mean of all of them judges the patients of the outer fold.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    folds: Annotated[int, Field(ge=2)]
    members: Annotated[int, Field(ge=3)]
    smallest_site: Count
    bootstrap: Count
    crop: CropSettings
    normalisation: Normalisation
    augmentation: AugmentationSettings
    lesion: tuple[LesionVariable, ...]
    network: NetworkSettings
    clinical: ClinicalSettings
    imbalance: ImbalanceSettings
    optimisation: OptimisationSettings
    guidance: GuidanceSettings
    joint: JointSettings
    steps: StepsSettings
    trainer: TrainerSettings
    timing: TimingSettings
    domain: DomainSettings
    bundle: BundleSettings
    attempts: tuple[Attempt, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        aug, margin = self.augmentation, self.crop.margin_mm
        if max(aug.shift_mm, aug.displacement_mm) > margin:
            raise ValueError(f"shift_mm and displacement_mm must be <= margin_mm ({margin})")
        names = [attempt.name for attempt in self.attempts]
        if not names or len(set(names)) < len(names):
            raise ValueError("attempts need names, each of its own")
        for attempt in self.attempts:
            unknown = [path for path in attempt.changes if not _is_setting(self.plain(), path)]
            if unknown:
                raise ValueError(f"attempt {attempt.name} changes {', '.join(unknown)}, which is no setting")
        return self

    @property
    def lesion_inputs(self) -> tuple[LesionVariable, ...]:
        """The lesion variables that the network is told: none where it takes the size from its attention."""
        return self.lesion if self.network.size == "lesion" else ()

    def attempt(self, name: str) -> Config:
        """These settings with the changes of one attempt; raises ValidationError where they do not fit."""
        changes = next(attempt.changes for attempt in self.attempts if attempt.name == name)
        plain = self.plain()
        for path, value in changes.items():
            *parents, last = path.split(".")
            place = plain
            for parent in parents:
                place = place[parent]
            place[last] = value
        return Config.model_validate(plain)

    def plain(self) -> dict[str, Any]:
        """As plain values that YAML and JSON can hold, under the names that the file uses."""
        return self.model_dump(mode="json", by_alias=True)


def _is_setting(plain: dict[str, Any], path: str) -> bool:
    place: Any = plain
    for part in path.split("."):
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True


def read_config(path: Path) -> Config:
    """Read and check a YAML file of settings, every attempt included.

    Raises:
        ConfigError: it is no YAML, or holds settings that are none; one sentence with all of them.
        OSError: it can not be read.
    """
    try:
        config = Config.model_validate(yaml.safe_load(path.read_text("utf-8")))
        for attempt in config.attempts:
            config.attempt(attempt.name)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        found = [f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(found)}") from None
    return config
