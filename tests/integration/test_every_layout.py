"""One patient in every layout, through the whole program: the same lesion, and nearly the same probability."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.layouts import PATIENT, PATIENTS, Found, different_patients, process, spread
from phantom import simulate
from phantom.layouts import DEFAULT, LAYOUTS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def found() -> list[Found]:
    phantom = simulate(PATIENT)
    return [process(phantom, name) for name in LAYOUTS]


def test_every_layout_comes_to_what_it_should(found: list[Found]) -> None:
    assert {row.layout: row.outcome for row in found} == {row.layout: row.expected for row in found}


def test_the_same_lesion_comes_out_of_all_layouts(found: list[Found]) -> None:
    read = [row for row in found if row.outcome == "read"]
    assert len(read) >= 14
    for row in read:
        assert row.centroid_error_mm is not None and row.centroid_error_mm < 2, row.layout
        assert row.volume_ratio == pytest.approx(1, abs=0.1), row.layout


def test_layouts_of_equal_plane_grid_and_times_give_one_probability(found: list[Found]) -> None:
    groups = spread(found)
    assert max(len(group) for group in groups.values()) >= 14
    assert all(max(group) - min(group) < 0.02 for group in groups.values())


def test_different_patients_have_different_probabilities() -> None:
    rows = [process(simulate(spec), DEFAULT) for spec in different_patients(PATIENTS)]
    probabilities = [row.probability for row in rows if row.probability is not None]
    assert len(probabilities) >= PATIENTS - 2
    assert statistics.stdev(probabilities) >= 0.05
