"""Keeps what is written on pages while they are drawn, so that a test can tell where it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from PIL import ImageDraw


@dataclass(frozen=True)
class Written:
    """A line of text on a picture, the box of its ink (left, top, right, bottom), and the height of its letters."""

    text: str
    size: float
    box: tuple[float, float, float, float]
    picture: Any

    @property
    def is_inside(self) -> bool:
        width, height = self.picture.size
        left, top, right, bottom = self.box
        return left >= 0 and top >= 0 and right <= width and bottom <= height

    def covers(self, other: Written) -> bool:
        """Whether two texts overlap by more than the rim of a letter."""
        rim, a, b = 2, self.box, other.box
        return (
            self.picture is other.picture
            and min(a[2], b[2]) - max(a[0], b[0]) > rim
            and min(a[3], b[3]) - max(a[1], b[1]) > rim
        )


@dataclass
class DrawnText:
    """All that was written."""

    lines: list[Written] = field(default_factory=list)

    @property
    def joined(self) -> str:
        return " ".join(line.text for line in self.lines)

    @property
    def letters(self) -> str:
        """The same without spaces: where lines are broken does not matter."""
        return "".join(self.joined.split())

    @property
    def smallest(self) -> float:
        return min(line.size for line in self.lines)

    @property
    def outside(self) -> list[str]:
        return [line.text for line in self.lines if not line.is_inside]

    @property
    def overlapping(self) -> list[tuple[str, str]]:
        return [(a.text, b.text) for i, a in enumerate(self.lines) for b in self.lines[:i] if a.covers(b)]


@contextmanager
def recorded() -> Iterator[DrawnText]:
    """What is written meanwhile."""
    drawn, write = DrawnText(), ImageDraw.ImageDraw.text

    def text(self: ImageDraw.ImageDraw, xy: Any, text: str, *given: Any, **named: Any) -> None:
        measured = {name: named[name] for name in ("font", "anchor", "stroke_width") if name in named}
        box = self.textbbox(xy, text, **measured)
        drawn.lines.append(Written(text, named["font"].size, box, self.im))
        write(self, xy, text, *given, **named)

    with patch.object(ImageDraw.ImageDraw, "text", text):
        yield drawn
