"""Cross-validation on the development data set: attempts, the choice among them, all arms, and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
from rich.progress import Progress

from training.arms import (
    AGAINST,
    IMAGING_ARMS,
    OURS,
    RECIPES_OF_ARMS,
    SITE_RECIPES,
    baseline_result,
    imaging_result,
)
from training.baselines import clinical_logits, with_size
from training.cohorts import DEVELOPMENT, Cohort, Patient
from training.config import Config
from training.data import ClinicalRows, clinical_rows
from training.features import Cache, cache_name, prepare_cache
from training.oof import stopping_log_loss
from training.recipes import FINAL_STAGE
from training.refit import (
    Kind,
    Preference,
    preference,
    refit_config,
    refit_of,
    refit_on_all,
    trial_ensemble,
    trial_refit,
)
from training.report import ArmResult, write_report
from training.runfolder import RunFolder
from training.splits import Split, nested_splits, site_splits
from training.summary import summarise
from training.unit import Unit, run_unit

# What is shipped, and what the attempts are compared by.
SHIPPED_RECIPE = "stepwise_guided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Inner validation log loss of every attempt in every fold, and what it chooses."""

    log_loss: dict[str, dict[str, float]]

    @property
    def shipped(self) -> str:
        """The attempt with the lowest mean over the folds."""
        return min(self.log_loss, key=lambda name: sum(self.log_loss[name].values()))

    def of_fold(self, fold: str) -> str:
        """The attempt with the lowest log loss in one fold."""
        return min(self.log_loss, key=lambda name: self.log_loss[name][fold])

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        folds = next(iter(self.log_loss.values()))
        return {
            "shipped": self.shipped,
            "of_fold": {fold: self.of_fold(fold) for fold in folds},
            "log_loss": {name: {f: round(loss, 5) for f, loss in each.items()} for name, each in self.log_loss.items()},
        }


class CrossValidation:
    """The units of one run, made from cohort and configuration; nothing is trained before it is asked for."""

    def __init__(self, cohort: Cohort, config: Config, run: RunFolder) -> None:
        if cohort.dataset != DEVELOPMENT:
            raise ValueError(f"crossval learns from {DEVELOPMENT} alone, not from {cohort.dataset}")
        self.cohort = cohort
        self.config = config
        self.configs = {attempt.name: config.attempt(attempt.name) for attempt in config.attempts}
        self.run = run
        self.patients: Sequence[Patient] = cohort.imaged
        variables = config.clinical.variables
        self.rows: ClinicalRows = clinical_rows(self.patients, variables)
        rows_only = clinical_rows(cohort.rows_only, variables)
        self.splits = nested_splits(self.patients, rows_only, config)
        self.site_splits = site_splits(self.patients, rows_only, config)

    def unit(self, attempt: str, recipe: str, split: Split) -> Unit:
        """One training, by the names of what it is made of."""
        config = self.configs[attempt]
        return Unit(
            recipe=recipe,
            config=config,
            split=split,
            folder=self.run.unit(attempt, recipe, split),
            cache=self.run.features / cache_name(self.patients, config),
            rows=self.rows,
        )

    def attempt_units(self, attempt: str) -> list[Unit]:
        """All members of all folds of an attempt."""
        return [self.unit(attempt, SHIPPED_RECIPE, split) for split in self.splits]

    def choice(self) -> Choice:
        """What the inner validation says of the attempts; their units are finished."""
        losses: dict[str, dict[str, float]] = {}
        for attempt in self.config.attempts:
            units = self.attempt_units(attempt.name)
            losses[attempt.name] = {
                fold: stopping_log_loss([unit for unit in units if unit.split.fold == fold], FINAL_STAGE)
                for fold in self.folds
            }
        return Choice(log_loss=losses)

    def members(self, fold: str) -> list[Split]:
        """The splits of one outer fold."""
        return [split for split in self.splits if split.fold == fold]

    @property
    def folds(self) -> list[str]:
        """Names of the outer folds."""
        return list(dict.fromkeys(split.fold for split in self.splits))

    def trial_ensembles(self, attempt: str) -> list[list[Unit]]:
        """For each outer fold, the ensemble that is compared with a refit."""
        return [
            [self.unit(attempt, SHIPPED_RECIPE, split) for split in trial_ensemble(self.members(fold))]
            for fold in self.folds
        ]

    def trial_refits(self, attempt: str) -> list[list[Unit]]:
        """For each outer fold, the refit that is compared with the finished ensemble."""
        return [
            self.refit(attempt, trial_refit(self.members(fold)), units)
            for fold, units in zip(self.folds, self.trial_ensembles(attempt), strict=True)
        ]

    def refit(self, attempt: str, splits: Sequence[Split], stopped: Sequence[Unit]) -> list[Unit]:
        """Trainings that nobody stops, for as long as the finished `stopped` ones took."""
        config = refit_config(self.configs[attempt], stopped)
        return [replace(self.unit(attempt, SHIPPED_RECIPE, split), config=config) for split in splits]

    def judged_units(self, attempt: str, kind: Kind) -> list[Unit]:
        """What the out-of-fold figures of the shipped model are of."""
        if kind == "ensemble":
            return self.attempt_units(attempt)
        stopped = self.attempt_units(attempt)
        return [
            unit
            for fold in self.folds
            for unit in self.refit(
                attempt, refit_of(self.members(fold)), [unit for unit in stopped if unit.split.fold == fold]
            )
        ]

    def shipped_units(self, attempt: str, kind: Kind) -> list[Unit]:
        """The networks of the shipped model."""
        units = self.attempt_units(attempt)
        if kind == "ensemble":
            return units
        return self.refit(attempt, refit_on_all(self.members(self.folds[0])), units)

    def arm_units(self, recipe: str, choice: Choice) -> list[Unit]:
        """All members of all folds of a recipe, each fold under the attempt that it chose."""
        return [self.unit(choice.of_fold(split.fold), recipe, split) for split in self.splits]

    def site_units(self, recipe: str, choice: Choice) -> list[Unit]:
        """A recipe with every site left out in turn."""
        return [self.unit(choice.shipped, recipe, split) for split in self.site_splits]

    def baselines(self) -> list[ArmResult]:
        """Arm 1, and the same with the lesion's size beside it."""
        label = self.rows.label.numpy() > 0.5
        cache = Cache.read(self.unit(self.config.attempts[0].name, SHIPPED_RECIPE, self.splits[0]).cache)
        size = cache.lesion(self.config.lesion)[:, 0].numpy().astype(np.float64)
        clinical, sized = np.empty(len(label)), np.empty(len(label))
        fold = np.empty(len(label), dtype=object)
        for split in (self.members(fold)[0] for fold in self.folds):
            logit = clinical_logits(self.rows, split, self.config.clinical)
            clinical[split.held_out] = logit[split.held_out]
            sized[split.held_out] = with_size(logit, size, label, split)[split.held_out]
            fold[split.held_out] = split.fold
        return [
            baseline_result("1", "clinical only", clinical, list(fold), self.patients),
            baseline_result("1+size", "clinical + lesion size, no network", sized, list(fold), self.patients),
        ]


def crossval(cohort: Cohort, config: Config, run: RunFolder, workers: int, progress: Progress) -> dict[str, Any]:
    """Train whatever is not finished yet, and write the report, `out_of_fold.csv` and `metrics.json`.

    Attempts come first; then the arms, each fold under the attempt that its own inner validation chose; then the
    sites. The result does not depend on `workers`, the number of trainings beside each other.

    Raises:
        ValueError: the cohort is not the development data set.
        RunFolderError: the folder is another run's.
    """
    plan = CrossValidation(cohort, config, run)
    run.claim(config, cohort)
    _prepare(plan, workers, progress)
    attempts = [unit for attempt in config.attempts for unit in plan.attempt_units(attempt.name)]
    _train(attempts, workers, progress, "Attempts")
    choice = plan.choice()
    arms = [unit for recipe in RECIPES_OF_ARMS for unit in plan.arm_units(recipe, choice)]
    _train(arms, workers, progress, "Arms")
    sites = [unit for recipe in SITE_RECIPES for unit in plan.site_units(recipe, choice)]
    _train(sites, workers, progress, "Sites left out")
    ensembles = plan.trial_ensembles(choice.shipped)
    _train([unit for units in ensembles for unit in units], workers, progress, "Ensemble or refit: ensembles")
    refits = plan.trial_refits(choice.shipped)
    _train([unit for units in refits for unit in units], workers, progress, "Ensemble or refit: refits")
    prefers = preference(ensembles, refits)
    shipped = {
        unit.folder: unit
        for units in (plan.judged_units(choice.shipped, prefers.kind), plan.shipped_units(choice.shipped, prefers.kind))
        for unit in units
    }
    _train(list(shipped.values()), workers, progress, f"Shipped: {prefers.kind}")
    return _finish(plan, choice, prefers)


def _prepare(plan: CrossValidation, workers: int, progress: Progress) -> None:
    """The caches of all attempts, each once."""
    for name, config in {cache_name(plan.patients, config): config for config in plan.configs.values()}.items():
        task = progress.add_task(f"Reading, {config.network.backbone}", total=len(plan.patients))
        folder = plan.run.features / name
        prepare_cache(folder, plan.patients, config, workers, lambda done, task=task: progress.advance(task, done))


def _train(units: Sequence[Unit], workers: int, progress: Progress, title: str) -> None:
    task = progress.add_task(title, total=len(units), completed=sum(unit.finished for unit in units))
    waiting: Iterable[Unit] = [unit for unit in units if not unit.finished]
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    for _ in parallel(joblib.delayed(run_unit)(unit) for unit in waiting):
        progress.advance(task)


def _finish(plan: CrossValidation, choice: Choice, prefers: Preference) -> dict[str, Any]:
    config, run = plan.config, plan.run
    results = plan.baselines()
    results += [imaging_result(arm, plan.arm_units(arm.recipe, choice), plan.patients) for arm in IMAGING_ARMS]
    results.sort(key=lambda result: result.key)
    comparison = write_report(results, OURS, AGAINST, config.bootstrap, config.seed, run.report)
    joint = {arm.recipe: arm for arm in IMAGING_ARMS if arm.logit == "joint_logit"}
    left_out = [imaging_result(joint[name], plan.site_units(name, choice), plan.patients) for name in SITE_RECIPES]
    sites = write_report(left_out, OURS, AGAINST[1:2], config.bootstrap, config.seed, run.report / "sites")
    shipped = summarise(plan.judged_units(choice.shipped, prefers.kind), plan.patients, config, run)
    metrics = shipped | {
        "choice": choice.plain() | {"kind": prefers.kind, "ensemble": prefers.ensemble, "refit": prefers.refit},
        "comparison": comparison,
        "sites": sites,
    }
    run.metrics.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    return metrics
