"""What a cohort looks like: tables for the terminal, and a sheet of pictures with the tumour regions drawn in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from pcr.crop import normalise
from training.cohorts import Cohort, Patient, load_crop
from training.config import Config

_PHASE_NAMES = ("pre", "early", "late")


def cohort_tables(cohort: Cohort) -> list[Table]:
    """Patients by receptor subtype and by site, with how many responded."""
    subtypes = _table("Receptor subtype", cohort.labelled, [p.receptor_subtype for p in cohort.labelled])
    sites = _table("Site", cohort.labelled, [p.site for p in cohort.labelled])
    overview = Table(title=f"{cohort.dataset}: {len(cohort.patients)} rows")
    for heading in ("", "patients", "pCR"):
        overview.add_column(heading, justify="left" if not heading else "right")
    unknown = len(cohort.patients) - len(cohort.labelled)
    overview.add_row("with images", str(len(cohort.imaged)), str(_responders(cohort.imaged)))
    overview.add_row("clinical row only", str(len(cohort.rows_only)), str(_responders(cohort.rows_only)))
    overview.add_row("label unknown, left out", str(unknown), "-")
    return [overview, subtypes, sites]


def draw_contact_sheet(cohort: Cohort, config: Config, patients: int, path: Path) -> None:
    """Draw the three phases of evenly chosen patients as the network gets them, at the slice where the region is
    largest, with the region's outline, and write them as PNG."""
    chosen = [cohort.imaged[i] for i in np.linspace(0, len(cohort.imaged) - 1, patients).round().astype(int)]
    columns = 2
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(3 * columns * 1.8, rows * 2.0))
    axes = figure.subplots(rows, 3 * columns, squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for index, patient in enumerate(chosen):
        left = 3 * (index % columns)
        _draw(list(axes[index // columns, left : left + 3]), patient, config)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw(places: Sequence[Axes], patient: Patient, config: Config) -> None:
    if patient.imaging is None:
        raise ValueError(f"{patient.patient_id} has no images")
    crop = load_crop(patient.imaging, config.crop.slices)
    image = normalise(crop.pixels, config.normalisation)
    largest = int(crop.region.sum(axis=(1, 2)).argmax())
    for phase, place in enumerate(places):
        place.imshow(image[phase, largest], cmap="gray", vmin=0, vmax=config.normalisation.ceiling)
        place.contour(crop.region[largest], levels=[0.5], colors="tab:red", linewidths=0.8)
        place.set_title(_PHASE_NAMES[phase], fontsize=7)
    answer = "pCR" if patient.pcr else "no pCR"
    places[0].set_title(f"{patient.patient_id}\n{patient.receptor_subtype}, {answer}; pre", fontsize=7)


def _table(title: str, patients: Sequence[Patient], groups: Sequence[str]) -> Table:
    table = Table(title=title)
    for heading in ("", "rows", "pCR", "with images", "of those pCR"):
        table.add_column(heading, justify="left" if not heading else "right")
    for group, count in sorted(Counter(groups).items()):
        mine = [patient for patient, name in zip(patients, groups, strict=True) if name == group]
        imaged = [patient for patient in mine if patient.imaging is not None]
        table.add_row(group, str(count), str(_responders(mine)), str(len(imaged)), str(_responders(imaged)))
    return table


def _responders(patients: Sequence[Patient]) -> int:
    return sum(bool(patient.pcr) for patient in patients)
