"""The cache: what the networks read is what the application would give them, computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pcr.crop import normalise
from pcr.lesion_box import encode_box
from training.backbones import make_backbone
from training.cohorts import Cohort, Patient
from training.config import Config
from training.crops import load_crop
from training.crossval import CrossValidation
from training.features import Cache, cache_name, cell_coverage, prepare_cache
from training.transforms import Variant, make_variants


@pytest.fixture(scope="module")
def patients(cohort: Cohort) -> tuple[Patient, ...]:
    return cohort.imaged[:2]


def with_network(config: Config, **changes: str) -> Config:
    return config.model_copy(update={"network": config.network.model_copy(update=changes)})


def variants_of(patient: Patient, index: int, config: Config) -> list[Variant]:
    assert patient.imaging is not None
    crop = load_crop(patient.imaging, config.crop)
    return make_variants(crop, config.crop, config.augmentation, (config.seed, index))


def cached(plan: CrossValidation) -> Cache:
    return Cache.read(plan.attempt_units("base")[0].cache)


def compute(folder: Path, patients: tuple[Patient, ...], config: Config) -> tuple[Cache, int]:
    """The cache, and of how many patients progress was told."""
    told: list[int] = []
    prepare_cache(folder, patients, config, 1, told.append)
    return Cache.read(folder), sum(told)


def test_a_frozen_backbone_leaves_the_cells_of_every_copy(plan: CrossValidation, patients: tuple[Patient, ...]) -> None:
    config = plan.config
    backbone = make_backbone(config.network.backbone).frozen()
    for index, patient in enumerate(patients):
        for cells, variant in zip(cached(plan).inputs[index], variants_of(patient, index, config), strict=True):
            image = torch.from_numpy(normalise(variant.pixels, config.normalisation))
            assert np.allclose(cells, backbone(image[None])[0], rtol=1e-2, atol=1e-2)


def test_a_backbone_that_learns_leaves_normalised_images_with_coverage_of_its_cells(
    patients: tuple[Patient, ...], config: Config, tmp_path: Path
) -> None:
    cache, _ = compute(
        tmp_path, patients, with_network(config, backbone="resnet10_layer2", backbone_training="fine_tuned")
    )
    for index, patient in enumerate(patients):
        for copy, variant in enumerate(variants_of(patient, index, config)):
            assert np.allclose(cache.inputs[index, copy], normalise(variant.pixels, config.normalisation), atol=1e-3)
            assert cache.coverage[index, copy].mean() == pytest.approx(variant.region.mean(), abs=1e-6)
    assert cache.coverage.shape[2:] == (2, 3, 3)


def test_the_sizes_are_those_of_each_copys_box(plan: CrossValidation, patients: tuple[Patient, ...]) -> None:
    lesion = cached(plan).lesion(plan.config.lesion)
    for index, patient in enumerate(patients):
        for size, variant in zip(lesion[index], variants_of(patient, index, plan.config), strict=True):
            assert size.numpy() == pytest.approx(encode_box(variant.box, plan.config.lesion), abs=1e-5)


def test_a_cell_is_covered_by_the_share_of_it_that_lies_inside_the_region() -> None:
    region = torch.zeros(1, 2, 4, 4)
    region[0, 0, :2, :3] = 1
    assert cell_coverage(region, (2, 2, 2))[0].tolist() == [[[1, 0.5], [0, 0]], [[0, 0], [0, 0]]]


def test_a_finished_cache_is_not_computed_again_and_a_broken_one_is(
    patients: tuple[Patient, ...], config: Config, tmp_path: Path
) -> None:
    patients, config = patients[:1], with_network(config, backbone="resnet10_layer2")
    whole = np.array(compute(tmp_path, patients, config)[0].inputs)
    np.save(tmp_path / "inputs.npy", np.zeros_like(whole))
    cache, told = compute(tmp_path, patients, config)
    assert told == len(patients)
    assert not cache.inputs.any()
    (tmp_path / "complete").unlink()
    cache, told = compute(tmp_path, patients, config)
    assert told == len(patients)
    assert np.array_equal(cache.inputs, whole)


@pytest.mark.parametrize(
    "path",
    ["seed", "crop.window_mm", "normalisation.ceiling", "augmentation.noise_sd"],
)
def test_what_changes_the_images_changes_the_name_of_the_cache(
    path: str, patients: tuple[Patient, ...], config: Config
) -> None:
    plain = config.plain()
    *parents, last = path.split(".")
    place = plain[parents[0]] if parents else plain
    place[last] *= 2
    assert cache_name(patients, Config.model_validate(plain)) != cache_name(patients, config)


def test_every_backbone_and_every_set_of_patients_has_its_own_cache(
    patients: tuple[Patient, ...], config: Config
) -> None:
    names = [
        cache_name(patients, config),
        cache_name(patients[:1], config),
        cache_name(patients, with_network(config, backbone="resnet10_layer2")),
        cache_name(patients, with_network(config, backbone_training="fine_tuned")),
    ]
    assert len(set(names)) == len(names)


def test_ways_that_differ_in_the_head_share_a_cache(patients: tuple[Patient, ...], config: Config) -> None:
    assert cache_name(patients, config.attempt("fusion_plain")) == cache_name(patients, config)
