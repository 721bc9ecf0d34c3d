"""The pages that a radiologist looks at: the slice, the lesion's outline, the model's window and its attention.

Everything is drawn at the resolution that it has: attention as cells, the outline along voxel edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pcr.case import PredictedCase
from pcr.page import OverlayPage
from pcr.report.canvas import AMBER, GREY, PAGE, WHITE, Paragraph, grey, heat, mark, to_image, write
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.seg import OUTLINE_RGB
from pcr.report.summary import details, headline, most_attended_slice, notes, percent, slice_name
from pcr.report.views import View, edge_letters, model_window, whole_slice, window_edges

WIDTH, HEIGHT = 1280, 800
MAX_SLICE_PAGES = 8
MARGIN = 16
PANEL_TOP = 112
FOOTER_TOP = 764
SUMMARY_PANEL = (424, 424)
SLICE_PANEL = (616, 570)
_OUTLINE_WIDTH = 2
_GREY_PERCENTILES = (1.0, 99.7)
_SUBTRACTION_PERCENTILES = (5.0, 99.8)
_LESION_PERCENTILE = 90.0
_SCALE_BAR_MM = 20


@dataclass(frozen=True, slots=True)
class _Scales:
    """What all pages share, so that they can be compared: grey windows and the largest attention of any cell."""

    early: tuple[float, float]
    subtraction: tuple[float, float]
    attention: float


def draw_pages(case: PredictedCase, made: Provenance) -> tuple[OverlayPage, ...]:
    """Draw the summary page and a page for each of up to eight slices of the lesion.

    The same case gives the same pixels. No text of the study's header is drawn, so nothing of the patient's identity.
    """
    chosen = _chosen_slices(case)
    main = case.lesion.largest_slice
    scales = _scales(case, sorted({main, *chosen}))
    return (
        OverlayPage(pixels=_summary_page(case, made, main, scales), slice_index=main),
        *(OverlayPage(pixels=_slice_page(case, index, scales), slice_index=index) for index in chosen),
    )


def _chosen_slices(case: PredictedCase) -> list[int]:
    """Slices with attention, evenly chosen from end to end, the most attended one among them."""
    attended = sorted(case.attention.cells)
    spread = np.linspace(0, len(attended) - 1, min(MAX_SLICE_PAGES, len(attended))).round().astype(int)
    chosen = [attended[i] for i in spread]
    most = most_attended_slice(case)
    nearest = min(range(len(chosen)), key=lambda place: abs(chosen[place] - most))
    chosen[nearest] = most
    return chosen


def _scales(case: PredictedCase, slices: list[int]) -> _Scales:
    view = model_window(case.attention.window, case.volume.geometry, *SUMMARY_PANEL)
    early = case.volume.phase("early").array
    subtracted = np.stack([view.sample(_subtraction(case, index)) for index in slices])
    # Every other row and column tells the percentiles as well.
    low, high = np.percentile(early[slices, ::2, ::2], _GREY_PERCENTILES)
    lesion = np.percentile(early[case.lesion.mask], _LESION_PERCENTILE)
    floor, ceiling = np.percentile(subtracted[:, ::2, ::2], _SUBTRACTION_PERCENTILES)
    return _Scales(
        early=(float(low), float(max(high, lesion))),
        subtraction=(float(floor), float(ceiling)),
        attention=max(float(cells.max()) for cells in case.attention.cells.values()),
    )


def _subtraction(case: PredictedCase, index: int) -> npt.NDArray[np.float32]:
    early, pre = (case.volume.phase(role).array[index].astype(np.float32) for role in ("early", "pre"))
    difference: npt.NDArray[np.float32] = early - pre
    return difference


def _summary_page(case: PredictedCase, made: Provenance, index: int, scales: _Scales) -> npt.NDArray[np.uint8]:
    page = _blank_page("Breast MRI: predicted response to neoadjuvant therapy")
    width, height = SUMMARY_PANEL
    right = 2 * MARGIN + width
    _draw_panels(page, case, index, scales, (MARGIN, right), (width, height))
    bottom = PANEL_TOP + height
    _legend(page, (MARGIN, bottom + 10), scales)
    write(page, (MARGIN, bottom + 84, right + width, FOOTER_TOP - 8), notes(case))
    column = right + width + 24
    write(page, (column, 64, WIDTH - MARGIN, FOOTER_TOP - 8), [*headline(case), *details(case, made)])
    return np.asarray(page)


def _slice_page(case: PredictedCase, index: int, scales: _Scales) -> npt.NDArray[np.uint8]:
    share = float(case.attention.cells[index].sum())
    page = _blank_page(f"Attention on this slice: {percent(share)} of all")
    width, height = SLICE_PANEL
    _draw_panels(page, case, index, scales, (MARGIN, WIDTH - MARGIN - width), (width, height))
    _legend(page, (MARGIN, PANEL_TOP + height + 12), scales)
    return np.asarray(page)


def _blank_page(title: str) -> Image.Image:
    page = Image.new("RGB", (WIDTH, HEIGHT), PAGE)
    write(page, (MARGIN, 14, WIDTH - MARGIN, 56), [Paragraph(title, 26)])
    ImageDraw.Draw(page).rectangle((0, FOOTER_TOP, WIDTH, HEIGHT), fill=(64, 46, 8))
    write(page, (MARGIN, FOOTER_TOP + 7, WIDTH - MARGIN, HEIGHT), [Paragraph(RESEARCH_NOTICE, 18, AMBER)])
    return page


def _draw_panels(
    page: Image.Image,
    case: PredictedCase,
    index: int,
    scales: _Scales,
    lefts: tuple[int, int],
    size: tuple[int, int],
) -> None:
    """The whole slice and the model's window side by side, each under its caption."""
    geometry = case.volume.geometry
    phase = case.volume.series.phase("early")
    whole, window = whole_slice(geometry, *size), model_window(case.attention.window, geometry, *size)
    (top, bottom), _ = window_edges(case.attention.window)
    window_mm = (bottom - top) * geometry.pixel_spacing[0]
    captions = (
        (f"Early phase, {phase.after_injection_s:.0f} s after injection", slice_name(case, index)),
        (f"Model's window, {window_mm:.0f} mm", "early minus pre-contrast, with attention"),
    )
    panels = (_whole_panel(case, index, whole, scales), _window_panel(case, index, window, scales))
    for left, view, panel, (caption, below) in zip(lefts, (whole, window), panels, captions, strict=True):
        write(page, (left, 62, left + size[0], PANEL_TOP), [Paragraph(caption, 17), Paragraph(below, 15, GREY)])
        page.paste(_lettered(panel, view, case), (left, PANEL_TOP))


def _whole_panel(case: PredictedCase, index: int, view: View, scales: _Scales) -> Image.Image:
    rgb = grey(view.sample(case.volume.phase("early").array[index]), *scales.early)
    rgb[view.outline(case.lesion.mask[index], _OUTLINE_WIDTH)] = OUTLINE_RGB
    panel = to_image(rgb)
    (top, bottom), (left, right) = window_edges(case.attention.window)
    box = (*view.place(top, left), *view.place(bottom, right))
    ImageDraw.Draw(panel).rectangle(box, outline=WHITE, width=2)
    return panel


def _window_panel(case: PredictedCase, index: int, view: View, scales: _Scales) -> Image.Image:
    """The subtraction under the attention cells of this slice, cell borders drawn, outline on top."""
    cells = case.attention.cells.get(index)
    rgb = grey(view.sample(_subtraction(case, index)), *scales.subtraction)
    if cells is not None:
        # The first drawn row and column of each cell.
        rows, columns = (-(-np.arange(n) * size // n) for size, n in zip(view.shape, cells.shape, strict=True))
        tiles = [tile for band in np.split(rgb, rows[1:]) for tile in np.split(band, columns[1:], axis=1)]
        for tile, shown, added in zip(tiles, *heat(cells.ravel() / scales.attention), strict=True):
            tile *= shown
            tile += added
        borders = np.zeros(view.shape, dtype=bool)
        borders[rows[1:]] = True
        borders[:, columns[1:]] = True
        rgb[borders] = rgb[borders] * 0.75 + 255 * 0.25
    rgb[view.outline(case.lesion.mask[index], _OUTLINE_WIDTH)] = OUTLINE_RGB
    return to_image(rgb)


def _lettered(panel: Image.Image, view: View, case: PredictedCase) -> Image.Image:
    """A panel with its orientation letters and a scale bar."""
    letters = edge_letters(case.volume.geometry)
    height, width = view.shape
    mark(panel, (8, height / 2), letters["left"], 20, "lm")
    mark(panel, (width - 8, height / 2), letters["right"], 20, "rm")
    mark(panel, (width / 2, 6), letters["top"], 20, "mt")
    mark(panel, (width / 2, height - 6), letters["bottom"], 20, "mb")
    end = 12 + _SCALE_BAR_MM * view.pixels_per_mm
    ImageDraw.Draw(panel).line((12, height - 12, end, height - 12), fill=WHITE, width=3)
    mark(panel, (12, height - 18), f"{_SCALE_BAR_MM} mm", 14, "lb")
    return panel


def _legend(page: Image.Image, corner: tuple[int, int], scales: _Scales) -> None:
    """What the line, the box and the colours mean."""
    x, y = corner
    draw = ImageDraw.Draw(page)
    draw.rectangle((x, y + 4, x + 22, y + 18), outline=OUTLINE_RGB, width=3)
    write(page, (x + 32, y, x + 240, y + 24), [Paragraph("lesion outline", 16)])
    draw.rectangle((x, y + 32, x + 22, y + 46), outline=WHITE, width=2)
    write(page, (x + 32, y + 28, x + 240, y + 52), [Paragraph("model's window", 16)])
    left = x + 220
    shown, added = heat(np.linspace(0, 1, 240))
    bar = np.tile(90.0 * shown + added, (22, 1, 1))
    page.paste(to_image(bar), (left, y))
    write(page, (left, y + 28, left + 500, y + 52), [Paragraph("0", 16)])
    write(
        page,
        (left + 200, y + 28, left + 700, y + 52),
        [Paragraph(f"{100 * scales.attention:.2g} % of all attention, per cell", 16)],
    )
