"""Batches: what an epoch shows follows from seed and epoch alone."""

from __future__ import annotations

import numpy as np

from training.data import VariantSampler


def _epoch(epoch: int, seed: int = 3) -> list[tuple[int, int]]:
    sampler = VariantSampler(np.arange(10), variants=4, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_an_epoch_shows_every_patient_once() -> None:
    assert sorted(patient for patient, _ in _epoch(0)) == list(range(10))


def test_an_epoch_is_the_same_whatever_came_before() -> None:
    assert _epoch(5) == _epoch(5)
    assert _epoch(5) != _epoch(6)
    assert _epoch(5) != _epoch(5, seed=4)
