"""The other way to one model: networks trained on everyone for as long as stopped networks needed.

An ensemble's members each leave an inner fold out, to be stopped by it; a refit leaves nobody out, and has nothing to
stop it; its members differ in their seeds, so that it, too, says how far they agree. Which is better is asked within
the training patients of every outer fold: one inner fold is judged by an ensemble over the others, and by a refit on
the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from training.config import Config
from training.data import Indices
from training.oof import joint_log_loss, out_of_fold
from training.recipes import FINAL_STAGE
from training.splits import Split
from training.step_runner import epochs_taken
from training.unit import Unit

Kind = Literal["ensemble", "refit"]

# The inner fold that is judged.
_JUDGED = 0
_NOBODY: Indices = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Log loss of both ways on the judged inner folds of all outer folds."""

    ensemble: float
    refit: float

    @property
    def kind(self) -> Kind:
        """The better one."""
        return "ensemble" if self.ensemble <= self.refit else "refit"


def trial_ensemble(members: Sequence[Split]) -> list[Split]:
    """From the splits of one outer fold: the judged inner fold held out, every other one stopping a member."""
    judged = members[_JUDGED]
    return [
        replace(
            member,
            fold=f"{member.fold}-trial",
            fit=np.setdiff1d(member.fit, judged.stop),
            held_out=judged.stop,
        )
        for member in members
        if member.member != judged.member
    ]


def trial_refit(members: Sequence[Split]) -> list[Split]:
    """From the splits of one outer fold: the judged inner fold held out, all others trained on, once a seed."""
    judged = members[_JUDGED]
    name = f"{judged.fold}-trial-refit"
    return [replace(judged, fold=name, member=m.member, stop=_NOBODY, held_out=judged.stop) for m in members]


def refit_of(members: Sequence[Split]) -> list[Split]:
    """From the splits of one outer fold: everyone trained on whom it does not judge, once a seed."""
    return [replace(m, fold=f"{m.fold}-refit", fit=np.union1d(m.fit, m.stop), stop=_NOBODY) for m in members]


def refit_on_all(members: Sequence[Split]) -> list[Split]:
    """From the splits of any outer fold: everyone trained on, nobody judged, once a seed."""
    return [
        replace(m, fold="all", fit=np.concatenate([m.fit, m.stop, m.held_out]), stop=_NOBODY, held_out=_NOBODY)
        for m in members
    ]


def refit_config(config: Config, stopped: Sequence[Unit]) -> Config:
    """The settings with, for each step, the mean number of epochs that the finished `stopped` units took."""
    taken = pd.DataFrame([epochs_taken(unit.folder) for unit in stopped]).mean().round().astype(int)
    steps = config.steps
    changes = {
        "global_": taken["1-global"],
        "guided": taken["2-attention"],
        "multimodal": taken["4-multimodal"],
    }
    updated = {
        name: getattr(steps, name).model_copy(update={"epochs": int(epochs)}) for name, epochs in changes.items()
    }
    return config.model_copy(update={"steps": steps.model_copy(update=updated)})


def preference(ensembles: Sequence[Sequence[Unit]], refits: Sequence[Sequence[Unit]]) -> Preference:
    """Which way the finished trials prefer; one ensemble and one refit for each outer fold."""
    return Preference(ensemble=_loss(ensembles), refit=_loss(refits))


def _loss(folds: Sequence[Sequence[Unit]]) -> float:
    return joint_log_loss(pd.concat([out_of_fold(units, FINAL_STAGE) for units in folds]))
