"""Slices are drawn where they lie, at the resolution that they have, and name nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from highdicom import CoordinateSystemNames
from highdicom.volume import VolumeGeometry
from PIL import Image
from pydicom.dataset import Dataset

from pcr.attention import AttentionMap
from pcr.case import PredictedCase, grow
from pcr.page import Illustrations, SlicePage
from pcr.report.pictures.colours import tint
from pcr.report.pictures.legend import attention_entry
from pcr.report.pictures.overlay import draw_slices
from pcr.report.pictures.views import slice_view, window_edges
from pcr.report.provenance import DRAWN_NOTICE
from pcr.report.seg import OUTLINE_RGB
from pcr.report.settings import Background, ReportSettings
from tests.pcr.report.pictures.drawn_text import recorded

SAGITTAL = np.array([[0.0, 1, 0], [0, 0, -1]])
PLANES = {"oblique": {}, "sagittal": {"axes": SAGITTAL}, "square pixels": {"spacing_mm": (1.0, 1.0)}}


def patient_place(page: SlicePage, source: Dataset, x: float, y: float) -> npt.NDArray[np.float64]:
    """Where the centre of a drawn pixel lies in the patient, by the attributes of the source image alone."""
    right, down = np.reshape(source.ImageOrientationPatient, (2, 3)).astype(float)
    row_mm, column_mm = (float(mm) for mm in source.PixelSpacing)
    first = np.array(source.ImagePositionPatient, dtype=float)
    first += down * page.first_pixel[0] * row_mm + right * page.first_pixel[1] * column_mm
    return first + page.pixel_mm * (x * right + y * down)


def source_of(case: PredictedCase, page: SlicePage) -> Dataset:
    return case.volume.series.phase("early").frames[page.slice_index].header


def voxel_of(page: SlicePage, source: Dataset, x: int, y: int) -> tuple[int, int]:
    """Row and column of the source image in whose voxel a drawn pixel lies."""
    right, down = np.reshape(source.ImageOrientationPatient, (2, 3)).astype(float)
    offset = patient_place(page, source, x, y) - np.array(source.ImagePositionPatient, dtype=float)
    row_mm, column_mm = (float(mm) for mm in source.PixelSpacing)
    return int(np.rint(offset @ down / row_mm)), int(np.rint(offset @ right / column_mm))


@pytest.fixture(scope="module", params=list(PLANES))
def planar(predict: Callable[..., PredictedCase], request: pytest.FixtureRequest) -> PredictedCase:
    """The case in an oblique and a sagittal plane of pixels that are not square, and in square ones."""
    return predict(**PLANES[request.param])


def test_there_is_a_page_for_every_slice_that_the_model_read(pages: Illustrations) -> None:
    assert [page.slice_index for page in pages.slices] == [3, 4, 5, 6, 7, 8]
    assert len({page.pixels.shape for page in pages.slices}) == 1


def test_the_outline_runs_just_outside_of_the_voxels_of_the_lesion(planar: PredictedCase) -> None:
    page = draw_slices(planar, ReportSettings())[0]
    source, lesion = source_of(planar, page), planar.lesion.mask[page.slice_index]
    view_rows, view_columns = slice_view(planar.volume.geometry, page.slice_index).shape
    line = (page.pixels[:view_rows, :view_columns] == OUTLINE_RGB).all(axis=-1)
    assert line.any()
    for y, x in np.argwhere(line):
        row, column = voxel_of(page, source, x, y)
        assert not lesion[row, column]
        assert lesion[row - 1 : row + 2, column - 1 : column + 2].any()


def test_the_outline_encloses_every_voxel_of_the_lesion(planar: PredictedCase) -> None:
    page = draw_slices(planar, ReportSettings())[0]
    source = source_of(planar, page)
    line = np.argwhere((page.pixels == OUTLINE_RGB).all(axis=-1))
    drawn = {voxel_of(page, source, x, y) for y, x in line if y < slice_view(planar.volume.geometry, 3).shape[0]}
    for row, column in np.argwhere(planar.lesion.mask[page.slice_index]):
        for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            beside = (int(row) + step[0], int(column) + step[1])
            assert beside in drawn or planar.lesion.mask[page.slice_index][beside]


def test_only_the_hottest_cell_is_hot(planar: PredictedCase) -> None:
    """It is the first of 4 x 4 cells in a window of 32 mm around rows 10 to 23 and columns 12 to 29."""
    page = draw_slices(planar, ReportSettings())[0]
    source = source_of(planar, page)
    height, width = slice_view(planar.volume.geometry, page.slice_index).shape
    picture = page.pixels[:height, :width].astype(int)
    hot = np.argwhere(picture[..., 0] - picture[..., 2] > 60)
    row_mm, column_mm = (float(mm) for mm in source.PixelSpacing)
    places = [patient_place(page, source, x, y) - np.array(source.ImagePositionPatient, dtype=float) for y, x in hot]
    right, down = np.reshape(source.ImageOrientationPatient, (2, 3)).astype(float)
    downs, rights = np.array(places) @ down, np.array(places) @ right
    top_mm, left_mm = 16.5 * row_mm - 16, 20.5 * column_mm - 16
    for found, start in ((downs, top_mm), (rights, left_mm)):
        assert found.min() == pytest.approx(start, abs=page.pixel_mm)
        assert found.max() == pytest.approx(start + 8, abs=page.pixel_mm)


def test_a_slice_with_enough_pixels_is_drawn_pixel_by_pixel() -> None:
    signal = np.arange(2 * 384 * 300).reshape(2, 384, 300)
    geometry = VolumeGeometry(np.diag([2.5, 0.8, 0.8, 1.0]), signal.shape, CoordinateSystemNames.PATIENT)
    view = slice_view(geometry, 1)
    assert view.pixel_mm == 0.8
    assert np.array_equal(view.sample(signal), signal[1])


def test_no_page_is_narrower_than_its_text_needs(predict: Callable[..., PredictedCase]) -> None:
    tall = draw_slices(predict(spacing_mm=(3.0, 1.0)), ReportSettings())[0]
    height, width = tall.pixels.shape[:2]
    assert width == 384
    assert not tall.pixels[:384, 200:].any()
    assert height > 384


def test_text_never_takes_more_of_a_page_than_the_picture(predict: Callable[..., PredictedCase]) -> None:
    case = predict(spacing_mm=(13.0, 1.0), identity={"SeriesNumber": 2**31 - 1})
    page = draw_slices(case, ReportSettings(background="subtraction"))[0]
    assert slice_view(case.volume.geometry, 3).shape[0] > 0.65 * page.pixels.shape[0]


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (1.5, 1.0), (0.9, 1.7), (0.7, 0.70001)])
def test_a_page_covers_the_whole_slice_in_square_pixels(
    predict: Callable[..., PredictedCase], spacing_mm: tuple[float, float]
) -> None:
    case = predict(spacing_mm=spacing_mm)
    view = slice_view(case.volume.geometry, 3)
    for places, size, mm in zip((view.rows, view.columns), (48, 64), spacing_mm, strict=True):
        half = view.pixel_mm / mm / 2
        assert places[0] - half == pytest.approx(-0.5)
        assert size - 0.5 - 1e-2 <= places[-1] + half < size - 0.5 + 2 * half
        assert np.diff(places) * mm == pytest.approx(view.pixel_mm)
    assert max(view.shape) >= 384
    assert min(spacing_mm) / view.pixel_mm == pytest.approx(round(min(spacing_mm) / view.pixel_mm))


def test_the_box_is_drawn_around_what_the_model_reads(case: PredictedCase) -> None:
    (top, bottom), (left, right) = window_edges(case.attention.window)
    assert (bottom - top) * 1.5 == pytest.approx(32)
    assert right - left == pytest.approx(32)
    assert (top + bottom) / 2 == pytest.approx((10 + 23) / 2)


def test_no_attention_leaves_the_picture_as_it_is(case: PredictedCase) -> None:
    none = {index: np.zeros((4, 4)) for index in case.attention.cells}
    none[3] = np.eye(4) / 4
    elsewhere = grow(case, PredictedCase, attention=AttentionMap(case.attention.window, none))
    height = slice_view(case.volume.geometry, 8).shape[0]
    picture = draw_slices(elsewhere, ReportSettings())[-1].pixels[:height]
    coloured = (picture.max(axis=-1) - picture.min(axis=-1)) > 20
    assert np.array_equal(coloured, (picture == OUTLINE_RGB).all(axis=-1))


def test_what_does_not_enhance_is_dark_in_the_subtraction(case: PredictedCase) -> None:
    early, subtraction = (draw_slices(case, ReportSettings(background=kind))[0] for kind in ("early", "subtraction"))
    # Upper right of the picture: tissue, outside of lesion and window.
    tissue = (slice(100, 150), slice(330, 360))
    assert subtraction.pixels[tissue].mean() < early.pixels[tissue].mean() - 10


def test_orientation_letters_of_a_tilted_slice(case: PredictedCase) -> None:
    letters = slice_view(case.volume.geometry, 3).edge_letters(case.volume.geometry)
    assert letters == {"left": "R", "right": "L", "top": "A", "bottom": "P"}


def test_orientation_letters_of_a_sagittal_slice(predict: Callable[..., PredictedCase]) -> None:
    geometry = predict(axes=SAGITTAL).volume.geometry
    letters = slice_view(geometry, 3).edge_letters(geometry)
    assert letters == {"left": "A", "right": "P", "top": "H", "bottom": "F"}


def test_the_same_case_gives_the_same_pixels_whoever_the_patient_is(
    predict: Callable[..., PredictedCase], pages: Illustrations
) -> None:
    second = predict(
        identity={"PatientName": "Other^Person", "PatientID": "X", "SeriesDescription": "dyn Other Person"}
    )
    for a, b in zip(pages.slices, draw_slices(second, ReportSettings()), strict=True):
        assert np.array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_sagittal_page_says_which_breast_it_shows(predict: Callable[..., PredictedCase], side: str) -> None:
    with recorded() as drawn:
        pages = draw_slices(predict(axes=SAGITTAL, laterality=side), ReportSettings())
    assert drawn.joined.count(f"Lesion in the {side} breast") >= len(pages)


def test_the_bar_of_the_legend_shows_attention_over_tissue_and_over_lesion() -> None:
    bar = Image.new("RGB", (100, 20))
    attention_entry(1.0).sign(bar, (0, 0, 99, 19))
    tissue, lesion = np.asarray(bar)[:10], np.asarray(bar)[10:]
    for half, level in ((tissue, 90), (lesion, 235)):
        alone = np.full((1, 100, 3), level, dtype=np.uint8)
        tint(alone, np.linspace(0, 1, 100)[None])
        assert (half == alone).all()


def test_every_page_says_what_it_shows(case: PredictedCase) -> None:
    with recorded() as drawn:
        draw_slices(case, ReportSettings())
    for fact in (
        "lesion outline",
        "model's window",
        "attention, 0 to 27 % of all per cell",
        "Lesion in the right breast. Early phase, 30 s after injection",
        "series 2, image 4, F 35.0 mm; attention on this slice: 30 % of all",
        DRAWN_NOTICE,
        *"RLAP",
    ):
        assert fact in drawn.joined


# The fourth has 512 rows and 128 columns as it is drawn.
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (1.5, 1.0), (4.0, 1.0), (5.333, 1.0), (1.0, 0.2), (1.0, 4.0)])
@pytest.mark.parametrize("background", ["early", "subtraction"])
def test_text_is_legible_on_its_page_and_on_no_other_text(
    predict: Callable[..., PredictedCase], spacing_mm: tuple[float, float], background: Background
) -> None:
    case = predict(spacing_mm=spacing_mm)
    with recorded() as drawn:
        pages = draw_slices(case, ReportSettings(background=background))
    assert drawn.smallest >= 11 * max(1, max(pages[0].pixels.shape) / 512)
    assert drawn.outside == drawn.overlapping == []


def test_all_pages_have_one_size_however_long_the_numbers_of_a_slice_are(
    predict: Callable[..., PredictedCase],
) -> None:
    case = predict(identity={"SeriesNumber": 2**31 - 1})
    with recorded() as drawn:
        pages = draw_slices(case, ReportSettings())
    assert len({page.pixels.shape for page in pages}) == 1
    assert drawn.outside == drawn.overlapping == []
