"""What the summary page says in words: the facts of a prediction as short sentences, without the patient's identity."""

from __future__ import annotations

import numpy as np

from pcr.case import ReportedCase
from pcr.clinical import ClinicalRecord
from pcr.manifest import ClinicalName
from pcr.phases import DceSeries
from pcr.report.canvas import AMBER, GREY, WHITE, Paragraph
from pcr.report.provenance import Provenance
from pcr.report.views import AXIS_LETTERS

_NAMES: dict[ClinicalName, str] = {
    "age": "age",
    "menopausal_status": "menopausal status",
    "hr": "hormone receptors",
    "er": "estrogen receptor",
    "pr": "progesterone receptor",
    "her2": "HER2",
}
_SOURCES = {"kinetic": "kinetic localizer", "segmentation": "segmentation in the study"}


def headline(case: ReportedCase) -> list[Paragraph]:
    """The probability, how far the model's parts differ, and where it stands to the threshold."""
    p = case.prediction
    low, high = p.interval
    threshold = percent(p.threshold)
    if p.above_threshold is not None and threshold == percent(
        p.probability
    ):  # the same at the page's precision: say on which side it falls
        threshold = f"{100 * p.threshold:.2f} % ({100 * p.probability:.2f} %)"
    against = {
        True: f"At or above the threshold of {threshold}",
        False: f"Below the threshold of {threshold}",
        None: f"Not judged against the threshold of {threshold}: inputs missing",
    }[p.above_threshold]
    return [
        Paragraph("Predicted probability of pathologic complete response (pCR)", 17, GREY),
        Paragraph(percent(p.probability), 50, gap=2),
        Paragraph(f"model parts spread from {percent(low)} to {percent(high)}", 17),
        Paragraph(against, 17, AMBER if p.above_threshold is None else WHITE),
        Paragraph(
            f"From imaging alone {percent(p.imaging_probability)}, from clinical inputs alone "
            f"{percent(p.clinical_probability)}",
            gap=4,
        ),
    ]


def details(case: ReportedCase, made: Provenance) -> list[Paragraph]:
    """Lesion, kinetics, inputs, phases, attention and model, each under its heading."""
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
        *_section("Attention of the model", *_attention_lines(case)),
        *_section(
            "Model",
            f"{made.model_name} {made.model_version}, sha256 {made.model_sha256[:12]}",
            f"software {made.software_version}, {made.provider.removesuffix('ExecutionProvider')}",
        ),
    ]


def notes(case: ReportedCase) -> list[Paragraph]:
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
    named = (f"{pair[value > 0]} {abs(value):.0f}" for pair, value in zip(AXIS_LETTERS, point_lps_mm, strict=True))
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


def slice_name(case: ReportedCase, index: int) -> str:
    """How a reader finds a slice in the viewer: series and image number, and where it lies in the patient."""
    geometry = case.volume.geometry
    header = case.volume.series.phase("early").frames[index].header
    centre = [index, (geometry.spatial_shape[1] - 1) / 2, (geometry.spatial_shape[2] - 1) / 2]
    axis = int(np.argmax(np.abs(np.asarray(geometry.affine)[:3, 0])))
    position = geometry.map_indices_to_reference(np.asarray([centre]))[0][axis]
    series, image = (header.get(keyword) or "?" for keyword in ("SeriesNumber", "InstanceNumber"))
    return f"series {series}, image {image}, {AXIS_LETTERS[axis][int(position > 0)]} {abs(position):.1f} mm"


def most_attended_slice(case: ReportedCase) -> int:
    """The slice that holds the largest share of the attention."""
    cells = case.attention.cells
    return max(cells, key=lambda index: float(cells[index].sum()))


def _attention_lines(case: ReportedCase) -> list[str]:
    most = most_attended_slice(case)
    share = float(case.attention.cells[most].sum())
    return [
        f"{percent(case.attention.inside_fraction(case.lesion.mask))} inside the lesion outline",
        f"most on {slice_name(case, most)}: {percent(share)}",
    ]


def _lesion_lines(case: ReportedCase) -> list[str]:
    lesion, kinetics, box = case.lesion, case.lesion.kinetics, case.lesion.box
    ser = kinetics.signal_enhancement_ratio
    return [
        f"{lesion.laterality.capitalize()} breast, {lesion.volume_ml:.1f} ml, longest diameter "
        f"{lesion.longest_diameter_mm:.0f} mm, centre {place(lesion.centroid_lps_mm)}",
        f"Box {box.slices_mm:.0f} x {box.rows_mm:.0f} x {box.columns_mm:.0f} mm (slices, rows, columns)",
        f"Outlined by {_SOURCES[lesion.source]}" + ("" if lesion.score is None else f", score {lesion.score:.2f}"),
        f"Early enhancement {kinetics.early_enhancement_percent:.0f} %, late change "
        f"{kinetics.late_change_percent:+.0f} % ({kinetics.curve_type})" + ("" if ser is None else f", SER {ser:.2f}"),
    ]


def _section(heading: str, *lines: str) -> list[Paragraph]:
    return [Paragraph(heading, 14, GREY, gap=9), *(Paragraph(line, 16) for line in lines)]
