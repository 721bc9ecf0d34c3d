"""The probability on a line from 0 to 100 %, with what it is to be compared with."""

from __future__ import annotations

from PIL import Image, ImageDraw

from pcr.model import Prediction
from pcr.report.pictures.canvas import font, line_height
from pcr.report.pictures.colours import BLUE, DARK, GREY, PAGE, WHITE
from pcr.report.pictures.summary import percent

_GAP = 10
_AXIS_HEIGHT = 34


def draw_scale(
    page: Image.Image, corner: tuple[int, int], width: int, size: int, prediction: Prediction, base_rate: float | None
) -> int:
    """Draw probability (dot), interval (bar), threshold (above) and base rate (below); gives back the y below it.

    A probability that is not judged against the threshold is drawn without it, so that nobody judges it by eye.
    """
    left, top = corner
    draw = ImageDraw.Draw(page)
    written = font(size)
    start = left + round(written.getlength("0")) + _GAP
    end = left + width - round(written.getlength("100 %")) - _GAP
    is_judged = prediction.above_threshold is not None
    y = top + (line_height(size) if is_judged else 0) + _AXIS_HEIGHT // 2

    def x_of(share: float) -> int:
        return start + round((end - start) * share)

    draw.text((left, y), "0", font=written, fill=GREY, anchor="lm")
    draw.text((left + width, y), "100 %", font=written, fill=GREY, anchor="rm")
    draw.line((start, y, end, y), fill=DARK, width=3)
    for tenth in range(11):
        draw.line((x_of(tenth / 10), y - 4, x_of(tenth / 10), y + 4), fill=DARK, width=2)
    low, high = prediction.interval
    draw.rounded_rectangle((x_of(low) - 2, y - 6, x_of(high) + 2, y + 6), radius=4, fill=BLUE)
    if is_judged:
        threshold = f"threshold {percent(prediction.threshold)}"
        _pointer(draw, (left, width), x_of(prediction.threshold), y, -1, threshold, size)
    if base_rate is not None:
        _pointer(draw, (left, width), x_of(base_rate), y, 1, f"base rate {percent(base_rate)}", size)
    draw.circle((x_of(prediction.probability), y), 10, fill=WHITE, outline=PAGE, width=2)
    return y + _AXIS_HEIGHT // 2 + (0 if base_rate is None else line_height(size))


def _pointer(
    draw: ImageDraw.ImageDraw, limits: tuple[int, int], x: int, y: int, side: int, text: str, size: int
) -> None:
    """A line from the axis up (side -1) or down (1) to a name that stays within its limits (left, width)."""
    left, width = limits
    draw.line((x, y, x, y + side * _AXIS_HEIGHT // 2), fill=WHITE, width=3)
    half = font(size).getlength(text) / 2
    middle = min(max(x, left + half), left + width - half)
    end = y + side * _AXIS_HEIGHT // 2
    draw.text((middle, end), text, font=font(size), fill=GREY, anchor="md" if side < 0 else "ma")
