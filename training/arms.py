"""The arms of the comparison (design section 6) and the ablations beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.cohorts import Patient
from training.oof import cross_fitted, out_of_fold
from training.recipes import FINAL_STAGE, IMAGING_STAGE
from training.report import ArmResult
from training.unit import Unit

Floats = npt.NDArray[np.float64]

OURS = "7"
AGAINST = ("1", "3", "5", "1+size")
# Whose sites are left out as well.
SITE_RECIPES = ("single_unguided", "stepwise_guided")
_ATTENTION = ("attention_inside", "attention_inside_shifted", "prior_inside_shifted", "box_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingArm:
    """An arm that is a stage of a recipe, judged by one of its logits; `guided` tells whether its attention is told
    where to look."""

    key: str
    name: str
    recipe: str
    stage: str
    logit: str


IMAGING_ARMS = (
    ImagingArm(
        key="2",
        name="single stage, unguided, images only",
        recipe="single_imaging",
        stage=IMAGING_STAGE,
        logit="imaging_logit",
    ),
    ImagingArm(
        key="3",
        name="single stage, unguided, images + clinical",
        recipe="single_unguided",
        stage=FINAL_STAGE,
        logit="joint_logit",
    ),
    ImagingArm(key="4", name="stepwise, unguided", recipe="stepwise_unguided", stage=FINAL_STAGE, logit="joint_logit"),
    ImagingArm(key="5", name="single stage, guided", recipe="single_guided", stage=FINAL_STAGE, logit="joint_logit"),
    ImagingArm(
        key="6",
        name="stepwise, guided, images only",
        recipe="stepwise_guided",
        stage=IMAGING_STAGE,
        logit="imaging_logit",
    ),
    ImagingArm(
        key="7",
        name="stepwise, guided, multimodal (ours)",
        recipe="stepwise_guided",
        stage=FINAL_STAGE,
        logit="joint_logit",
    ),
)
RECIPES_OF_ARMS = tuple(dict.fromkeys(arm.recipe for arm in IMAGING_ARMS))


def imaging_result(arm: ImagingArm, units: Sequence[Unit], patients: Sequence[Patient]) -> ArmResult:
    """An arm's out-of-fold predictions as the report wants them."""
    table = out_of_fold(units, arm.stage)
    members = [
        name for name in table if name.startswith(f"{arm.logit}_") and name.removeprefix(f"{arm.logit}_").isdigit()
    ]
    seeds = {f"logit_{number}": table[name].to_numpy(float) for number, name in enumerate(members)}
    attention = {name: table[name].to_numpy(float) for name in _ATTENTION}
    return _result(arm.key, arm.name, patients, table, table[arm.logit].to_numpy(float), seeds | attention)


def baseline_result(key: str, name: str, logit: Floats, fold: Sequence[str], patients: Sequence[Patient]) -> ArmResult:
    """The same for a regression, which has one seed and no attention."""
    table = pd.DataFrame({"pcr": [int(bool(patient.pcr)) for patient in patients], "fold": fold})
    return _result(key, name, patients, table, logit, {"logit_0": logit})


def _result(
    key: str,
    name: str,
    patients: Sequence[Patient],
    table: pd.DataFrame,
    logit: Floats,
    further: Mapping[str, Floats],
) -> ArmResult:
    fold = table["fold"].to_numpy(dtype=str)
    probability, above = cross_fitted(logit, table["pcr"].to_numpy(bool), fold)
    columns = {
        "patient_id": [patient.patient_id for patient in patients],
        "site": [patient.site for patient in patients],
        "age": [patient.age_years for patient in patients],
        "receptor_subtype": [patient.receptor_subtype for patient in patients],
        "pcr": table["pcr"].to_numpy(int),
        "fold": fold,
        "probability": probability,
        "above": above,
    }
    return ArmResult(key=key, name=name, table=pd.DataFrame(columns | dict(further)))
