"""What a cohort looks like: tables for the terminal, and sheets of pictures with the tumour regions drawn in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure
from rich.table import Table

from pcr.crop import normalise
from training.cohorts import Cohort, Patient, load_crop
from training.config import Config, CropSettings
from training.crops import measure_box, read_region

PATIENTS_A_PAGE = 12
_PATIENTS_ABREAST = 2
_PHASE_NAMES = ("pre", "early", "late")
_QUANTILES = (0, 5, 25, 50, 75, 95, 100)


def cohort_tables(cohort: Cohort) -> list[Table]:
    """Patients by receptor subtype and by site, with how many responded; phase times; what the reader warned of."""
    overview = _headed(f"{cohort.dataset}: {len(cohort.patients)} rows", ("patients", "pCR"))
    unknown = len(cohort.patients) - len(cohort.labelled)
    overview.add_row("with images", str(len(cohort.imaged)), str(_responders(cohort.imaged)))
    overview.add_row("clinical row only", str(len(cohort.rows_only)), str(_responders(cohort.rows_only)))
    overview.add_row("label unknown, left out", str(unknown), "-")
    tables = [
        overview,
        _by_group("Receptor subtype", cohort.labelled, [p.receptor_subtype for p in cohort.labelled]),
        _by_group("Site", cohort.labelled, [p.site for p in cohort.labelled]),
    ]
    times = [patient.timing for patient in cohort.imaged if patient.timing is not None]
    if times:
        title = f"Seconds after the pre-contrast phase, {len(times)} patients"
        phases = {
            "first post-contrast": [time.first_post_s for time in times],
            "early": [time.early_s for time in times],
            "late": [time.late_s for time in times],
        }
        tables.append(_quantiles(title, phases))
    if cohort.warnings:
        tables.append(_warnings(cohort))
    return tables


def box_table(cohort: Cohort, settings: CropSettings) -> Table:
    """Sides and diameters of the experts' boxes; reads the region of every patient with images."""
    boxes = [
        measure_box(patient.imaging, read_region(patient.imaging), settings.extent_fraction)
        for patient in cohort.imaged
        if patient.imaging is not None
    ]
    sizes = {
        "through the slices": [box.slices_mm for box in boxes],
        "rows": [box.rows_mm for box in boxes],
        "columns": [box.columns_mm for box in boxes],
        "diameter of the section": [box.section_diameter_mm for box in boxes],
        "diameter of the box": [box.box_diameter_mm for box in boxes],
    }
    return _quantiles(f"Tumour box in mm, {len(boxes)} patients", sizes)


def draw_contact_sheet(cohort: Cohort, config: Config, patients: int, path: Path) -> tuple[Path, ...]:
    """Draw evenly chosen patients with images, and write them as PNG.

    Each has its three phases as the network gets them, at the slice where the region is largest, with its outline.

    Args:
        cohort: to choose from.
        config: the window and the normalisation.
        patients: how many; with more than PATIENTS_A_PAGE there are several pages.
        path: of the file; of several pages, "sheet.png" becomes "sheet-1.png" and so on.

    Returns:
        The files.
    """
    count = min(patients, len(cohort.imaged))
    chosen = [cohort.imaged[i] for i in np.linspace(0, len(cohort.imaged) - 1, count).round().astype(int)]
    pages = [chosen[first : first + PATIENTS_A_PAGE] for first in range(0, count, PATIENTS_A_PAGE)]
    numbers = [""] if len(pages) == 1 else [f"-{number}" for number in range(1, len(pages) + 1)]
    paths = tuple(path.with_stem(path.stem + number) for number in numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    for page, file in zip(pages, paths, strict=True):
        _draw_page(page, config, file)
    return paths


def _draw_page(patients: Sequence[Patient], config: Config, path: Path) -> None:
    rows = -(-len(patients) // _PATIENTS_ABREAST)
    figure = Figure(figsize=(5.6 * _PATIENTS_ABREAST, 2.2 * rows), layout="constrained")
    places = figure.subfigures(rows, _PATIENTS_ABREAST, squeeze=False, wspace=0.03)
    for patient, place in zip(patients, places.flat, strict=False):
        _draw(place, patient, config)
    figure.savefig(path, dpi=110)


def _draw(place: SubFigure, patient: Patient, config: Config) -> None:
    if patient.imaging is None:
        raise ValueError(f"{patient.patient_id} has no images")
    crop = load_crop(patient.imaging, config.crop)
    window = slice(config.crop.margin, config.crop.margin + config.crop.grid)
    image = normalise(crop.pixels[..., window, window], config.normalisation)
    region = crop.region[:, window, window]
    largest = int(region.sum(axis=(1, 2)).argmax())
    # A rim of background around the window, so that an outline is closed where the region reaches beyond it.
    outlined = np.pad(region[largest], 1)
    ends = np.arange(-1, config.crop.grid + 1)
    phases = place.subplots(1, len(_PHASE_NAMES))
    for axes, name, pixels in zip(phases, _PHASE_NAMES, image[:, largest], strict=True):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=config.normalisation.ceiling)
        axes.contour(ends, ends, outlined, levels=[0.5], colors="tab:red", linewidths=0.8)
        axes.set_title(name, fontsize=7)
        axes.axis("off")
    answer = "pCR" if patient.pcr else "no pCR"
    diameter = f"box diameter {crop.box.box_diameter_mm:.0f} mm"
    place.suptitle(f"{patient.patient_id}: {patient.receptor_subtype}, {answer}, {diameter}", fontsize=8)


def _by_group(title: str, patients: Sequence[Patient], groups: Sequence[str]) -> Table:
    table = _headed(title, ("rows", "pCR", "with images", "of those pCR"))
    for group, count in sorted(Counter(groups).items()):
        mine = [patient for patient, name in zip(patients, groups, strict=True) if name == group]
        imaged = [patient for patient in mine if patient.imaging is not None]
        table.add_row(group, str(count), str(_responders(mine)), str(len(imaged)), str(_responders(imaged)))
    return table


def _quantiles(title: str, columns: dict[str, list[float]]) -> Table:
    table = _headed(title, ("smallest", *(f"{quantile} %" for quantile in _QUANTILES[1:-1]), "largest"))
    for name, values in columns.items():
        if values:
            table.add_row(name, *(f"{value:.0f}" for value in np.percentile(values, _QUANTILES)))
    return table


def _warnings(cohort: Cohort) -> Table:
    table = Table(title="Warnings")
    table.add_column("left out, or odd", overflow="fold")
    for warning in cohort.warnings:
        table.add_row(warning)
    return table


def _headed(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _responders(patients: Sequence[Patient]) -> int:
    return sum(bool(patient.pcr) for patient in patients)
