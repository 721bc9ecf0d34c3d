"""The kinetic curve of a lesion: its mean enhancement over the time after injection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw

from pcr.kinetics import Kinetics
from pcr.phases import DceSeries, Role
from pcr.report.pictures.canvas import font, line_height
from pcr.report.pictures.colours import DARK, GREY, PAGE, WHITE

# A pre-contrast phase can be many minutes older than the injection; the axis is broken where it would shrink the rest.
_MAX_BEFORE = 0.4
_STEPS = (1, 2, 5)
_DOT, _MARK = 4, 8
_LOOKS = 24
_RIM = 5

Place = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A phase on the curve: seconds after injection, mean enhancement in %, and what the model reads it as."""

    after_injection_s: float
    enhancement_percent: float
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where the curve lies on the page, in drawn pixels, and which times and enhancements its edges stand for.

    Attributes:
        headroom: so much above it is free for names.
    """

    box: tuple[int, int, int, int]
    headroom: int
    times_s: tuple[float, float]
    percents: tuple[float, float]

    @property
    def room(self) -> Box:
        """Where names of phases can stand: the frame, with some more above it and to its right."""
        left, top, right, bottom = self.box
        return left, top - self.headroom, right + self.headroom / 2, bottom

    def place(self, time_s: float, percent: float) -> Place:
        """Drawn x and y; a time before the axis lies at its beginning."""
        left, top, right, bottom = self.box
        first, last = self.times_s
        low, high = self.percents
        along, up = (max(time_s, first) - first) / (last - first), (percent - low) / (high - low)
        return left + along * (right - left), bottom - up * (bottom - top)


def curve_points(kinetics: Kinetics, series: DceSeries) -> list[CurvePoint]:
    """Mean enhancement of the lesion in all phases, against the pre-contrast one."""
    pre = kinetics.mean_signal[series.index("pre")]
    return [
        CurvePoint(phase.after_injection_s, 100 * (signal - pre) / pre, phase.role)
        for phase, signal in zip(series.phases, kinetics.mean_signal, strict=True)
    ]


def draw_curve(page: Image.Image, box: tuple[int, int, int, int], points: Sequence[CurvePoint], size: int) -> None:
    """Draw the curve into a box (left, top, right, bottom), with letters of one size."""
    left, _, right, bottom = box
    draw = ImageDraw.Draw(page)
    percents = [point.enhancement_percent for point in points]
    ticks = ticks_between(min(0.0, *percents), max(1.0, *percents))
    frame = _frame(box, points, ticks, size)
    _draw_axes(draw, frame, ticks, size)
    draw.text(((left + right) / 2, bottom), "s after injection", font=font(size), fill=GREY, anchor="md")
    places = [frame.place(point.after_injection_s, point.enhancement_percent) for point in points]
    draw.line(places, fill=WHITE, width=3)
    if points[0].after_injection_s < frame.times_s[0]:
        _draw_break(draw, frame)
    for point, (x, y) in zip(points, places, strict=True):
        draw.circle((x, y), _DOT if point.role == "other" else _MARK, fill=WHITE, outline=PAGE, width=2)
    _name_phases(draw, frame, points, places, size)


def _frame(box: tuple[int, int, int, int], points: Sequence[CurvePoint], ticks: Sequence[float], size: int) -> _Frame:
    """The frame inside of a box, with room for figures and names around it."""
    left, top, right, bottom = box
    wide = max(font(size).getlength(text) for text in ("%", *(f"{tick:g}" for tick in ticks)))
    first, last = (points[i].after_injection_s for i in (0, -1))
    headroom = size + 2 * _MARK
    return _Frame(
        box=(left + round(wide) + 12, top + headroom, right - size, bottom - 2 * line_height(size) - _MARK),
        headroom=headroom - 4,
        times_s=(max(first, -_MAX_BEFORE * last) if last > 0 else first, last),
        percents=(ticks[0], ticks[-1]),
    )


def ticks_between(low: float, high: float) -> list[float]:
    """Two to five round numbers, evenly spaced, of which the first and the last enclose two others."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (*(power * s for s in _STEPS), 10 * power, 20 * power):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first <= 4:
            return [step * n for n in range(first, last + 1)]
    raise ValueError(f"no round numbers enclose {low:g} to {high:g}")


def _draw_axes(draw: ImageDraw.ImageDraw, frame: _Frame, ticks: Sequence[float], size: int) -> None:
    left, top, right, bottom = frame.box
    written = font(size)
    for tick in ticks:
        _, y = frame.place(frame.times_s[0], tick)
        draw.line((left, y, right, y), fill=DARK if tick else GREY, width=1)
        draw.text((left - 10, y), f"{tick:g}", font=written, fill=GREY, anchor="rm")
    draw.text((left - 10, top - size), "%", font=written, fill=GREY, anchor="rm")
    first, last = frame.times_s
    step = _whole_step(written.getlength(f"{last:.0f}  ") / (right - left) * (last - first))
    for n in range(max(0, math.ceil(first / step)), math.floor(last / step) + 1):
        x, _ = frame.place(n * step, ticks[0])
        draw.line((x, bottom, x, bottom + 6), fill=GREY, width=1)
        draw.text((x, bottom + 8), f"{n * step:g}", font=written, fill=GREY, anchor="ma")


def _whole_step(smallest: float) -> float:
    """The smallest round number that is no smaller than this."""
    power = 10.0 ** math.floor(math.log10(smallest))
    return next(power * s for s in (*_STEPS, 10) if power * s >= smallest)


def _draw_break(draw: ImageDraw.ImageDraw, frame: _Frame) -> None:
    """Two slashes on the axis behind the pre-contrast phase."""
    left, _, _, bottom = frame.box
    for x in (left + 16, left + 23):
        draw.line((x - 4, bottom + 7, x + 4, bottom - 7), fill=WHITE, width=2)


def _name_phases(
    draw: ImageDraw.ImageDraw, frame: _Frame, points: Sequence[CurvePoint], places: Sequence[Place], size: int
) -> None:
    """Names of the phases that the model reads, each beside its point where neither curve nor name is."""
    taken: list[Box] = []
    for point, place in zip(points, places, strict=True):
        if point.role != "other":
            box = _free_box(place, font(size).getlength(point.role), size, frame, places, taken)
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            draw.text(middle, point.role, font=font(size), fill=WHITE, anchor="mm", stroke_width=2, stroke_fill=PAGE)
            taken.append(box)


def _free_box(
    place: Place, wide: float, high: float, frame: _Frame, curve: Sequence[Place], taken: Sequence[Box]
) -> Box:
    """Where a name can stand: above its point, to its right, left or below; else as near as other names allow."""
    left, top, right, bottom = frame.room
    x, y = place
    near = _MARK + 2
    beside = [
        (x - wide / 2, y - near - high),
        (x + near + _RIM, y - near - high + 2),
        (x - near - _RIM - wide, y - near - high + 2),
        (x - wide / 2, y + near),
    ]
    steps = sorted(range(round(top), round(bottom - high) + 1), key=lambda height: abs(height + high / 2 - y))
    clear = []
    for corner_x, corner_y in (*beside, *((x - wide / 2, height) for height in steps)):
        begin = min(max(corner_x, left), right - wide)
        box = (begin, corner_y, begin + wide, corner_y + high)
        if top <= box[1] and box[3] <= bottom and not any(_overlap(box, other) for other in taken):
            clear.append(box)
    return next((box for box in clear[: len(beside)] if not _crossed(box, curve)), clear[0])


def _overlap(box: Box, other: Box) -> bool:
    """Whether two names touch, or nearly."""
    apart = any(box[i] >= other[i + 2] + _RIM or other[i] >= box[i + 2] + _RIM for i in (0, 1))
    return not apart


def _crossed(box: Box, curve: Sequence[Place]) -> bool:
    """Whether the curve runs through a box, looked at in small steps."""
    for (x, y), (to_x, to_y) in pairwise(curve):
        for step in range(_LOOKS + 1):
            part = step / _LOOKS
            at_x, at_y = x + (to_x - x) * part, y + (to_y - y) * part
            if box[0] <= at_x <= box[2] and box[1] <= at_y <= box[3]:
                return True
    return False
