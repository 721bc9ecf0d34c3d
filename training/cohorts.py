"""Reads a cohort in the folder layout of MAMA-MIA: clinical table, phases and tumour region of every patient.

    images/<PATIENT_ID>/<patient_id>_000<k>.nii.gz    k = 0 pre-contrast, 1 early, 2 late
    segmentations/expert/<patient_id>.nii.gz          tumour region
    clinical_and_imaging_info.xlsx                    one row a patient, also of patients without images
    geometry.csv                                      which phase indices the three images were

Rows of other data sets than the one asked for are dropped before anything of them is looked at.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from pcr.clinical import ClinicalRecord, MenopausalStatus
from pcr.reasons import NotEvaluable

Dataset = Literal["ISPY2", "ISPY1", "NACT"]

# Development is I-SPY 2 alone (design section 6); so this is no setting.
DEVELOPMENT: Dataset = "ISPY2"

TABLE = "clinical_and_imaging_info.xlsx"
GEOMETRY = "geometry.csv"
_PHASES = 3
# hr, her2 of each subtype of the table; her2_enriched and her2_pure are used for hormone receptor negative disease.
_SUBTYPES: dict[str, tuple[bool, bool]] = {
    "luminal_a": (True, False),
    "luminal_b": (True, True),
    "triple_negative": (False, False),
    "her2_enriched": (False, True),
    "her2_pure": (False, True),
}


class CohortError(Exception):
    """The cohort folder contradicts itself or lacks something; the message lists every finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds after the pre-contrast phase of the first post-contrast phase and of the two that the crops hold."""

    first_post_s: float
    early_s: float
    late_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaging:
    """Files of one patient: the three phases in order and the tumour region."""

    phases: tuple[Path, Path, Path]
    region: Path


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
    def receptor_subtype(self) -> str:
        """Receptor status as text, for instance "HR+/HER2-"; "?" stands for unknown."""
        signs = {True: "+", False: "-", None: "?"}
        return f"HR{signs[self.clinical.hr]}/HER2{signs[self.clinical.her2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """Pixels of one patient: `pixels` as stored [phases, slices, rows, columns], `region` bool [slices, rows, columns].

    `spacing_mm` is that of slices, rows and columns. Columns are the first axis of the file, as in NIfTI. The reduced
    pack does not say in which direction of the patient they run; its pictures look like DICOM slices as stored.
    """

    pixels: npt.NDArray[np.generic]
    region: npt.NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Patients of one data set, in the order of their ids."""

    dataset: Dataset
    patients: tuple[Patient, ...]

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


def read_cohort(folder: Path, dataset: Dataset) -> Cohort:
    """Read the patients of one data set; pixels stay on disk until `load_crop`.

    Raises:
        CohortError: files are missing, or rows are double, unreadable or contradict themselves; names all findings.
    """
    table = _read_table(folder, dataset)
    times = _read_timing(folder, table)
    patients: list[Patient] = []
    findings: list[str] = []
    for row in table.to_dict("records"):
        patient_id = str(row["patient_id"])
        try:
            patients.append(
                Patient(
                    patient_id=patient_id,
                    dataset=dataset,
                    site=str(row.get("site", "")),
                    pcr=_flag(row["pcr"], "pcr"),
                    clinical=_clinical(row),
                    imaging=_imaging(folder, patient_id),
                    timing=times.get(patient_id),
                )
            )
        except (CohortError, NotEvaluable) as error:
            findings.append(f"{patient_id}: {error}")
    if findings:
        raise CohortError(
            f"{len(findings)} of {len(table)} {dataset} rows can not be used:\n  " + "\n  ".join(findings)
        )
    return Cohort(dataset=dataset, patients=tuple(sorted(patients, key=lambda patient: patient.patient_id)))


def load_crop(imaging: Imaging, slices: int) -> Crop:
    """Read the pixels of one patient; fewer than `slices` slices are repeated evenly, as the application does.

    Raises:
        CohortError: shapes of phases and region differ, there are too many slices, or the region is empty.
    """
    volumes = [_read_volume(path) for path in (*imaging.phases, imaging.region)]
    shapes = {volume.shape for volume in volumes}
    if len(shapes) > 1:
        raise CohortError(f"{imaging.region.name}: phases and region differ in shape: {sorted(shapes)}")
    count = volumes[0].shape[0]
    if count > slices:
        raise CohortError(f"{imaging.region.name}: {count} slices, at most {slices} can be read: not a reduced crop")
    chosen = np.round(np.linspace(0, count - 1, slices)).astype(int)
    region = (volumes[-1] > 0)[chosen]
    if not region.any():
        raise CohortError(f"{imaging.region.name}: the tumour region is empty")
    columns, rows, planes = (
        float(zoom) for zoom in nib.Nifti1Image.from_filename(imaging.region).header.get_zooms()[:3]
    )
    return Crop(
        pixels=np.stack([volume[chosen] for volume in volumes[:-1]]), region=region, spacing_mm=(planes, rows, columns)
    )


def _read_table(folder: Path, dataset: Dataset) -> pd.DataFrame:
    path = folder / TABLE
    if not path.is_file():
        raise CohortError(f"{folder} has no {TABLE}; point --cohort at a folder in the layout of MAMA-MIA")
    table = pd.read_excel(path)
    needed = {"patient_id", "dataset", "pcr", "hr", "her2", "age"}
    if needed - set(table.columns):
        raise CohortError(f"{TABLE} has no column {', '.join(sorted(needed - set(table.columns)))}")
    table = table[table["dataset"] == dataset]
    if table.empty:
        raise CohortError(f"{TABLE} has no row of data set {dataset}")
    double = sorted(set(table.loc[table["patient_id"].duplicated(), "patient_id"]))
    if double:
        raise CohortError(f"{TABLE} has more than one row for {', '.join(double)}: which label holds?")
    return table


def _read_timing(folder: Path, table: pd.DataFrame) -> dict[str, Timing]:
    """Times of the phases behind the crops, for the patients whose table row and geometry row give them."""
    path = folder / GEOMETRY
    if not path.is_file() or "acquisition_times" not in table:
        return {}
    known = table.loc[table["acquisition_times"].notna(), ["patient_id", "acquisition_times"]]
    joined = known.merge(pd.read_csv(path), on="patient_id")
    timing: dict[str, Timing] = {}
    for row in joined.to_dict("records"):
        times = [float(time) for time in ast.literal_eval(row["acquisition_times"])]
        early, late = int(row["phase_early"]), int(row["phase_late"])
        if not 0 < early < late < len(times):
            raise CohortError(f"{row['patient_id']}: phases {early} and {late} of {len(times)} acquisition times")
        timing[str(row["patient_id"])] = Timing(first_post_s=times[1], early_s=times[early], late_s=times[late])
    return timing


def _imaging(folder: Path, patient_id: str) -> Imaging | None:
    images = folder / "images" / patient_id
    if not images.is_dir():
        return None
    stem = patient_id.lower()
    phases = tuple(images / f"{stem}_{phase:04d}.nii.gz" for phase in range(_PHASES))
    region = folder / "segmentations" / "expert" / f"{stem}.nii.gz"
    missing = [path.name for path in (*phases, region) if not path.is_file()]
    if missing:
        raise CohortError(f"files are missing: {', '.join(missing)}")
    return Imaging(phases=cast(tuple[Path, Path, Path], phases), region=region)


def _clinical(row: dict[Any, Any]) -> ClinicalRecord:
    hr, her2 = _flag(row["hr"], "hr"), _flag(row["her2"], "her2")
    subtype = row.get("tumor_subtype")
    expected = _SUBTYPES.get(subtype) if isinstance(subtype, str) else None
    if expected and None not in (hr, her2) and (hr, her2) != expected:
        raise CohortError(f"subtype {subtype} contradicts hr {hr} and her2 {her2}")
    age = row["age"]
    return ClinicalRecord(
        age=None if pd.isna(age) else float(age),
        menopausal_status=_menopause(row.get("menopause")),
        hr=hr,
        er=_flag(row.get("er"), "er"),
        pr=_flag(row.get("pr"), "pr"),
        her2=her2,
        source="cohort table",
    )


def _menopause(text: object) -> MenopausalStatus | None:
    if not isinstance(text, str):
        return None
    word = text.split(" ", 1)[0]
    return cast(MenopausalStatus, word) if word in ("pre", "peri", "post") else None


def _flag(value: Any, name: str) -> bool | None:
    if value is None or pd.isna(value):
        return None
    if value not in (0, 1):
        raise CohortError(f"{name} is {value!r}, expected 0, 1 or nothing")
    return bool(value)


def _read_volume(path: Path) -> npt.NDArray[np.number[Any]]:
    """Voxels as stored, [slices, rows, columns]: NIfTI's axes are columns, rows, slices."""
    voxels = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    if voxels.ndim != 3:
        raise CohortError(f"{path.name}: {voxels.ndim} dimensions, expected 3")
    return voxels.transpose(2, 1, 0)
