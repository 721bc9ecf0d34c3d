"""Reads a cohort in the folder layout of MAMA-MIA: clinical table, phases and tumour region of every patient.

    images/<PATIENT_ID>/<patient_id>_000<k>.nii.gz    phases in the order of time, 0 is the pre-contrast one
    segmentations/expert/<patient_id>.nii.gz          tumour region, a contour or a box
    clinical_and_imaging_info.xlsx                    one row a patient, also of patients without images
    geometry.csv                                      reduced pack alone: which phases its early and late image are

A patient with a row in geometry.csv has images of the reduced pack: three phases of a square around the tumour. The
others have those of the full release: whole volumes, one for each of the table's `acquisition_times`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pcr.clinical import ClinicalRecord
from training.cohort_table import TABLE, UNKNOWN_SITE, Dataset, Row, datasets_of, read_rows
from training.config import CropSettings
from training.crops import Crop, load_crop, misfit
from training.findings import CohortError, Findings
from training.imaging import Imaging, Layout, find_images, read_stored_phases
from training.phase_choice import PhaseTargets, Timing

__all__ = [
    "DEVELOPMENT",
    "TABLE",
    "UNKNOWN_SITE",
    "Cohort",
    "CohortError",
    "Crop",
    "Dataset",
    "Imaging",
    "Layout",
    "Patient",
    "PhaseTargets",
    "Timing",
    "check_crops",
    "datasets_of",
    "load_crop",
    "read_cohort",
]

# Development is I-SPY 2 alone (design section 6); so this is no setting.
DEVELOPMENT: Dataset = "ISPY2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient of the table. `pcr` is None where the label is unknown, which is not the same as no response."""

    patient_id: str
    dataset: Dataset
    site: str
    pcr: bool | None
    clinical: ClinicalRecord
    imaging: Imaging | None
    timing: Timing | None

    @property
    def age_years(self) -> float:
        """Age at the time of the study, NaN where it is unknown."""
        return math.nan if self.clinical.age is None else self.clinical.age

    @property
    def receptor_subtype(self) -> str:
        """Receptor status as text, for instance "HR+/HER2-"; "?" stands for unknown."""
        signs = {True: "+", False: "-", None: "?"}
        return f"HR{signs[self.clinical.hr]}/HER2{signs[self.clinical.her2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Patients of one data set, in the order of their ids, and what was left out or is odd, one sentence each."""

    dataset: Dataset
    patients: tuple[Patient, ...]
    warnings: tuple[str, ...]

    @property
    def labelled(self) -> tuple[Patient, ...]:
        """Patients whose pCR label is known."""
        return tuple(patient for patient in self.patients if patient.pcr is not None)

    @property
    def imaged(self) -> tuple[Patient, ...]:
        """Labelled patients with images."""
        return tuple(patient for patient in self.labelled if patient.imaging is not None)

    @property
    def rows_only(self) -> tuple[Patient, ...]:
        """Labelled patients without images."""
        return tuple(patient for patient in self.labelled if patient.imaging is None)


def read_cohort(folder: Path, dataset: Dataset, targets: PhaseTargets) -> Cohort:
    """Read and check the patients of one data set: table and headers, while pixels stay on disk until `load_crop`.

    Args:
        folder: in the layout above.
        dataset: name in the table's column of that name.
        targets: what the early and the late phase of a full release are chosen by.

    Raises:
        CohortError: files are missing or differ in grid, or rows are double, unreadable or contradict themselves;
            names all findings.
    """
    findings = Findings()
    rows = read_rows(folder, dataset, findings)
    stored = read_stored_phases(folder, rows, findings)
    patients = tuple(_patient(folder, dataset, row, stored.get(row.patient_id), targets, findings) for row in rows)
    findings.raise_errors(f"the {len(rows)} patients of {dataset}")
    return Cohort(dataset=dataset, patients=patients, warnings=findings.warnings())


def check_crops(cohort: Cohort, settings: CropSettings) -> None:
    """Check that the crops of a reduced pack have the size that the settings say.

    Raises:
        CohortError: some have not; names all of them.
    """
    findings = Findings()
    for patient in cohort.patients:
        reason = None if patient.imaging is None else misfit(patient.imaging, settings)
        if reason is not None:
            findings.error(patient.patient_id, reason)
    findings.raise_errors(f"the crops of {cohort.dataset}")


def _patient(
    folder: Path,
    dataset: Dataset,
    row: Row,
    stored_phases: tuple[int, int] | None,
    targets: PhaseTargets,
    findings: Findings,
) -> Patient:
    acquired = find_images(folder, row, stored_phases, targets, findings)
    if acquired is not None and row.pcr is None:
        findings.warning(row.patient_id, "images without a label")
    return Patient(
        patient_id=row.patient_id,
        dataset=dataset,
        site=row.site,
        pcr=row.pcr,
        clinical=row.clinical,
        imaging=None if acquired is None else acquired.imaging,
        timing=None if acquired is None else acquired.timing,
    )
