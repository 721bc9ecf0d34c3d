"""The page that comes first: what was found, where, how sure, and on what grounds, at a glance.

On the left the answer, on the right the pictures, below them the grounds. What does not fit goes on to further pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from pcr.case import PredictedCase
from pcr.page import Page
from pcr.report.pictures.canvas import Paragraph, fill, line_height, split, wrap, write
from pcr.report.pictures.colours import AMBER, BLUE, GREY, WHITE
from pcr.report.pictures.findings import Scales, common_scales, draw_findings, draw_letters, draw_scale_bar
from pcr.report.pictures.kinetic_curve import curve_points, draw_curve
from pcr.report.pictures.legend import Legend, attention_entry, outline_entry
from pcr.report.pictures.probability_scale import draw_scale
from pcr.report.pictures.reformat import Reformat, orthogonal_views
from pcr.report.pictures.sheet import FOOTER, MARGIN, SIDE, TEXT, blank_sheet, number, remark_beside_title
from pcr.report.pictures.summary import against_threshold, base_rate, facts, parts, percent, spread
from pcr.report.provenance import Provenance

_NUMBER = 96
_TOP, _GUTTER = 76, 12
_PANEL = 272
_PICTURES = 2 * _PANEL + _GUTTER
_RIGHT = SIDE - MARGIN - _PICTURES
_COLUMN = _RIGHT - 2 * MARGIN
_WIDTH = SIDE - 2 * MARGIN
_END = FOOTER - _GUTTER
_LINE = 2
_WARNING = "Warning"


def draw_summary(case: PredictedCase, made: Provenance) -> tuple[Page, ...]:
    """Draw the summary: one page, or more of the same size where not all of the text fits on one.

    The same case gives the same pixels. No text of the study's header is drawn, so nothing of the patient's identity.
    """
    page = blank_sheet("Breast MRI: predicted response to neoadjuvant therapy")
    pictures_end = _draw_pictures(page, case)
    below = _draw_probability(page, case, made)
    beside, rest = fill(_sentences(case, made), _COLUMN, pictures_end - below)
    write(page, (MARGIN, below), _COLUMN, beside)
    under, rest = fill(rest, _WIDTH, _END - pictures_end)
    write(page, (MARGIN, pictures_end), _WIDTH, under)
    if left := sum(paragraph.label == _WARNING for paragraph in rest):
        remark_beside_title(page, f"{left} warning{'' if left == 1 else 's'}: next page")
    pages = [page, *_further_pages(rest)]
    if len(pages) > 1:
        number(pages)
    return tuple(Page(pixels=np.array(sheet)) for sheet in pages)


def _draw_pictures(page: Image.Image, case: PredictedCase) -> int:
    """Three views and the kinetic curve, two by two, with their legend; gives back the y below them."""
    caption = line_height(TEXT)
    places = [(x, y) for y in (_TOP, _TOP + caption + _PANEL + _GUTTER) for x in (_RIGHT, _RIGHT + _PANEL + _GUTTER)]
    views = orthogonal_views(case, _PANEL)
    scales = common_scales(case, [reformat.view for reformat in views], "early")
    for reformat, (x, y) in zip(views, places, strict=False):
        write(page, (x, y), _PANEL, [Paragraph(_caption(case, reformat), TEXT, GREY)])
        page.paste(_panel(case, reformat, scales), (x, y + caption))
    x, y = places[-1]
    write(page, (x, y), _PANEL, [Paragraph(f"Enhancement: {case.lesion.kinetics.curve_type}", TEXT, GREY)])
    points = curve_points(case.lesion.kinetics, case.volume.series)
    draw_curve(page, (x, y + caption, x + _PANEL, y + caption + _PANEL), points, TEXT)
    outline = replace(outline_entry(), text="lesion outline, on the early phase")
    legend = Legend(entries=(outline, attention_entry(scales.attention)), size=TEXT)
    return legend.draw(page, (_RIGHT, y + caption + _PANEL + _GUTTER), _PICTURES) + _GUTTER


def _caption(case: PredictedCase, reformat: Reformat) -> str:
    """The plane of a view, and the breast where the letters at its edges do not tell it."""
    if reformat.plane != "Sagittal":
        return reformat.name
    short = f"{reformat.name}, {case.lesion.laterality}"
    named = f"{short} breast"
    return named if len(wrap(named, TEXT, _PANEL)) == 1 else short


def _panel(case: PredictedCase, reformat: Reformat, scales: Scales) -> Image.Image:
    picture = draw_findings(case, reformat.view, scales, _LINE)
    draw_letters(picture, reformat.view.edge_letters(case.volume.geometry), TEXT)
    draw_scale_bar(picture, reformat.view.pixel_mm, TEXT)
    return picture


def _draw_probability(page: Image.Image, case: PredictedCase, made: Provenance) -> int:
    """The probability as a figure and on its scale; gives back the y below them."""
    what = Paragraph("Probability of pathologic complete response (pCR)", TEXT, GREY)
    below = write(page, (MARGIN, _TOP), _COLUMN, [what])
    figure = Paragraph(percent(case.prediction.probability), _NUMBER)
    below = write(page, (MARGIN, below), _COLUMN, [figure])
    return draw_scale(page, (MARGIN, below), _COLUMN, TEXT, case.prediction, made.base_rate) + _GUTTER


def _sentences(case: PredictedCase, made: Provenance) -> list[Paragraph]:
    """All that is said, the most important first."""
    trained_on = base_rate(made)
    not_judged = case.prediction.above_threshold is None
    return [
        Paragraph(against_threshold(case), TEXT, AMBER if not_judged else WHITE),
        Paragraph(spread(case), TEXT, BLUE),
        *([] if trained_on is None else [Paragraph(trained_on, TEXT)]),
        Paragraph(parts(case), TEXT),
        *(Paragraph(fact.says, TEXT, gap=_GUTTER // 2, label=fact.about) for fact in facts(case, made)),
        *(Paragraph(warning, TEXT, gap=_GUTTER // 2, label=_WARNING, label_colour=AMBER) for warning in case.warnings),
    ]


def _further_pages(text: Sequence[Paragraph]) -> list[Image.Image]:
    """Pages for text that is left; only what is higher than a page by itself is broken."""
    pages, rest = [], list(text)
    while rest:
        page = blank_sheet("Predicted response to neoadjuvant therapy, continued")
        fitting, rest = fill(rest, _WIDTH, _END - _TOP)
        if not fitting:
            first, remaining = split(rest[0], _WIDTH, _END - _TOP)
            fitting, rest = [first], [remaining, *rest[1:]]
        write(page, (MARGIN, _TOP), _WIDTH, fitting)
        pages.append(page)
    return pages
