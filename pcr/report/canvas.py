"""Text and colour on a page: wrapped to its box, shrunk until it fits, with one font that comes with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]
WHITE: Rgb = (240, 240, 240)
GREY: Rgb = (165, 170, 178)
BLACK: Rgb = (0, 0, 0)
PAGE: Rgb = (18, 19, 22)
AMBER: Rgb = (255, 196, 87)
_LINE = 1.32
_SMALLEST = 12

# Anchors of matplotlib's "inferno" (CC0) from a quarter of its length on: its lightness rises evenly, also for the
# colour-blind, and it starts at a purple that tints instead of darkening.
_HEAT: tuple[Rgb, ...] = ((87, 16, 110), (138, 34, 106), (188, 55, 84), (228, 89, 50), (249, 140, 10), (249, 201, 50))
_HEAT_OPACITY = 0.45


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text of one size and colour, with a gap before it in drawn pixels."""

    text: str
    size: int = 17
    colour: Rgb = WHITE
    gap: int = 0


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the pages."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install a wheel of Pillow from PyPI")
    return loaded


@lru_cache(maxsize=4096)
def wrap(text: str, size: int, width: int) -> tuple[str, ...]:
    """Lines of a text that are no wider than `width`; a word that is wider is broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if font(size).getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return tuple(lines)


def height_of(paragraphs: Sequence[Paragraph], width: int) -> int:
    """Height of paragraphs, wrapped to a width."""
    return sum(p.gap + len(wrap(p.text, p.size, width)) * round(p.size * _LINE) for p in paragraphs)


def fit(paragraphs: Sequence[Paragraph], width: int, height: int) -> list[Paragraph]:
    """The paragraphs as they fit into a box: smaller if need be, at last with a word on what is left out."""
    fitting = list(paragraphs)
    while height_of(fitting, width) > height and max(p.size for p in fitting) > _SMALLEST:
        fitting = [Paragraph(p.text, max(_SMALLEST, p.size - 1), p.colour, p.gap * 3 // 4) for p in fitting]
    if height_of(fitting, width) <= height:
        return fitting
    left_out = Paragraph("... the rest is in the structured report", _SMALLEST, AMBER)
    while fitting and height_of([*fitting, left_out], width) > height:
        fitting.pop()
    return [*fitting, left_out]


def write(page: Image.Image, box: tuple[int, int, int, int], paragraphs: Sequence[Paragraph]) -> None:
    """Write paragraphs into a box (left, top, right, bottom)."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(page)
    y = top
    for paragraph in fit(paragraphs, right - left, bottom - top):
        y += paragraph.gap
        for line in wrap(paragraph.text, paragraph.size, right - left):
            draw.text((left, y), line, font=font(paragraph.size), fill=paragraph.colour)
            y += round(paragraph.size * _LINE)


def mark(page: Image.Image, xy: tuple[float, float], text: str, size: int, anchor: str) -> None:
    """A letter or a figure on an image, with a dark rim so that it can be read on any grey."""
    ImageDraw.Draw(page).text(xy, text, font=font(size), fill=WHITE, anchor=anchor, stroke_width=2, stroke_fill=BLACK)


def grey(image: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.float32]:
    """An image as RGB grey levels from 0 to 255, float32 [rows, columns, 3]."""
    level = image.astype(np.float32)
    level -= low
    level /= max(high - low, 1e-9)
    np.clip(level, 0, 1, out=level)
    level *= 255
    return np.repeat(level[..., None], 3, axis=2)


def heat(share: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Heat from 0 to 1 [...]: how much of a picture shows through [..., 1], and the RGB to add to that [..., 3]."""
    places = np.linspace(0, 1, len(_HEAT))
    colour = np.stack([np.interp(share, places, channel) for channel in zip(*_HEAT, strict=True)], axis=-1)
    opacity = _HEAT_OPACITY * np.sqrt(share)[..., None]
    return (1 - opacity).astype(np.float32), (colour * opacity).astype(np.float32)


def to_image(rgb: npt.NDArray[np.float32]) -> Image.Image:
    """RGB levels from 0 to 255 as a picture."""
    return Image.fromarray(np.rint(rgb).astype(np.uint8))
