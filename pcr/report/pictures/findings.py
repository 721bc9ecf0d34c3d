"""A view of the images with what was found drawn over it: attention, the lesion's outline, the model's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pcr.case import PredictedCase
from pcr.report.pictures.canvas import mark
from pcr.report.pictures.colours import WHITE, WINDOW, grey, tint
from pcr.report.pictures.views import View, window_edges
from pcr.report.seg import OUTLINE_RGB
from pcr.report.settings import Background

_PERCENTILES: dict[Background, tuple[float, float]] = {"early": (1.0, 99.7), "subtraction": (5.0, 99.8)}
_LESION_PERCENTILE = 97.0
_BAR_MM = (100, 50, 20, 10, 5, 2, 1)
# So many views tell the grey levels of all.
_MEASURED_VIEWS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What all pictures of a series share, so that they can be compared.

    Attributes:
        background: what is shown under the findings.
        signal: the signal that is black, and the one that is white.
        attention: the largest share of all attention that any cell has: the hottest colour.
    """

    background: Background
    signal: tuple[float, float]
    attention: float


def common_scales(case: PredictedCase, views: Sequence[View], background: Background) -> Scales:
    """Scales that suit all of some views: white is nearly the brightest of them, and no darker than most of the lesion.

    Every other row and column tells the percentiles as well.
    """
    chosen = np.linspace(0, len(views) - 1, min(len(views), _MEASURED_VIEWS)).round().astype(int)
    levels = np.concatenate([_signal(case, views[i], background)[::2, ::2].ravel() for i in chosen])
    low, high = np.percentile(levels, _PERCENTILES[background])
    mask = case.lesion.mask
    lesion = case.volume.phase("early").array[mask].astype(np.float32)
    if background == "subtraction":
        lesion -= case.volume.phase("pre").array[mask]
    return Scales(
        background=background,
        signal=(float(low), float(max(high, np.percentile(lesion, _LESION_PERCENTILE)))),
        attention=max(float(cells.max()) for cells in case.attention.cells.values()),
    )


def draw_findings(case: PredictedCase, view: View, scales: Scales, line: int) -> Image.Image:
    """A view with attention as cells, and the outline so many drawn pixels wide."""
    rgb = grey(_signal(case, view, scales.background), *scales.signal)
    tint(rgb, view.attention(case.attention) / scales.attention)
    rgb[view.outline(case.lesion.mask, line)] = OUTLINE_RGB
    return Image.fromarray(rgb)


def draw_window(picture: Image.Image, case: PredictedCase, view: View, line: int) -> None:
    """The model's window on a slice that it reads, as a box whose line lies outside of it."""
    (top, bottom), (left, right) = window_edges(case.attention.window)
    x, y = (round(at) for at in view.place(top, left))
    end_x, end_y = (round(at) for at in view.place(bottom, right))
    box = (x - line, y - line, end_x + line - 1, end_y + line - 1)
    ImageDraw.Draw(picture).rectangle(box, outline=WINDOW, width=line)


def draw_letters(picture: Image.Image, letters: dict[str, str], size: int) -> None:
    """What the four edges of a picture point to in the patient."""
    gap = size // 3
    width, height = picture.size
    mark(picture, (gap, height / 2), letters["left"], size, "lm")
    mark(picture, (width - gap, height / 2), letters["right"], size, "rm")
    mark(picture, (width / 2, gap), letters["top"], size, "mt")
    mark(picture, (width / 2, height - gap), letters["bottom"], size, "mb")


def _signal(case: PredictedCase, view: View, background: Background) -> npt.NDArray[np.float32]:
    early = view.sample(case.volume.phase("early").array)
    return early - view.sample(case.volume.phase("pre").array) if background == "subtraction" else early


def draw_scale_bar(picture: Image.Image, pixel_mm: float, size: int) -> None:
    """A bar of a round length, in the left lower corner."""
    width, height = picture.size
    length_mm = max(mm for mm in _BAR_MM if mm <= width * pixel_mm / 3)
    left, y = size // 2, height - size // 2
    ImageDraw.Draw(picture).line((left, y, left + length_mm / pixel_mm, y), fill=WHITE, width=4)
    mark(picture, (left, y - size // 3), f"{length_mm} mm", size, "lb")
