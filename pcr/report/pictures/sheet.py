"""A square page of text and pictures: its title, its notice that all is for research, its number."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from pcr.report.pictures.canvas import Paragraph, font, write
from pcr.report.pictures.colours import AMBER, GREY, PAGE, Rgb
from pcr.report.provenance import DRAWN_NOTICE

SIDE = 1024
MARGIN = 24
# Legible where the page is shown at 512 pixels.
TEXT = 22
FOOTER = SIDE - 52
_FOOTER_MIDDLE = (FOOTER + SIDE) // 2
_TITLE, _TITLE_TOP, _NOTICE = 28, 22, 24
_BAND: Rgb = (50, 38, 12)


def blank_sheet(title: str) -> Image.Image:
    """A page with a title and its notice, and nothing else."""
    sheet = Image.new("RGB", (SIDE, SIDE), PAGE)
    write(sheet, (MARGIN, _TITLE_TOP), SIDE - 2 * MARGIN, [Paragraph(title, _TITLE)])
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, FOOTER, SIDE, SIDE), fill=_BAND)
    draw.text((MARGIN, _FOOTER_MIDDLE), DRAWN_NOTICE, font=font(_NOTICE), fill=AMBER, anchor="lm")
    return sheet


def remark_beside_title(sheet: Image.Image, remark: str) -> None:
    """A few words that matter, on the line of the title at the right margin."""
    baseline = _TITLE_TOP + font(_TITLE).getmetrics()[0]
    ImageDraw.Draw(sheet).text((SIDE - MARGIN, baseline), remark, font=font(TEXT), fill=AMBER, anchor="rs")


def number(sheets: Sequence[Image.Image]) -> None:
    """Say on each of several pages which one it is."""
    for place, sheet in enumerate(sheets, start=1):
        says = f"page {place} of {len(sheets)}"
        ImageDraw.Draw(sheet).text((SIDE - MARGIN, _FOOTER_MIDDLE), says, font=font(TEXT), fill=GREY, anchor="rm")
