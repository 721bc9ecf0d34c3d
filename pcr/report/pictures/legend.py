"""What the line, the box and the colours of a picture mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pcr.report.pictures.canvas import font, line_height
from pcr.report.pictures.colours import WHITE, WINDOW, Rgb, tint
from pcr.report.seg import OUTLINE_RGB

# The colours are shown over the grey that most of a picture has, and below over that of lesions: they look different.
_BAR_GREYS = (90, 235)
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sign as it is drawn, so many times wider than the letters are high, and what it means."""

    sign: Callable[[Image.Image, Box], None]
    wide: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """Entries beside each other, in letters of one size, on as many rows as they need."""

    entries: tuple[Entry, ...]
    size: int

    def height(self, width: int) -> int:
        """Drawn pixels that it takes at this width."""
        return (self._places(width)[-1][1] + 1) * line_height(self.size)

    def draw(self, page: Image.Image, corner: tuple[int, int], width: int) -> int:
        """Draw it from a left upper corner on; gives back the y below it."""
        left, top = corner
        draw = ImageDraw.Draw(page)
        for entry, (x, row) in zip(self.entries, self._places(width), strict=True):
            y = top + row * line_height(self.size)
            sign_end = left + x + round(entry.wide * self.size)
            entry.sign(page, (left + x, y + self.size // 8, sign_end, y + self.size))
            draw.text((sign_end + self.size // 2, y), entry.text, font=font(self.size), fill=WHITE)
        return top + self.height(width)

    def _places(self, width: int) -> list[tuple[int, int]]:
        """Where each entry begins: x, and its row."""
        x, row, places = 0, 0, []
        for entry in self.entries:
            needed = round((entry.wide + 0.5) * self.size + font(self.size).getlength(entry.text))
            if x and x + needed > width:
                x, row = 0, row + 1
            places.append((x, row))
            x += needed + round(1.5 * self.size)
        return places


def outline_entry() -> Entry:
    """The line around the lesion."""
    return Entry(sign=_frame(OUTLINE_RGB, 2), wide=1.4, text="lesion outline")


def window_entry() -> Entry:
    """The box around what the model reads."""
    return Entry(sign=_frame(WINDOW, 1), wide=1.4, text="model's window")


def attention_entry(largest: float) -> Entry:
    """The colours, from none to the largest share of all attention that a cell has."""
    percent = f"{100 * largest:.0f}" if largest >= 0.1 else f"{100 * largest:.2g}"
    return Entry(sign=_colour_bar, wide=5, text=f"attention, 0 to {percent} % of all per cell")


def _frame(colour: Rgb, line: int) -> Callable[[Image.Image, Box], None]:
    def draw(page: Image.Image, box: Box) -> None:
        ImageDraw.Draw(page).rectangle(box, outline=colour, width=line)

    return draw


def _colour_bar(page: Image.Image, box: Box) -> None:
    left, top, right, bottom = box
    bar = np.empty((bottom - top + 1, right - left + 1, 3), dtype=np.uint8)
    for half, level in zip(np.array_split(bar, 2), _BAR_GREYS, strict=True):
        half[:] = level
    tint(bar, np.broadcast_to(np.linspace(0, 1, bar.shape[1]), bar.shape[:2]))
    page.paste(Image.fromarray(bar), (left, top))
