"""What the summary page says in words: the facts of a prediction as short sentences, without the patient's identity."""

from __future__ import annotations

from pcr.case import PredictedCase
from pcr.clinical import ClinicalRecord
from pcr.manifest import ClinicalName
from pcr.phases import DceSeries
from pcr.report.canvas import AMBER, GREY, Paragraph
from pcr.report.provenance import Provenance

_NAMES: dict[ClinicalName, str] = {
    "age": "age",
    "menopausal_status": "menopausal status",
    "hr": "hormone receptors",
    "er": "estrogen receptor",
    "pr": "progesterone receptor",
    "her2": "HER2",
}
_SOURCES = {"kinetic": "kinetic localizer", "segmentation": "segmentation in the study"}


def headline(case: PredictedCase) -> list[Paragraph]:
    """The probability, how far the model's parts differ, and where it stands to the threshold."""
    p = case.prediction
    low, high = p.interval
    against = {
        True: f"At or above the threshold of {percent(p.threshold)}",
        False: f"Below the threshold of {percent(p.threshold)}",
        None: f"Not judged against the threshold of {percent(p.threshold)}: inputs missing",
    }[p.above_threshold]
    return [
        Paragraph("Predicted probability of pathologic complete response (pCR)", 17, GREY),
        Paragraph(percent(p.probability), 50, gap=2),
        Paragraph(f"model parts spread from {percent(low)} to {percent(high)}", 17),
        Paragraph(against, 17, AMBER if p.above_threshold is None else (240, 240, 240)),
        Paragraph(
            f"From imaging alone {percent(p.imaging_probability)}, from clinical inputs alone "
            f"{percent(p.clinical_probability)}",
            gap=4,
        ),
    ]


def details(case: PredictedCase, made: Provenance) -> list[Paragraph]:
    """Lesion, kinetics, inputs, phases, attention and model, each under its heading."""
    inside = case.attention.inside_fraction(case.lesion.mask)
    used = [describe(case.clinical, name) for name in _NAMES if name in case.encoded.used_names]
    missing = [_NAMES[name] for name in _NAMES if name in case.encoded.missing_names]
    return [
        *_section("Lesion", *_lesion_lines(case)),
        *_section(
            "Clinical inputs",
            f"Used: {', '.join(used) or 'none'}",
            *([f"Missing: {', '.join(missing)}"] if missing else []),
        ),
        *_section("Phases, seconds after injection", *phase_lines(case.volume.series)),
        *_section("Attention of the model", f"{percent(inside)} inside the lesion outline"),
        *_section(
            "Model",
            f"{made.model_name} {made.model_version}, sha256 {made.model_sha256[:12]}",
            f"software {made.software_version}, {made.provider.removesuffix('ExecutionProvider')}",
        ),
    ]


def notes(case: PredictedCase) -> list[Paragraph]:
    """The warnings; an empty list where there are none."""
    if not case.warnings:
        return []
    return [Paragraph("Warnings", 15, AMBER), *(Paragraph(f"- {warning}", 16, gap=2) for warning in case.warnings)]


def percent(share: float) -> str:
    """A share as whole percent, the precision that the model can claim; never 0 or 100 for what is neither."""
    whole = f"{100 * share:.0f}"
    if (whole == "0" and share > 0) or (whole == "100" and share < 1):
        return f"{100 * share:.1f} %"
    return f"{whole} %"


def place(point_lps_mm: tuple[float, float, float]) -> str:
    """A point in the patient by the directions that radiologists name: 'R 93, A 108, F 41 mm'."""
    letters = (("R", "L"), ("A", "P"), ("F", "H"))
    named = (f"{pair[value > 0]} {abs(value):.0f}" for pair, value in zip(letters, point_lps_mm, strict=True))
    return ", ".join(named) + " mm"


def describe(record: ClinicalRecord, name: ClinicalName) -> str:
    """One clinical input with its value: 'age 55 years', 'HER2 negative'."""
    value = getattr(record, name)
    if isinstance(value, bool):
        return f"{_NAMES[name]} {'positive' if value else 'negative'}"
    return f"{_NAMES[name]} {value:g} years" if isinstance(value, float | int) else f"{value}menopausal"


def phase_lines(series: DceSeries) -> list[str]:
    """Times of all phases, those that the model reads by their role."""
    times = ", ".join(
        f"{phase.after_injection_s:.0f}" + ("" if phase.role == "other" else f" ({phase.role})")
        for phase in series.phases
    )
    return [times, "injection time estimated"] if series.injection_source == "estimated" else [times]


def _lesion_lines(case: PredictedCase) -> list[str]:
    lesion, kinetics = case.lesion, case.lesion.kinetics
    ser = kinetics.signal_enhancement_ratio
    return [
        f"{lesion.laterality.capitalize()} breast, {lesion.volume_ml:.1f} ml, longest diameter "
        f"{lesion.longest_diameter_mm:.0f} mm, centre {place(lesion.centroid_lps_mm)}",
        f"Outlined by {_SOURCES[lesion.source]}" + ("" if lesion.score is None else f", score {lesion.score:.2f}"),
        f"Early enhancement {kinetics.early_enhancement_percent:.0f} %, late change "
        f"{kinetics.late_change_percent:+.0f} % ({kinetics.curve_type})" + ("" if ser is None else f", SER {ser:.2f}"),
    ]


def _section(heading: str, *lines: str) -> list[Paragraph]:
    return [Paragraph(heading, 14, GREY, gap=9), *(Paragraph(line, 16) for line in lines)]
