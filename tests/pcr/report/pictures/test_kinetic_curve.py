"""The kinetic curve shows every phase at its time and height, and its words do not touch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pcr.case import PredictedCase
from pcr.report.pictures.kinetic_curve import CurvePoint, curve_points, draw_curve, ticks_between
from tests.pcr.report.pictures.drawn_text import DrawnText, recorded

SIDE, SIZE = 272, 22


def curve(points: list[CurvePoint]) -> tuple[Image.Image, DrawnText]:
    page = Image.new("RGB", (SIDE, SIDE))
    with recorded() as drawn:
        draw_curve(page, (0, 0, SIDE, SIDE), points, SIZE)
    return page, drawn


def place_of(page: Image.Image, column: int) -> int:
    """The row of the highest white pixel of a column."""
    return int(np.flatnonzero(np.asarray(page)[:, column].min(axis=-1) > 200)[0])


def test_enhancement_counts_from_the_pre_contrast_phase(case: PredictedCase) -> None:
    points = curve_points(case.lesion.kinetics, case.volume.series)
    assert [p.role for p in points] == ["pre", "early", "other", "late"]
    assert [p.after_injection_s for p in points] == [-90, 30, 150, 270]
    assert points[0].enhancement_percent == 0
    assert points[1].enhancement_percent == pytest.approx(case.lesion.kinetics.early_enhancement_percent)


def test_a_curve_that_falls_is_drawn_falling() -> None:
    page, _ = curve([CurvePoint(-60, 0, "pre"), CurvePoint(60, 200, "early"), CurvePoint(400, 100, "late")])
    heights = [place_of(page, column) for column in (130, 170, 210)]
    assert heights == sorted(heights)
    assert heights[0] < heights[2] - 20


def test_a_pre_contrast_phase_of_long_ago_leaves_the_others_their_room() -> None:
    later = [CurvePoint(30, 180, "other"), CurvePoint(150, 160, "early"), CurvePoint(400, 140, "late")]
    _, drawn = curve([CurvePoint(-1400, 0, "pre"), *later])
    early, late = (next(line.box for line in drawn.lines if line.text == role) for role in ("early", "late"))
    assert late[2] - early[0] > 70


@given(
    steps=st.lists(st.floats(3, 600), min_size=2, max_size=30),
    before_s=st.floats(1, 2000),
    enhancement=st.lists(st.floats(-90, 900), min_size=30, max_size=30),
    early=st.integers(0, 28),
)
def test_names_and_figures_stay_in_the_picture_and_off_each_other(
    steps: list[float], before_s: float, enhancement: list[float], early: int
) -> None:
    times = np.cumsum([-before_s, before_s, *steps]).tolist()[: len(steps) + 1]
    roles = ["pre", *["other"] * (len(times) - 2), "late"]
    roles[1 + early % (len(times) - 2)] = "early"
    points = [
        CurvePoint(time, level if role != "pre" else 0.0, role)
        for time, level, role in zip(times, enhancement, roles, strict=False)
    ]
    _, drawn = curve(points)
    assert drawn.outside == drawn.overlapping == []
    assert {"pre", "early", "late", "%", "s after injection"} <= {line.text for line in drawn.lines}


@given(low=st.floats(-1000, 0), rise=st.floats(0.5, 1e6))
def test_ticks_enclose_what_is_drawn_with_few_round_numbers(low: float, rise: float) -> None:
    ticks = ticks_between(low, low + rise)
    assert ticks[0] <= low
    assert ticks[-1] >= low + rise
    assert 2 <= len(ticks) <= 5
    assert np.ptp(np.diff(ticks)) == pytest.approx(0, abs=1e-6 * rise)
