"""The pages that scroll with the source: each slice that the model read, with what was found on it.

Everything is drawn at the resolution that it has: pixels of the source, attention as cells, the outline along voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pcr.case import PredictedCase
from pcr.page import SlicePage
from pcr.report.pictures.canvas import Paragraph, height_of, write
from pcr.report.pictures.colours import AMBER, BLACK, PAGE
from pcr.report.pictures.findings import Scales, common_scales, draw_findings, draw_letters, draw_window
from pcr.report.pictures.legend import Legend, attention_entry, outline_entry, window_entry
from pcr.report.pictures.summary import percent, phase_name, slice_name
from pcr.report.pictures.views import View, slice_view
from pcr.report.provenance import DRAWN_NOTICE
from pcr.report.settings import ReportSettings

SMALLEST_WIDTH = 384
# What is legible on a page that is shown at 512 pixels.
SHOWN_WIDTH = 512
_TEXT, _LETTERS, _SMALLEST_TEXT = 13, 16, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What all pages of a series have in common, so that nothing jumps when they are scrolled through.

    Attributes:
        strip: the text below the picture, but for what is said of each slice.
        text_top: where on the strip that is written.
    """

    view_shape: tuple[int, int]
    strip: Image.Image
    text_top: int
    margin: int
    text_size: int
    letter_size: int
    line: int


def draw_slices(case: PredictedCase, settings: ReportSettings) -> tuple[SlicePage, ...]:
    """Draw a page for every slice that the model read, in their order, all of one size.

    The same case gives the same pixels. No text of the study's header is drawn, so nothing of the patient's identity.
    """
    views = [slice_view(case.volume.geometry, index) for index in sorted(case.attention.cells)]
    scales = common_scales(case, views, settings.background)
    layout = _layout(case, views, scales)
    return tuple(_slice_page(case, view, scales, layout) for view in views)


def _layout(case: PredictedCase, views: list[View], scales: Scales) -> _Layout:
    height, width = views[0].shape
    page_width = max(width, SMALLEST_WIDTH)
    size = max(_SMALLEST_TEXT, round(page_width * _TEXT / SHOWN_WIDTH))
    margin = round(0.7 * size)
    room = page_width - 2 * margin
    legend = Legend(entries=(outline_entry(), window_entry(), attention_entry(scales.attention)), size=size)
    notice = [Paragraph(DRAWN_NOTICE, size, AMBER)]
    text_top = margin + legend.height(room) + size // 3
    below = text_top + max(height_of(_said_of_slice(case, view.index, scales, size), room) for view in views)
    strip = Image.new("RGB", (page_width, below + size // 3 + height_of(notice, room) + margin // 2), PAGE)
    legend.draw(strip, (margin, margin), room)
    write(strip, (margin, below + size // 3), room, notice)
    return _Layout(
        view_shape=(height, width),
        strip=strip,
        text_top=text_top,
        margin=margin,
        text_size=size,
        letter_size=max(_SMALLEST_TEXT, round(page_width * _LETTERS / SHOWN_WIDTH)),
        line=max(1, round(page_width / SHOWN_WIDTH)),
    )


def _said_of_slice(case: PredictedCase, index: int, scales: Scales, size: int) -> list[Paragraph]:
    share = percent(float(case.attention.cells[index].sum()))
    return [
        Paragraph(phase_name(case.volume.series, scales.background), size),
        Paragraph(f"{slice_name(case, index)}; attention on this slice: {share} of all", size),
    ]


def _slice_page(case: PredictedCase, view: View, scales: Scales, layout: _Layout) -> SlicePage:
    height, _ = layout.view_shape
    page = Image.new("RGB", (layout.strip.width, height + layout.strip.height), BLACK)
    picture = draw_findings(case, view, scales, layout.line)
    draw_window(picture, case, view, layout.line)
    draw_letters(picture, view.edge_letters(case.volume.geometry), layout.letter_size)
    page.paste(picture, (0, 0))
    page.paste(layout.strip, (0, height))
    said = _said_of_slice(case, view.index, scales, layout.text_size)
    write(page, (layout.margin, height + layout.text_top), layout.strip.width - 2 * layout.margin, said)
    return SlicePage(
        pixels=np.array(page),
        slice_index=view.index,
        first_pixel=(float(view.rows[0]), float(view.columns[0])),
        pixel_mm=view.pixel_mm,
    )
