"""Text on a page: wrapped to its width and never cut, in one font that comes with Pillow."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from pcr.report.pictures.colours import BLACK, GREY, WHITE, Rgb

_LINE = 1.3
# What the font has beyond ASCII, as far as sentences need it.
_BEYOND_ASCII = "°±‘’“”"
_DASHES = str.maketrans("‐‑‒–—−", "-" * 6)

# A figure stays with its unit, with the direction that it counts in, and with its bound.
_BREAK = re.compile(r"(?<!\b[RLAPFH])(?<![<>]) (?!(?:%|mm|ml|s)(?!\w))")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text of one size and colour, with a gap before it in drawn pixels.

    Attributes:
        label: what the text is about, at the beginning of its first line and in a colour of its own.
    """

    text: str
    size: int
    colour: Rgb = WHITE
    gap: int = 0
    label: str = ""
    label_colour: Rgb = GREY

    @property
    def indent(self) -> int:
        """Drawn pixels before the first word, where the label stands."""
        return round(font(self.size).getlength(f"{self.label}: ")) if self.label else 0


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the pages."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install a wheel of Pillow from PyPI")
    return loaded


def drawable(text: str) -> str:
    """A text in letters that the font has: accents are dropped, all other signs that it lacks become '?'."""
    letters = "".join(c if c in _BEYOND_ASCII else unicodedata.normalize("NFKD", c) for c in text.translate(_DASHES))
    bare = (c for c in letters if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c in _BEYOND_ASCII or c.isspace() else "?" for c in bare)


@lru_cache(maxsize=4096)
def wrap(text: str, size: int, width: int, indent: int = 0) -> tuple[str, ...]:
    """Lines of a text that are no wider than `width`, the first one `indent` less; a word that is wider is broken."""
    lines, measure, room = [""], font(size).getlength, width - indent
    for word in _BREAK.split(" ".join(drawable(text).split())):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(longer) <= room:
            lines[-1] = longer
            continue
        if lines[-1] or indent:
            lines.append("")
            room = width
        for letter in word:
            if lines[-1] and measure(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    return tuple(lines)


def line_height(size: int) -> int:
    """Drawn pixels from one line to the next."""
    return round(size * _LINE)


def height_of(paragraphs: Sequence[Paragraph], width: int) -> int:
    """Height of paragraphs, wrapped to a width."""
    return sum(p.gap + len(wrap(p.text, p.size, width, p.indent)) * line_height(p.size) for p in paragraphs)


def fill(paragraphs: Sequence[Paragraph], width: int, height: int) -> tuple[list[Paragraph], list[Paragraph]]:
    """The paragraphs that fit whole into a height, in order, and the rest of them."""
    fitting = 0
    while fitting < len(paragraphs) and height_of(paragraphs[: fitting + 1], width) <= height:
        fitting += 1
    return list(paragraphs[:fitting]), list(paragraphs[fitting:])


def split(paragraph: Paragraph, width: int, height: int) -> tuple[Paragraph, Paragraph]:
    """A paragraph that is higher than a whole page, broken between two lines."""
    lines = wrap(paragraph.text, paragraph.size, width, paragraph.indent)
    fitting = (height - paragraph.gap) // line_height(paragraph.size)
    first, rest = " ".join(lines[:fitting]), " ".join(lines[fitting:])
    return (
        Paragraph(first, paragraph.size, paragraph.colour, paragraph.gap, paragraph.label, paragraph.label_colour),
        Paragraph(rest, paragraph.size, paragraph.colour),
    )


def write(page: Image.Image, corner: tuple[int, int], width: int, paragraphs: Sequence[Paragraph]) -> int:
    """Write paragraphs from a left upper corner on; gives back the y below them."""
    left, y = corner
    draw = ImageDraw.Draw(page)
    for paragraph in paragraphs:
        y += paragraph.gap
        written = font(paragraph.size)
        if paragraph.label:
            draw.text((left, y), f"{paragraph.label}:", font=written, fill=paragraph.label_colour)
        x = left + paragraph.indent
        for line in wrap(paragraph.text, paragraph.size, width, paragraph.indent):
            draw.text((x, y), line, font=written, fill=paragraph.colour)
            x, y = left, y + line_height(paragraph.size)
    return y


def mark(page: Image.Image, xy: tuple[float, float], text: str, size: int, anchor: str) -> None:
    """A letter or a figure on an image, with a dark rim so that it can be read on any grey."""
    ImageDraw.Draw(page).text(
        xy, text, font=font(size), fill=WHITE, anchor=anchor, stroke_width=max(1, size // 9), stroke_fill=BLACK
    )
