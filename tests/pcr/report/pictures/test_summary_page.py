"""The summary says everything, legibly and on its pages, and its views are not mirrored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes, find_objects, label

from pcr.case import PredictedCase, grow
from pcr.clinical import ClinicalRecord, encode
from pcr.lesion import outlined
from pcr.manifest import ClinicalVariable
from pcr.page import Illustrations
from pcr.report.pictures.canvas import drawable
from pcr.report.pictures.reformat import orthogonal_views
from pcr.report.pictures.summary import against_threshold, facts, percent, slice_name
from pcr.report.pictures.summary_page import draw_summary
from pcr.report.provenance import DRAWN_NOTICE, Provenance
from pcr.report.seg import OUTLINE_RGB
from tests.pcr.report.pictures.drawn_text import DrawnText, recorded

TILT = np.deg2rad(20)
AXES = {
    "axial": np.array([[1.0, 0, 0], [0, 1, 0]]),
    "sagittal": np.array([[0.0, 1, 0], [0, 0, -1]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, -1]]),
    "oblique": np.array([[1, 0, 0], [0, np.cos(TILT), np.sin(TILT)]]),
    "upside down": np.array([[-1.0, 0, 0], [0, -1, 0]]),
}
ON_EVERY_PAGE = (
    "Breast MRI: predicted response to neoadjuvant therapy",
    "Predicted response to neoadjuvant therapy, continued",
    DRAWN_NOTICE,
)
X, Y, Z = np.eye(3)
# What each view shows to its right and downwards, in the order in which they stand on the page.
CONVENTION = {"Axial": (X, Y), "Sagittal": (Y, -Z), "Coronal": (X, -Z)}


def said_in(drawn: DrawnText) -> str:
    """What is written on the pages but for their titles and notices, without spaces."""
    return "".join("".join(line.text.split()) for line in drawn.lines if line.text not in ON_EVERY_PAGE)


def three_arms() -> npt.NDArray[np.bool_]:
    """A lesion with an arm along each axis from one corner: its section is an L on every plane through the corner."""
    mask = np.zeros((12, 48, 64), dtype=bool)
    mask[3:9, 10:14, 12:16] = True
    mask[3:5, 10:24, 12:16] = True
    mask[3:5, 10:14, 12:30] = True
    return mask


def lopsided(places: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How far the mean of places [n, k] lies from the middle of their box, as a part of its size."""
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places.mean(axis=0) - (low + high) / 2) / (high - low))


def section_points(across: int) -> npt.NDArray[np.float64]:
    """Indices all over the voxels of the lesion's section across an axis, through the corner of its arms."""
    mask = np.take(three_arms(), [3, 10, 12][across], axis=across)
    fine = np.argwhere(mask.repeat(8, axis=0).repeat(8, axis=1)) / 8
    return np.insert(fine, across, 0.0, axis=1)


@pytest.mark.parametrize("plane", list(AXES))
def test_the_views_are_held_as_radiologists_hold_them(
    predict: Callable[..., PredictedCase], made: Provenance, plane: str
) -> None:
    right, down = AXES[plane]
    case = predict(axes=AXES[plane])
    lesion = outlined(three_arms(), case.volume, source="kinetic", laterality="right")
    page = draw_summary(grow(case, PredictedCase, lesion=lesion), made)[0]
    outlines, _ = label((page.pixels == OUTLINE_RGB).all(axis=-1), np.ones((3, 3)))
    found = [area for area in find_objects(outlines) if area[0].stop - area[0].start > 30]
    # In the order in which one reads: two rows of pictures.
    areas = sorted(found, key=lambda area: (area[0].start > 400, area[1].start))
    axes = np.array([np.cross(down, right), down, right])
    spacing_mm = (2.5, 1.5, 1.0)
    for area, (to_right, to_down) in zip(areas, CONVENTION.values(), strict=True):
        across = int(np.argmax(np.abs(axes @ np.cross(to_right, to_down))))
        points_mm = section_points(across) * spacing_mm
        # Pictures are cut along the volume's own axes: the ones nearest to where they should point.
        nearest = [int(np.argmax(np.abs(axes @ to))) for to in (to_down, to_right)]
        senses = [np.sign(axes[axis] @ to) for axis, to in zip(nearest, (to_down, to_right), strict=True)]
        expected = lopsided(points_mm[:, nearest] * senses)
        assert lopsided(np.argwhere(binary_fill_holes(outlines[area] > 0))) == pytest.approx(expected, abs=0.02)
        assert (np.abs(expected) > 0.05).all()


@pytest.mark.parametrize(
    ("plane", "names"),
    [("axial", ["Axial", "Sagittal", "Coronal"]), ("oblique", ["Axial, oblique", "Sagittal", "Coronal, oblique"])],
)
def test_a_view_says_when_it_is_oblique(predict: Callable[..., PredictedCase], plane: str, names: list[str]) -> None:
    assert [reformat.name for reformat in orthogonal_views(predict(axes=AXES[plane]), 100)] == names


@pytest.mark.parametrize(
    ("axes", "caption"),
    [
        (AXES["sagittal"], "Sagittal, right breast"),
        (np.array([[np.sin(TILT), np.cos(TILT), 0], [0, 0, -1]]), "Sagittal, oblique, right"),
    ],
)
def test_a_sagittal_view_says_of_which_breast_it_is(
    predict: Callable[..., PredictedCase], made: Provenance, axes: npt.NDArray[np.float64], caption: str
) -> None:
    with recorded() as drawn:
        draw_summary(predict(axes=axes), made)
    assert caption in {line.text for line in drawn.lines}


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal", "upside down"])
def test_the_letters_of_the_views_are_those_of_the_convention(
    predict: Callable[..., PredictedCase], plane: str
) -> None:
    case = predict(axes=AXES[plane])
    letters = [r.view.edge_letters(case.volume.geometry) for r in orthogonal_views(case, 100)]
    assert [(found["left"], found["top"]) for found in letters] == [("R", "A"), ("A", "H"), ("R", "H")]


def test_the_summary_says_the_facts(case: PredictedCase, made: Provenance) -> None:
    with recorded() as drawn:
        draw_summary(case, made)
    for fact in (
        "Probability of pathologic complete response (pCR)",
        "34 %",
        "Model parts spread from 28 % to 41 %",
        "Below the threshold of 45 %",
        "32 % of the patients that the model was trained on had a pCR",
        "threshold 45 %",
        "Imaging alone 30 %, clinical inputs alone 38 % (they are not averaged)",
        "base rate 32 %",
        "right breast, 1.9 ml, longest diameter",
        "box 15 x 21 x 18 mm",
        "age 55 years, hormone receptors positive, HER2 negative; missing: menopausal status",
        "-90 (pre), 30 (early), 150, 270 (late)",
        "breast_pcr 0.1.0, sha256 0123456789ab; software 0.1.0 on CPU",
        "Enhancement: washout",
        *case.warnings,
        DRAWN_NOTICE,
    ):
        assert "".join(fact.split()) in drawn.letters


def test_a_model_without_a_base_rate_is_compared_with_none(case: PredictedCase, made: Provenance) -> None:
    with recorded() as drawn:
        draw_summary(case, replace(made, base_rate=None))
    assert "base rate" not in drawn.joined
    assert "trained on" not in drawn.joined


def test_a_usual_case_is_told_on_one_page(case: PredictedCase, made: Provenance) -> None:
    assert len(draw_summary(grow(replace(case, warnings=()), PredictedCase), made)) == 1


def test_the_first_page_names_the_model_and_what_is_missing_even_where_there_is_most_to_say(
    predict: Callable[..., PredictedCase], made: Provenance
) -> None:
    bare = ClinicalRecord()
    variables = [ClinicalVariable(name=name) for name in ("age", "menopausal_status", "hr", "er", "pr", "her2")]
    case = grow(predict(above=None), PredictedCase, clinical=bare, encoded=encode(bare, variables))
    with recorded() as drawn:
        draw_summary(grow(case, PredictedCase, warnings=("the patient moved " * 100,)), made)
    first_page = drawn.letters[: drawn.letters.index("continued")]
    for fact in (
        "breast_pcr0.1.0",
        "(age,menopausalstatus,hormonereceptors,estrogenreceptor,progesteronereceptor,HER2)",
    ):
        assert fact in first_page


def test_warnings_that_are_on_a_further_page_are_announced_on_the_first(case: PredictedCase, made: Provenance) -> None:
    with recorded() as drawn:
        pages = draw_summary(grow(case, PredictedCase, warnings=("the patient moved " * 8,) * 6), made)
    assert len(pages) == 2
    assert "7 warnings: next page" in drawn.joined
    assert {"page 1 of 2", "page 2 of 2"} <= {line.text for line in drawn.lines}


@settings(max_examples=8)
@given(warnings=st.lists(st.text(max_size=400) | st.text("Wi", min_size=800, max_size=4000), max_size=8))
def test_all_warnings_are_told_in_full_on_some_page(case: PredictedCase, made: Provenance, warnings: list[str]) -> None:
    told = replace(case, warnings=tuple(warnings))
    with recorded() as drawn:
        draw_summary(told, made)
    assert drawn.outside == drawn.overlapping == []
    assert drawn.smallest >= 22
    said, start = said_in(drawn), 0
    for warning in warnings:
        start = said.index("Warning:" + "".join(drawable(warning).split()), start)


@settings(max_examples=8)
@given(
    phases=st.integers(3, 60),
    probability=st.floats(0, 1),
    threshold=st.floats(0, 1),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    base_rate=st.none() | st.floats(0, 1),
    above=st.sampled_from([True, False, None]),
)
def test_nothing_is_cut_off_or_written_over_whatever_the_figures_are(
    predict: Callable[..., PredictedCase],
    made: Provenance,
    phases: int,
    probability: float,
    threshold: float,
    ends: tuple[float, float],
    base_rate: float | None,
    above: bool | None,
) -> None:
    case = predict(record=ClinicalRecord()) if above is None else predict()
    spread = (probability * min(ends), probability + (1 - probability) * max(ends))
    prediction = replace(
        case.prediction, probability=probability, threshold=threshold, interval=spread, above_threshold=above
    )
    case = with_phases(grow(case, PredictedCase, prediction=prediction), phases)
    with recorded() as drawn:
        draw_summary(case, replace(made, base_rate=base_rate))
    assert drawn.outside == drawn.overlapping == []
    assert drawn.smallest >= 22
    last = case.volume.series.phases[-1]
    assert f"{last.after_injection_s:.0f}({last.role})" in said_in(drawn)


def with_phases(case: PredictedCase, count: int) -> PredictedCase:
    """The case with so many phases, 47 seconds apart, of which the second and the last are early and late."""
    series, kinetics = case.volume.series, case.lesion.kinetics
    pre, early = series.phases[:2]
    phases = tuple(
        replace(pre if n == 0 else early, time_s=47.0 * n, after_injection_s=47.0 * n - 60, role=role)
        for n, role in enumerate(["pre", "early", *["other"] * (count - 3), "late"])
    )
    signal = tuple(100.0 + 300 * n / (n + 2) for n in range(count))
    return replace(
        case,
        volume=replace(case.volume, series=replace(series, phases=phases)),
        lesion=replace(case.lesion, kinetics=replace(kinetics, mean_signal=signal)),
    )


def test_the_same_case_gives_the_same_summary_whoever_the_patient_is(
    predict: Callable[..., PredictedCase], pages: Illustrations, made: Provenance
) -> None:
    second = predict(identity={"PatientName": "Other^Person", "PatientID": "X", "StudyDescription": "of Other Person"})
    for a, b in zip(pages.summary, draw_summary(second, made), strict=True):
        assert np.array_equal(a.pixels, b.pixels)


def test_a_threshold_that_can_not_be_judged_is_not(predict: Callable[..., PredictedCase]) -> None:
    judged = against_threshold(predict(above=None))
    assert judged == "Not judged against the threshold of 45 %: inputs missing (menopausal status)"


@pytest.mark.parametrize(("above", "marked"), [(True, True), (False, True), (None, False)])
def test_the_scale_shows_a_threshold_only_where_it_is_judged_against(
    predict: Callable[..., PredictedCase], made: Provenance, above: bool | None, marked: bool
) -> None:
    with recorded() as drawn:
        draw_summary(predict(above=above), made)
    assert any(line.text == "threshold 45 %" for line in drawn.lines) == marked


@pytest.mark.parametrize(
    ("probability", "threshold", "said"),
    [
        (0.3614, 0.3617, "36.2 % (36.1 %)"),
        (0.45, 0.450001, "45.0001 % (45.0000 %)"),
        (0.45, float(np.nextafter(0.45, 1)), "45.00000000000001 % (45.00000000000000 %)"),
        (0.0002, 0.0003, "0.03 % (0.02 %)"),
        (0.45, 0.45, "45 %"),
    ],
)
def test_a_probability_next_to_the_threshold_is_told_from_it(
    case: PredictedCase, probability: float, threshold: float, said: str
) -> None:
    near = replace(
        case.prediction, probability=probability, threshold=threshold, above_threshold=probability >= threshold
    )
    side = "At or above" if probability >= threshold else "Below"
    assert against_threshold(replace(case, prediction=near)) == f"{side} the threshold of {said}"


def test_a_probability_is_never_rounded_to_certainty() -> None:
    told = {
        0: "0 %", 1e-9: "< 0.1 %", 0.003: "0.3 %", 0.342: "34 %", 0.998: "99.8 %", 1 - 1e-9: "> 99.9 %", 1: "100 %"
    }  # fmt: skip
    assert [percent(share) for share in told] == list(told.values())


@pytest.mark.parametrize(("volume_ml", "said"), [(1.94, "1.9 ml"), (0.05, "0.1 ml"), (0.049, "< 0.1 ml")])
def test_no_lesion_has_a_volume_of_0(case: PredictedCase, made: Provenance, volume_ml: float, said: str) -> None:
    lesion = replace(case.lesion, volume_ml=volume_ml)
    assert f"right breast, {said}," in facts(replace(case, lesion=lesion), made)[0].says


def test_a_slice_is_named_as_a_viewer_counts_it(case: PredictedCase) -> None:
    series = case.volume.series
    early = series.phase("early")
    frames = tuple(replace(frame, number=120 + place) for place, frame in enumerate(early.frames))
    phases = tuple(replace(early, frames=frames) if phase is early else phase for phase in series.phases)
    multi_frame = replace(case, volume=replace(case.volume, series=replace(series, phases=phases)))
    assert slice_name(case, 2).startswith("series 2, image 3, ")
    assert slice_name(multi_frame, 2).startswith("series 2, frame 122, ")
