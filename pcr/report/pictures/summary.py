"""What the pages say in words: the facts of a prediction as short sentences, without the patient's identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcr.case import ReportedCase
from pcr.clinical import ClinicalRecord
from pcr.lesion import Lesion
from pcr.manifest import ClinicalName
from pcr.phases import DceSeries
from pcr.report.pictures.views import AXIS_LETTERS
from pcr.report.provenance import Provenance
from pcr.report.settings import Background

_NAMES: dict[ClinicalName, str] = {
    "age": "age",
    "menopausal_status": "menopausal status",
    "hr": "hormone receptors",
    "er": "estrogen receptor",
    "pr": "progesterone receptor",
    "her2": "HER2",
}
_SOURCES = {"kinetic": "kinetic localizer", "segmentation": "segmentation in the study"}
_BACKGROUNDS: dict[Background, str] = {"early": "Early phase", "subtraction": "Early minus pre-contrast phase"}

# Beyond these, two percentages that differ as floats do not differ in what is printed of them either.
_MOST_DIGITS = 17


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence and what it is about."""

    about: str
    says: str


def spread(case: ReportedCase) -> str:
    """How far the model's own parts differ."""
    low, high = case.prediction.interval
    return f"Model parts spread from {percent(low)} to {percent(high)}"


def against_threshold(case: ReportedCase) -> str:
    """On which side of the threshold the probability lies; or that it is not judged, and what is missing for that."""
    p = case.prediction
    if p.above_threshold is None:
        why = f"inputs missing ({', '.join(_missing(case))})"
        return f"Not judged against the threshold of {percent(p.threshold)}: {why}"
    return (
        f"{'At or above' if p.above_threshold else 'Below'} the threshold of {_told_apart(p.threshold, p.probability)}"
    )


def base_rate(made: Provenance) -> str | None:
    """How many of those whom the model learned from had a pCR; None where the model does not say."""
    if made.base_rate is None:
        return None
    return f"{percent(made.base_rate)} of the patients that the model was trained on had a pCR"


def parts(case: ReportedCase) -> str:
    """What images and clinical inputs say on their own."""
    p = case.prediction
    return (
        f"Imaging alone {percent(p.imaging_probability)}, "
        f"clinical inputs alone {percent(p.clinical_probability)} (they are not averaged)"
    )


def facts(case: ReportedCase, made: Provenance) -> list[Fact]:
    """Lesion, kinetics, attention, model, inputs, phases and outline: what must be at hand comes first."""
    return [
        *_lesion_facts(case),
        Fact("Attention", attention_share(case)),
        Fact(
            "Model",
            f"{made.model_name} {made.model_version}, sha256 {made.model_sha256[:12]}; "
            f"software {made.software_version} on {made.provider.removesuffix('ExecutionProvider')}",
        ),
        Fact("Clinical inputs", inputs(case)),
        Fact("Phases, s after injection", phase_times(case.volume.series)),
        _outline_fact(case.lesion),
    ]


def percent(share: float) -> str:
    """A share as whole percent, the precision that the model can claim; never 0 or 100 for what is neither."""
    if not 0 < share < 1:
        return f"{100 * share:.0f} %"
    whole, tenth = f"{100 * share:.0f}", f"{100 * share:.1f}"
    if whole not in ("0", "100"):
        return f"{whole} %"
    return {"0.0": "< 0.1 %", "100.0": "> 99.9 %"}.get(tenth, f"{tenth} %")


def place(point_lps_mm: tuple[float, float, float]) -> str:
    """A point in the patient by the directions that radiologists name: 'R 93, A 108, F 41 mm'."""
    named = (f"{pair[value > 0]} {abs(value):.0f}" for pair, value in zip(AXIS_LETTERS, point_lps_mm, strict=True))
    return ", ".join(named) + " mm"


def describe(record: ClinicalRecord, name: ClinicalName) -> str:
    """One clinical input with its value: 'age 55 years', 'HER2 negative'."""
    value = getattr(record, name)
    if isinstance(value, bool):
        return f"{_NAMES[name]} {'positive' if value else 'negative'}"
    return f"{_NAMES[name]} {value:g} years" if isinstance(value, float | int) else f"{value}menopausal"


def inputs(case: ReportedCase) -> str:
    """The clinical inputs that the model was given, with their values, and those that it had to do without."""
    used = [describe(case.clinical, name) for name in _NAMES if name in case.encoded.used_names]
    return f"{', '.join(used) or 'none'}; missing: {', '.join(_missing(case)) or 'none'}"


def phase_name(series: DceSeries, background: Background) -> str:
    """What the pictures show under the findings, and when it was taken."""
    estimated = " (estimated)" if series.injection_source == "estimated" else ""
    after_s = series.phase("early").after_injection_s
    return f"{_BACKGROUNDS[background]}, {after_s:.0f} s after injection{estimated}"


def phase_times(series: DceSeries) -> str:
    """Times of all phases, those that the model reads by their role."""
    times = ", ".join(
        f"{phase.after_injection_s:.0f}" + ("" if phase.role == "other" else f" ({phase.role})")
        for phase in series.phases
    )
    return f"{times}; injection time estimated" if series.injection_source == "estimated" else times


def slice_name(case: ReportedCase, index: int) -> str:
    """How a reader finds a slice in the viewer: series and image number, and where it lies in the patient."""
    geometry = case.volume.geometry
    frame = case.volume.series.phase("early").frames[index]
    centre = [index, (geometry.spatial_shape[1] - 1) / 2, (geometry.spatial_shape[2] - 1) / 2]
    axis = int(np.argmax(np.abs(np.asarray(geometry.affine)[:3, 0])))
    position = geometry.map_indices_to_reference(np.asarray([centre]))[0][axis]
    series, image = (frame.header.get(keyword) or "?" for keyword in ("SeriesNumber", "InstanceNumber"))
    shown = f"image {image}" if frame.number is None else f"frame {frame.number}"
    return f"series {series}, {shown}, {AXIS_LETTERS[axis][int(position > 0)]} {abs(position):.1f} mm"


def attention_share(case: ReportedCase) -> str:
    """How much of the attention lies in the outline, and on which slice there is most of it."""
    cells = case.attention.cells
    most = max(cells, key=lambda index: float(cells[index].sum()))
    return (
        f"{percent(case.attention.inside_fraction(case.lesion.mask))} inside the outline; most on "
        f"{slice_name(case, most)} ({percent(float(cells[most].sum()))})"
    )


def _told_apart(share: float, other: float) -> str:
    """A share, and where another one looks like it, both with as many digits as it takes to tell them apart."""
    if percent(share) == percent(other):
        for digits in range(1, _MOST_DIGITS + 1):
            one, two = (f"{100 * each:.{digits}f} %" for each in (share, other))
            if one != two:
                return f"{one} ({two})"
    return percent(share)


def _missing(case: ReportedCase) -> list[str]:
    return [_NAMES[name] for name in _NAMES if name in case.encoded.missing_names]


def _lesion_facts(case: ReportedCase) -> list[Fact]:
    lesion, kinetics = case.lesion, case.lesion.kinetics
    ser = kinetics.signal_enhancement_ratio
    return [
        Fact(
            "Lesion",
            f"{lesion.laterality} breast, {_volume(lesion.volume_ml)}, longest diameter "
            f"{lesion.longest_diameter_mm:.0f} mm, centre {place(lesion.centroid_lps_mm)}",
        ),
        Fact(
            "Kinetics",
            f"early enhancement {kinetics.early_enhancement_percent:.0f} %, late change "
            f"{kinetics.late_change_percent:+.0f} % ({kinetics.curve_type})"
            + ("" if ser is None else f", SER {ser:.2f}"),
        ),
    ]


def _volume(volume_ml: float) -> str:
    """A volume that is there is never 0."""
    tenths = f"{volume_ml:.1f}"
    return f"{'< 0.1' if tenths == '0.0' else tenths} ml"


def _outline_fact(lesion: Lesion) -> Fact:
    box = lesion.box
    return Fact(
        "Outline",
        f"by {_SOURCES[lesion.source]}"
        + ("" if lesion.score is None else f", score {lesion.score:.2f}")
        + f"; box {box.slices_mm:.0f} x {box.rows_mm:.0f} x {box.columns_mm:.0f} mm (slices, rows, columns)",
    )
