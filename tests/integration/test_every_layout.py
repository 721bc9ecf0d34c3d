"""One patient in every layout, through the whole program: the same lesion, and nearly the same probability."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import pytest

from benchmarks.layouts import spread
from tests.checks.examined import Examined

pytestmark = pytest.mark.integration


def test_every_layout_comes_to_what_it_should(layouts: Mapping[str, Examined]) -> None:
    rows = [examined.found for examined in layouts.values()]
    assert {row.layout: row.outcome for row in rows} == {row.layout: row.expected for row in rows}


def test_the_same_lesion_comes_out_of_all_layouts(layouts: Mapping[str, Examined]) -> None:
    read = [examined.found for examined in layouts.values() if examined.found.outcome == "read"]
    assert len(read) >= 14
    for row in read:
        assert row.centroid_error_mm is not None and row.centroid_error_mm < 2, row.layout
        assert row.volume_ratio == pytest.approx(1, abs=0.1), row.layout


def test_layouts_of_equal_plane_grid_and_times_give_one_probability(layouts: Mapping[str, Examined]) -> None:
    groups = spread([examined.found for examined in layouts.values()])
    assert max(len(group) for group in groups.values()) >= 14
    assert all(max(group) - min(group) < 0.02 for group in groups.values())


def test_different_patients_have_different_probabilities(patients: Mapping[str, Examined]) -> None:
    probabilities = [e.found.probability for e in patients.values() if e.found.probability is not None]
    assert len(probabilities) >= len(patients) - 2
    assert statistics.stdev(probabilities) >= 0.05
