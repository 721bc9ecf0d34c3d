"""What is drawn lies where it lies in the slice, looks the same each time, and names nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from pcr.attention import AttentionMap
from pcr.case import PredictedCase, grow
from pcr.page import OverlayPage
from pcr.report.canvas import Paragraph, fit, height_of
from pcr.report.overlay import MARGIN, MAX_SLICE_PAGES, PANEL_TOP, SUMMARY_PANEL, draw_pages
from pcr.report.provenance import Provenance
from pcr.report.seg import OUTLINE_RGB
from pcr.report.summary import details, headline, notes, percent
from pcr.report.views import edge_letters, model_window, whole_slice, window_edges

Pages = tuple[OverlayPage, ...]


def box(drawn: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is drawn."""
    rows, columns = np.nonzero(drawn)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def left_panel(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The whole slice on the summary page."""
    width, height = SUMMARY_PANEL
    return pixels[PANEL_TOP : PANEL_TOP + height, MARGIN : MARGIN + width]


def right_panel(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The model's window on the summary page."""
    width, height = SUMMARY_PANEL
    return pixels[PANEL_TOP : PANEL_TOP + height, 2 * MARGIN + width : 2 * (MARGIN + width)]


def test_the_outline_runs_around_the_lesion_in_pixels_that_are_not_square(pages: Pages) -> None:
    outline = (left_panel(pages[0].pixels) == OUTLINE_RGB).all(axis=-1)
    scale = SUMMARY_PANEL[1] / (48 * 1.5)
    expected = (10 * 1.5 * scale, 24 * 1.5 * scale, 12 * scale, 30 * scale)
    assert box(outline) == pytest.approx(expected, abs=4)


def test_the_outline_follows_the_shape_and_not_its_mirror_image(case: PredictedCase) -> None:
    view = whole_slice(case.volume.geometry, 424, 424)
    inside = view.inside(case.lesion.mask[case.lesion.largest_slice])
    for row, column, lesion in ((12, 14, True), (22, 14, True), (22, 28, True), (12, 28, False), (26, 14, False)):
        x, y = view.place(row, column)
        assert inside[int(y), int(x)] == lesion
    assert not (view.outline(case.lesion.mask[case.lesion.largest_slice], 2) & inside).any()


def test_a_drawn_pixel_is_square_in_the_patient(case: PredictedCase) -> None:
    for view in (
        whole_slice(case.volume.geometry, 400, 300),
        model_window(case.attention.window, case.volume.geometry, 300, 400),
    ):
        row_mm, column_mm = case.volume.geometry.pixel_spacing
        assert np.diff(view.rows)[0] * row_mm == pytest.approx(np.diff(view.columns)[0] * column_mm, rel=0.01)


def test_the_hottest_cell_is_drawn_in_its_corner_of_the_window(pages: Pages) -> None:
    panel = right_panel(pages[0].pixels).astype(int)
    redness = panel[..., 0] - panel[..., 2]
    quarter = SUMMARY_PANEL[0] // 4
    assert redness[30 : quarter - 30, 30 : quarter - 30].min() > 60
    assert redness[-quarter + 30 : -30, 30 : quarter - 30].max() < 40


def test_the_window_is_drawn_where_the_crop_was_cut(case: PredictedCase) -> None:
    (top, bottom), (left, right) = window_edges(case.attention.window)
    assert (bottom - top) * 1.5 == pytest.approx(32)
    assert right - left == pytest.approx(32)
    assert (top + bottom) / 2 == pytest.approx((10 + 23) / 2)


def test_orientation_letters_of_a_tilted_slice(case: PredictedCase) -> None:
    assert edge_letters(case.volume.geometry) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}


def test_orientation_letters_of_a_sagittal_slice(predict: Callable[..., PredictedCase]) -> None:
    sagittal = predict(axes=np.array([[0.0, 1, 0], [0, 0, -1]]))
    assert edge_letters(sagittal.volume.geometry) == {"left": "A", "right": "P", "top": "H", "bottom": "F"}


def test_summary_first_then_the_slices_of_the_lesion(case: PredictedCase, pages: Pages) -> None:
    assert [page.slice_index for page in pages] == [case.lesion.largest_slice, 3, 4, 5, 6, 7, 8]


def test_a_large_lesion_gets_eight_pages_from_end_to_end_with_the_most_attended_slice(
    case: PredictedCase, made: Provenance
) -> None:
    cells = {index: np.full((4, 4), 0.9 / 192) for index in range(12)}
    cells[7] += 0.1 / 16
    attended = grow(case, PredictedCase, attention=AttentionMap(case.attention.window, cells))
    slices = [page.slice_index for page in draw_pages(attended, made)[1:]]
    assert len(slices) == MAX_SLICE_PAGES
    assert (slices[0], slices[-1]) == (0, 11)
    assert 7 in slices


def test_the_same_case_gives_the_same_pixels_whoever_the_patient_is(
    predict: Callable[..., PredictedCase], pages: Pages, made: Provenance
) -> None:
    second = predict(
        identity={"PatientName": "Other^Person", "PatientID": "X", "SeriesDescription": "dyn Other Person"}
    )
    for a, b in zip(pages, draw_pages(second, made), strict=True):
        assert np.array_equal(a.pixels, b.pixels)


def test_the_summary_says_the_facts(case: PredictedCase, made: Provenance) -> None:
    said = " ".join(p.text for p in [*headline(case), *details(case, made), *notes(case)])
    for fact in (
        "34 %",
        "28 % to 41 %",
        "Below the threshold of 45 %",
        "Right breast, 1.9 ml",
        "Box 15 x 21 x 18 mm",
        "age 55 years, hormone receptors positive, HER2 negative",
        "Missing: menopausal status",
        "-90 (pre), 30 (early), 150, 270 (late)",
        "breast_pcr 0.1.0",
        case.warnings[0],
    ):
        assert fact in said


def test_a_threshold_that_can_not_be_judged_is_not(predict: Callable[..., PredictedCase]) -> None:
    assert "Not judged" in headline(predict(above=None))[3].text


def test_a_probability_next_to_the_threshold_is_told_from_it(case: PredictedCase) -> None:
    near = grow(case, PredictedCase, prediction=replace(case.prediction, probability=0.3614, threshold=0.3617))
    assert headline(near)[3].text == "Below the threshold of 36.17 % (36.14 %)"


def test_a_probability_is_never_rounded_to_certainty() -> None:
    assert [percent(share) for share in (0.003, 0.342, 0.998, 0, 1)] == ["0.3 %", "34 %", "99.8 %", "0 %", "100 %"]


@pytest.mark.parametrize("count", [1, 12, 200])
def test_text_never_leaves_its_box(count: int) -> None:
    warnings = [Paragraph("The images have moved between the phases; enhancement may be wrong. " * 2)] * count
    fitting = fit(warnings, 400, 300)
    assert height_of(fitting, 400) <= 300
    assert (len(fitting) == count) or "structured report" in fitting[-1].text
