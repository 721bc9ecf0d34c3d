"""Reads the clinical table of a cohort in the layout of MAMA-MIA: one typed row a patient.

Rows of other data sets than the one asked for are dropped before anything of them is looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import pandas as pd

from pcr.clinical import ClinicalRecord, MenopausalStatus, receptor_status
from pcr.reasons import NotEvaluable
from training.findings import CohortError, Findings

# A name of the table's column `dataset`.
Dataset = str

TABLE = "clinical_and_imaging_info.xlsx"
UNKNOWN_SITE = "?"
_NEEDED = {"patient_id", "dataset", "pcr", "hr", "her2", "age"}
# hr, her2 of each subtype of I-SPY 2.
_SUBTYPES: dict[object, tuple[bool, bool]] = {
    "luminal_a": (True, False),
    "luminal_b": (True, True),
    "triple_negative": (False, False),
    "her2_enriched": (False, True),
}

_Cells = Mapping[Hashable, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the table says of one patient.

    Attributes:
        site: UNKNOWN_SITE where the table does not name it.
        pcr: None where the label is unknown, which is not the same as no response.
        times_s: acquisition times of all phases after the first, rising; None where they are unknown.
    """

    patient_id: str
    site: str
    pcr: bool | None
    clinical: ClinicalRecord
    times_s: tuple[float, ...] | None


def read_rows(folder: Path, dataset: Dataset, findings: Findings) -> list[Row]:
    """Read the rows of one data set in the order of their ids; what is wrong with them goes to `findings`.

    Raises:
        CohortError: there is no table, a column is missing, or the table has no row of the data set.
    """
    table = _read_table(folder)
    mine = table[table["dataset"] == dataset]
    if mine.empty:
        raise CohortError(f"{TABLE} has no row of data set {dataset}; it has {', '.join(_names(table))}")
    mine = mine.assign(patient_id=mine["patient_id"].astype(str)).sort_values("patient_id")
    for patient_id, rows in mine.groupby("patient_id"):
        if len(rows) > 1:
            labels = ", with different labels" if rows["pcr"].nunique(dropna=False) > 1 else ""
            findings.error(str(patient_id), f"{len(rows)} rows in {TABLE}{labels}")
    return [_row(cells, findings) for cells in mine.drop_duplicates("patient_id").to_dict("records")]


def datasets_of(folder: Path) -> tuple[Dataset, ...]:
    """Names of the data sets of the table that have images, in alphabetical order; nothing but ids is looked at.

    Raises CohortError where there is no table or no image.
    """
    table = _read_table(folder)
    with_images = [(folder / "images" / str(patient_id)).is_dir() for patient_id in table["patient_id"]]
    names = _names(table[with_images])
    if not names:
        raise CohortError(f"{folder} has no images; name the data set")
    return names


def _read_table(folder: Path) -> pd.DataFrame:
    path = folder / TABLE
    if not path.is_file():
        raise CohortError(f"{folder} has no {TABLE}; point --cohort at a folder in the layout of MAMA-MIA")
    try:
        table = pd.read_excel(path)
    except (ValueError, BadZipFile, OSError) as error:
        raise CohortError(f"{TABLE} can not be read: {error}") from None
    if _NEEDED - set(table.columns):
        raise CohortError(f"{TABLE} has no column {', '.join(sorted(_NEEDED - set(table.columns)))}")
    return table


def _names(table: pd.DataFrame) -> tuple[Dataset, ...]:
    return tuple(sorted(str(name) for name in table["dataset"].dropna().unique()))


def _row(cells: _Cells, findings: Findings) -> Row:
    patient_id = str(cells["patient_id"])
    return Row(
        patient_id=patient_id,
        site=str(cells["site"]).strip() if isinstance(cells.get("site"), str) else UNKNOWN_SITE,
        pcr=_flag(cells, "pcr", findings),
        clinical=_clinical(cells, findings),
        times_s=_times(cells.get("acquisition_times"), patient_id, findings),
    )


def _clinical(cells: _Cells, findings: Findings) -> ClinicalRecord:
    patient_id = str(cells["patient_id"])
    hr, er, pr, her2 = (_flag(cells, name, findings) for name in ("hr", "er", "pr", "her2"))
    expected = _SUBTYPES.get(cells.get("tumor_subtype"))
    # Other data sets name their subtypes by other rules, and no model reads them: hr and her2 hold.
    if expected and None not in (hr, her2) and (hr, her2) != expected:
        findings.warning(patient_id, "tumor_subtype contradicts hr and her2, which are believed")
    if None not in (hr, receptor_status(er, pr)) and hr != receptor_status(er, pr):
        findings.warning(patient_id, "hr contradicts er and pr, and all three count as unknown")
        hr = er = pr = None
    try:
        return ClinicalRecord(
            age=None if pd.isna(cells["age"]) else float(cells["age"]),
            menopausal_status=_menopause(cells.get("menopause"), patient_id, findings),
            hr=hr,
            er=er,
            pr=pr,
            her2=her2,
            source="cohort table",
        )
    except (NotEvaluable, ValueError) as error:
        findings.error(patient_id, error.message if isinstance(error, NotEvaluable) else f"age: {error}")
        return ClinicalRecord()


def _menopause(text: object, patient_id: str, findings: Findings) -> MenopausalStatus | None:
    if not isinstance(text, str):
        return None
    word = text.split(" ", 1)[0]
    if word in ("pre", "peri", "post"):
        return cast(MenopausalStatus, word)
    findings.warning(patient_id, f"menopause {text!r} is not understood and counts as unknown")
    return None


def _times(text: object, patient_id: str, findings: Findings) -> tuple[float, ...] | None:
    if not isinstance(text, str):
        return None
    try:
        times = [float(time) for time in ast.literal_eval(text)]
    except (ValueError, SyntaxError, TypeError):
        findings.warning(patient_id, "acquisition_times are no list of numbers and count as unknown")
        return None
    if not times or any(later <= earlier for earlier, later in pairwise(times)):
        findings.warning(patient_id, "acquisition_times do not rise and count as unknown")
        return None
    return tuple(time - times[0] for time in times)


def _flag(cells: _Cells, name: str, findings: Findings) -> bool | None:
    value = cells.get(name)
    if value is None or pd.isna(value):
        return None
    if value not in (0, 1):
        findings.error(str(cells["patient_id"]), f"{name} is {value!r}, expected 0, 1 or nothing")
        return None
    return bool(value)
