"""Invented cohorts on disk, and settings that train on one in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from rich.progress import Progress

from tests.training.invented_cohorts import GRID, SLICES, TARGETS, write_cohort, write_full_cohort
from training.cohorts import Cohort, read_cohort
from training.config import Config, read_config
from training.crossval import CrossValidation, crossval
from training.export import export
from training.features import prepare_cache
from training.runfolder import RunFolder
from training.unit import Unit, run_unit


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reduced pack: I-SPY 2 with images, rows only and an unknown label; I-SPY 1 whose files are no images at all."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def own_cohort_folder(tmp_path: Path) -> Path:
    """The same, to be damaged by a test."""
    return write_cohort(tmp_path / "cohort")


@pytest.fixture(scope="session")
def full_cohort_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full release: whole volumes of five phases, with contours."""
    return write_full_cohort(tmp_path_factory.mktemp("full"))


@pytest.fixture
def own_full_cohort_folder(tmp_path: Path) -> Path:
    """The same, to be damaged by a test."""
    return write_full_cohort(tmp_path / "full")


@pytest.fixture(scope="session")
def config() -> Config:
    default = read_config(Path(__file__).parents[2] / "training" / "configs" / "default.yaml")
    plain = default.plain()
    plain |= {"folds": 2, "members": 3, "smallest_site": 4, "bootstrap": 50}
    plain["crop"] |= {"grid": GRID, "slices": SLICES}
    plain["augmentation"] |= {"shifted": 1, "altered": 1}
    plain["network"] |= {"components": 3, "attention_hidden": 4}
    plain["optimisation"] |= {"batch_size": 6}
    for step in plain["steps"].values():
        step |= {"epochs": 2}
    plain["attempts"] = [attempt for attempt in plain["attempts"] if attempt["name"] in ("base", "fusion_plain")]
    return Config.model_validate(plain)


@pytest.fixture(scope="session")
def cohort(cohort_folder: Path) -> Cohort:
    return read_cohort(cohort_folder, "ISPY2", TARGETS)


@pytest.fixture(scope="session")
def finished(cohort: Cohort, config: Config, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run folder of an unbroken crossval; not to be written to."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    crossval(cohort, config, run, 1, Progress(disable=True))
    return run


@pytest.fixture(scope="session")
def plan(cohort: Cohort, config: Config, finished: RunFolder) -> CrossValidation:
    """The finished units of that crossval; not to be written to."""
    return CrossValidation(cohort, config, finished)


@pytest.fixture(scope="session")
def model_folder(finished: RunFolder, cohort: Cohort, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of that run; not to be written to."""
    folder = tmp_path_factory.mktemp("model")
    export(cohort, config, finished, folder, Progress(disable=True))
    return folder


@pytest.fixture
def own_run(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the finished run folder, to be damaged by a test."""
    return RunFolder(shutil.copytree(finished.root, tmp_path / "own_run"))


@pytest.fixture(scope="session", params=["lite0_block2", "resnet10_layer2"])
def fine_tuned(
    request: pytest.FixtureRequest, cohort: Cohort, config: Config, tmp_path_factory: pytest.TempPathFactory
) -> Unit:
    """A finished unit of one epoch a step whose backbone learned too; not to be written to."""
    plain = config.plain()
    plain["network"] |= {"backbone": request.param, "backbone_training": "fine_tuned"}
    for step in plain["steps"].values():
        step |= {"epochs": 1}
    plan = CrossValidation(cohort, Config.model_validate(plain), RunFolder(tmp_path_factory.mktemp(request.param)))
    unit = plan.unit("base", "stepwise_guided", plan.splits[0])
    prepare_cache(unit.cache, plan.patients, unit.config, 1, lambda _: None)
    run_unit(unit)
    return unit


@pytest.fixture(scope="session")
def config_file(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(config.plain()), "utf-8")
    return path
