"""The pictures of the comparison: ROC curves, calibration, decision curve, and AUC of all arms with intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn.metrics import roc_curve

from training.figures import NET_BENEFIT_AT
from training.recalibration import bounded_logit, recalibrate
from training.report.arms import ArmResult, Comparison
from training.report.measures import SeedAucs
from training.statistics import Estimate, Flags, Floats, Resampling

_DPI = 150
# Colours that the colour-blind can tell apart (Okabe and Ito 2008). The arms that are compared get them.
_REFERENCE = "#0072B2"
_AGAINST = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
_GREY = "#6B6B6B"
_LIGHT = "#B8B8B8"
# The other arms share one grey and differ in their dashes.
_DASHES = ((4, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (2.5, 1), (8, 2), (3, 1, 1, 1, 1, 1), (1, 2.5), (5, 1, 2, 1))
_BINS = 6
_LINE = 48
_THRESHOLDS = np.linspace(0.05, 0.6, 56)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    color: str
    width: float
    dashes: tuple[float, ...] | None
    strong: bool

    @property
    def line(self) -> dict[str, Any]:
        linestyle = "-" if self.dashes is None else (0, self.dashes)
        return {"color": self.color, "lw": self.width, "ls": linestyle, "zorder": 3 if self.strong else 2}


def draw_roc(comparison: Comparison, figures: Mapping[str, Mapping[str, Estimate]], path: Path) -> None:
    """ROC curve of each arm; a dot marks the operating point of the arms that are compared."""
    figure = Figure(figsize=(9.2, 5.4))
    axes = figure.add_axes((0.075, 0.12, 0.475, 0.81))
    axes.plot([0, 1], [0, 1], color=_LIGHT, lw=0.8, zorder=1)
    for arm, style in _styles(comparison):
        wrong, found, _ = roc_curve(arm.label, arm.probability, drop_intermediate=False)
        auc = figures[arm.key]["auc"]
        text = f"{_title(arm)}\n{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
        axes.plot(wrong, found, label=text, **style.line)
        if style.strong:
            point = (1 - figures[arm.key]["specificity"].value, figures[arm.key]["sensitivity"].value)
            axes.plot(*point, "o", color=style.color, ms=7, mec="white", mew=1, zorder=4)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="sensitivity")
    axes.set_aspect("equal")
    axes.set_title("ROC curves; dots: at the cross-fitted thresholds", fontsize=10, loc="left")
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.03, 1.0),
        frameon=False,
        fontsize=8,
        title="AUC (95 % interval)",
        title_fontsize=8,
        alignment="left",
        handlelength=3,
        borderaxespad=0,
    )
    _finish(figure, [axes], comparison, path)


def draw_calibration(comparison: Comparison, resampling: Resampling, path: Path) -> None:
    """For each arm: share of responders in bins of the probability, the fitted curve with its band, a histogram."""
    columns = min(4, math.ceil(math.sqrt(len(comparison.arms))))
    rows = -(-len(comparison.arms) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.4, 3.05 * rows + 0.5))
    places = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    used = []
    for (arm, style), axes in zip(_styles(comparison), places.flat, strict=False):
        _draw_calibration(axes, arm, style.color, resampling)
        used.append(axes)
    for number, axes in enumerate(places.flat):
        axes.set_visible(number < len(used))
        # The last row may be short: then the panel above the gap shows the axis.
        axes.tick_params(labelbottom=number + columns >= len(used))
    figure.supxlabel("predicted probability", fontsize=9, y=0.4 / figure.get_figheight())
    figure.supylabel("share with pCR", fontsize=9, x=0.01)
    figure.subplots_adjust(
        left=0.75 / figure.get_figwidth(),
        right=1 - 0.1 / figure.get_figwidth(),
        bottom=0.8 / figure.get_figheight(),
        top=1 - 0.85 / figure.get_figheight(),
        wspace=0.08,
        hspace=0.24,
    )
    figure.text(
        0.1 / figure.get_figwidth(),
        1 - 0.12 / figure.get_figheight(),
        "Calibration. Line and band: logistic recalibration with 95 % interval. Dots: bins of equal size.\n"
        "Bars: patients by probability, dark with pCR, light without.",
        va="top",
        fontsize=8.5,
    )
    _finish(figure, used, comparison, path)


def draw_decision_curve(comparison: Comparison, resampling: Resampling, path: Path) -> None:
    """Net benefit of each arm over threshold probabilities, beside treating everyone and no one."""
    label = comparison.label
    figure = Figure(figsize=(9.2, 5.0))
    axes = figure.add_axes((0.085, 0.125, 0.52, 0.80))
    axes.axhline(0, color="black", lw=1, label="treat no one", zorder=1)
    axes.plot(
        _THRESHOLDS,
        _net_benefits(label, np.ones(len(label)), resampling)[0],
        color="black",
        lw=1,
        ls=(0, (3, 2)),
        label="treat everyone",
        zorder=1,
    )
    for arm, style in _styles(comparison):
        benefits = _net_benefits(label, arm.probability, resampling)
        if arm is comparison.reference:
            low, high = np.percentile(benefits[1:], [2.5, 97.5], axis=0)
            axes.fill_between(_THRESHOLDS, low, high, color=style.color, alpha=0.13, lw=0, zorder=0)
        axes.plot(_THRESHOLDS, benefits[0], label=_title(arm), **style.line)
    prevalence = float(label.mean())
    axes.set(xlim=(0.05, 0.6), ylim=(-0.1, prevalence + 0.04))
    axes.set(xlabel="threshold probability", ylabel="net benefit per patient")
    for at in NET_BENEFIT_AT:
        axes.axvline(at, color=_LIGHT, lw=0.6, zorder=0)
    axes.set_title(f"Decision curves, band: 95 % interval of arm {comparison.reference.key}", fontsize=10, loc="left")
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.03, 1.0), frameon=False, fontsize=8, handlelength=3, borderaxespad=0
    )
    _finish(figure, [axes], comparison, path)


def draw_auc(
    comparison: Comparison,
    figures: Mapping[str, Mapping[str, Estimate]],
    seeds: Mapping[str, SeedAucs],
    path: Path,
) -> None:
    """AUC of each arm with its interval, and that of each single seed as a dot below it."""
    arms = comparison.arms
    height = 0.42 * len(arms) + 1.5
    figure = Figure(figsize=(8.4, height))
    axes = figure.add_axes((0.36, 0.8 / height, 0.42, 1 - 1.25 / height))
    for row, (arm, style) in enumerate(_styles(comparison)):
        auc = figures[arm.key]["auc"]
        axes.plot([auc.low, auc.high], [row, row], color=style.color, lw=2.4 if style.strong else 1.4, zorder=2)
        axes.plot(auc.value, row, "s", color=style.color, ms=6, zorder=3)
        single = seeds[arm.key].aucs
        axes.plot(single, [row + 0.28] * len(single), "o", color=style.color, ms=3, mew=0, alpha=0.65, zorder=3)
        axes.text(
            1.03,
            row,
            f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
    axes.axvline(figures[comparison.reference.key]["auc"].value, color=_REFERENCE, lw=0.7, ls=(0, (2, 2)), zorder=1)
    axes.axvline(0.5, color="black", lw=0.8, zorder=1)
    axes.set_yticks(range(len(arms)), [_title(arm) for arm in arms], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(arms) - 0.4, -0.6), xlabel="AUC, 95 % interval over patients; dots: single seeds, raw logits")
    axes.grid(axis="x", color="#EAEAEA", lw=0.7)
    axes.set_axisbelow(True)
    axes.set_title("Area under the ROC curve", fontsize=10, loc="left")
    _finish(figure, [axes], comparison, path)


def _draw_calibration(axes: Axes, arm: ArmResult, color: str, resampling: Resampling) -> None:
    label, probability = arm.label, arm.probability
    axes.plot([0, 1], [0, 1], color=_LIGHT, lw=0.8, zorder=1)
    fitted = recalibrate(label, probability, resampling)
    if np.isfinite(fitted.slope[0]):
        grid = np.linspace(probability.min(), probability.max(), 80)
        curves = expit(fitted.intercept[:, None] + fitted.slope[:, None] * bounded_logit(grid))
        low, high = np.nanpercentile(curves[1:], [2.5, 97.5], axis=0)
        axes.fill_between(grid, low, high, color=color, alpha=0.18, lw=0, zorder=1)
        axes.plot(grid, curves[0], color=color, lw=1.5, zorder=2)
    for among in _bins(probability):
        share = Estimate.of(resampling.means(label.astype(float), among))
        middle = float(probability[among].mean())
        axes.plot([middle, middle], [share.low, share.high], color=color, lw=0.9, zorder=3)
        axes.plot(middle, share.value, "o", color=color, ms=4, mec="white", mew=0.5, zorder=4)
    _draw_histogram(axes, label, probability)
    axes.set(xlim=(0, 1), ylim=(-0.24, 1), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels(["0", "0.25", "0.5", "0.75", "1"])
    axes.set_title(_title(arm), fontsize=7.5, loc="left")
    slope = "no slope" if np.isnan(fitted.slope[0]) else f"slope {fitted.slope[0]:.2f}"
    in_the_large = round(float(fitted.in_the_large[0]), 2) + 0.0
    axes.text(
        0.04,
        0.97,
        f"{slope}\nin the large {in_the_large:+.2f}",
        transform=axes.transAxes,
        va="top",
        fontsize=7,
    )


def _draw_histogram(axes: Axes, label: Flags, probability: Floats) -> None:
    """Patients by probability below the panel's zero line: with pCR upwards, without downwards."""
    edges = np.linspace(0, 1, 41)
    responders, others = (np.histogram(probability[mask], edges)[0] for mask in (label, ~label))
    zero, scale = -0.13, 0.1 / max(responders.max(), others.max())
    axes.stairs(zero + responders * scale, edges, baseline=zero, fill=True, color="#404040", lw=0, zorder=2)
    axes.stairs(zero - others * scale, edges, baseline=zero, fill=True, color=_LIGHT, lw=0, zorder=2)


def _bins(probability: Floats) -> list[Flags]:
    """Patients in bins of about equal size; patients of the same probability are in the same bin."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, _BINS + 1)[1:-1]))
    number = np.digitize(probability, edges)
    return [number == found for found in np.unique(number)]


def _net_benefits(label: Flags, probability: Floats, resampling: Resampling) -> Floats:
    """Replicates of the net benefit at all thresholds, [1 + resamples, thresholds]."""
    treated = probability[:, None] >= _THRESHOLDS
    gain = np.where(label[:, None], 1.0, -_THRESHOLDS / (1 - _THRESHOLDS)) * treated
    return resampling.counts @ gain / len(label)


def _styles(comparison: Comparison) -> list[tuple[ArmResult, _Style]]:
    """How each arm is drawn: the reference and those that it has to beat in colour, the others in grey dashes."""
    strong = {arm.key: color for arm, color in zip(comparison.against, _AGAINST, strict=False)}
    dashes = iter(_DASHES * len(comparison.arms))
    styles = []
    for arm in comparison.arms:
        if arm is comparison.reference:
            style = _Style(color=_REFERENCE, width=2.4, dashes=None, strong=True)
        elif arm.key in strong:
            style = _Style(color=strong[arm.key], width=1.8, dashes=None, strong=True)
        else:
            style = _Style(color=_GREY, width=1.0, dashes=next(dashes), strong=False)
        styles.append((arm, style))
    return styles


def _title(arm: ArmResult) -> str:
    return textwrap.fill(f"{arm.key}: {arm.name}", _LINE)


def _finish(figure: Figure, panels: list[Axes], comparison: Comparison, path: Path) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_fontsize(9)
        axes.yaxis.label.set_fontsize(9)
    label = comparison.label
    figure.text(
        0.995,
        0.06 / figure.get_figheight(),
        f"{len(label)} patients, {int(label.sum())} with pCR. Research use only.",
        ha="right",
        va="bottom",
        fontsize=6.5,
        color=_GREY,
    )
    # Without the version of matplotlib the same input gives the same bytes.
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
