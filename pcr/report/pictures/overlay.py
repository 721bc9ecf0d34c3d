"""The pages that scroll with the source: each slice that the model read, with what was found on it.

Everything is drawn at the resolution that it has: pixels of the source, attention as cells, the outline along voxels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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

_SMALLEST_WIDTH = 384
# A tall slice gets a page so wide, as a part of its height: its text takes few lines, however large it has to be.
_NARROWEST = 0.75
# What is legible on a page whose longer side is shown at 512 pixels.
_SHOWN_SIDE = 512
_TEXT, _LETTERS, _SMALLEST_TEXT = 13, 16, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What all pages of a series have in common, so that nothing jumps when they are scrolled through.

    Attributes:
        shape: height and width of a page; the picture is above, a strip of text below it.
        text_top: where on the strip it is written what is said of each slice.
        notice_top: where on the strip the notice is written.
    """

    shape: tuple[int, int]
    view_height: int
    text_size: int
    text_top: int
    notice_top: int

    @property
    def margin(self) -> int:
        """Drawn pixels beside the text."""
        return round(0.7 * self.text_size)

    @property
    def room(self) -> int:
        """How wide text can be."""
        return self.shape[1] - 2 * self.margin

    def seen_as(self, pixels: int) -> int:
        """Drawn pixels that are seen as so many where the longer side of the page is shown at 512."""
        return round(pixels * max(self.shape) / _SHOWN_SIDE)

    @property
    def line(self) -> int:
        """How wide lines are drawn."""
        return max(1, self.seen_as(1))


def draw_slices(case: PredictedCase, settings: ReportSettings) -> tuple[SlicePage, ...]:
    """Draw a page for every slice that the model read, in their order, all of one size.

    The same case gives the same pixels. No text of the study's header is drawn, so nothing of the patient's identity.
    """
    views = [slice_view(case.volume.geometry, index) for index in sorted(case.attention.cells)]
    scales = common_scales(case, views, settings.background)
    layout = _legible_layout(case, views, scales)
    strip = _strip(scales, layout)
    return tuple(_slice_page(case, view, scales, layout, strip) for view in views)


def _legible_layout(case: PredictedCase, views: list[View], scales: Scales) -> _Layout:
    """The layout with text for the page's longer side, which larger text makes longer."""
    layout = _layout(case, views, scales, _SMALLEST_TEXT)
    while (legible := layout.seen_as(_TEXT)) > layout.text_size:
        layout = _layout(case, views, scales, legible)
    return layout


def _layout(case: PredictedCase, views: list[View], scales: Scales, size: int) -> _Layout:
    height, width = views[0].shape
    page_width = max(width, _SMALLEST_WIDTH, round(_NARROWEST * height))
    layout = _Layout(shape=(height, page_width), view_height=height, text_size=size, text_top=0, notice_top=0)
    room, gap = layout.room, size // 3
    text_top = layout.margin + _legend(scales, size).height(room) + gap
    said = max(height_of(_said_of_slice(case, view.index, scales, size), room) for view in views)
    notice_top = text_top + said + gap
    end = notice_top + height_of([_notice(size)], room) + layout.margin // 2
    return replace(layout, shape=(height + end, page_width), text_top=text_top, notice_top=notice_top)


def _strip(scales: Scales, layout: _Layout) -> Image.Image:
    """What stands below every picture."""
    height, width = layout.shape
    strip = Image.new("RGB", (width, height - layout.view_height), PAGE)
    _legend(scales, layout.text_size).draw(strip, (layout.margin, layout.margin), layout.room)
    write(strip, (layout.margin, layout.notice_top), layout.room, [_notice(layout.text_size)])
    return strip


def _legend(scales: Scales, size: int) -> Legend:
    return Legend(entries=(outline_entry(), window_entry(), attention_entry(scales.attention)), size=size)


def _notice(size: int) -> Paragraph:
    return Paragraph(DRAWN_NOTICE, size, AMBER)


def _said_of_slice(case: PredictedCase, index: int, scales: Scales, size: int) -> list[Paragraph]:
    share = percent(float(case.attention.cells[index].sum()))
    phase = phase_name(case.volume.series, scales.background)
    return [
        Paragraph(f"Lesion in the {case.lesion.laterality} breast. {phase}", size),
        Paragraph(f"{slice_name(case, index)}; attention on this slice: {share} of all", size),
    ]


def _slice_page(case: PredictedCase, view: View, scales: Scales, layout: _Layout, strip: Image.Image) -> SlicePage:
    height, width = layout.shape
    page = Image.new("RGB", (width, height), BLACK)
    picture = draw_findings(case, view, scales, layout.line)
    draw_window(picture, case, view, layout.line)
    letters = max(_SMALLEST_TEXT, layout.seen_as(_LETTERS))
    draw_letters(picture, view.edge_letters(case.volume.geometry), letters)
    page.paste(picture, (0, 0))
    page.paste(strip, (0, layout.view_height))
    said = _said_of_slice(case, view.index, scales, layout.text_size)
    write(page, (layout.margin, layout.view_height + layout.text_top), layout.room, said)
    return SlicePage(
        pixels=np.array(page),
        slice_index=view.index,
        first_pixel=(float(view.rows[0]), float(view.columns[0])),
        pixel_mm=view.pixel_mm,
    )
