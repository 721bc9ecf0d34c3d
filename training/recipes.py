"""Ways of training a network, by name; every imaging arm of the comparison is what one of them ends with."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from training.config import Config, GuidanceSettings
from training.networks import Network
from training.step_runner import StepRunner
from training.steps import GlobalStep, ImagingStep, JointStep, SingleJointStep

# What a recipe has learned after its imaging part, where that is an arm of its own, and at its end.
IMAGING_STAGE = "imaging"
FINAL_STAGE = "final"

Recipe = Callable[[Network, Config, StepRunner], None]


def stepwise_guided(network: Network, config: Config, run: StepRunner) -> None:
    """Ours: global, guided, multimodal."""
    _stepwise(network, config, run, config.guidance)


def stepwise_unguided(network: Network, config: Config, run: StepRunner) -> None:
    """The same steps, and nothing says where the tumour is."""
    _stepwise(network, config, run, None)


def single_guided(network: Network, config: Config, run: StepRunner) -> None:
    """Everything at once, with guidance."""
    run.step("single", SingleJointStep, config.steps.single, config.guidance)


def single_unguided(network: Network, config: Config, run: StepRunner) -> None:
    """Everything at once, without guidance."""
    run.step("single", SingleJointStep, config.steps.single, None)


def single_imaging(network: Network, config: Config, run: StepRunner) -> None:
    """The image alone at once, without guidance."""
    run.step("single", ImagingStep, config.steps.single, None)
    run.finished(IMAGING_STAGE)


def _stepwise(network: Network, config: Config, run: StepRunner, guidance: GuidanceSettings | None) -> None:
    run.step("1-global", GlobalStep, config.steps.global_, None)
    run.step("2-attention", ImagingStep, config.steps.guided, guidance)
    run.finished(IMAGING_STAGE)
    run.clinical("3-clinical")
    run.step("4-multimodal", JointStep, config.steps.multimodal, guidance)


RECIPES: MappingProxyType[str, Recipe] = MappingProxyType(
    {
        "stepwise_guided": stepwise_guided,
        "stepwise_unguided": stepwise_unguided,
        "single_guided": single_guided,
        "single_unguided": single_unguided,
        "single_imaging": single_imaging,
    }
)
