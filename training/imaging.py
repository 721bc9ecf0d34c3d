"""The image files of one patient: which layout they have, which three of them are read, and whether they fit.

Headers are read here, pixels in `training.crops`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from training.cohort_table import Row
from training.findings import CohortError, Findings
from training.phase_choice import PhaseTargets, Timing, choose_phases

GEOMETRY = "geometry.csv"
UNREADABLE = (ImageFileError, HeaderDataError, gzip.BadGzipFile, zlib.error, EOFError, ValueError)
_STORED_PHASES = 3


class Layout(Enum):
    """Which of the two kinds of image files a patient has."""

    REDUCED = "reduced pack: three phases of a square around the tumour, on a few slices of its middle"
    FULL = "full release: whole volumes of all phases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaging:
    """Files of one patient that share one grid.

    Attributes:
        layout: what the files hold.
        phases: pre-contrast, early and late phase.
        region: the tumour region, a contour or a box.
        shape: slices, rows, columns.
        spacing_mm: between slices, rows and columns.
    """

    layout: Layout
    phases: tuple[Path, Path, Path]
    region: Path
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Acquired:
    """Images of one patient with their times, where those are known."""

    imaging: Imaging
    timing: Timing | None


def read_stored_phases(folder: Path, rows: Sequence[Row], findings: Findings) -> dict[str, tuple[int, int]]:
    """Indices of the phases that a reduced pack holds as early and late, by patient; empty for a full release.

    Raises:
        CohortError: the table of them lacks a column.
    """
    path = folder / GEOMETRY
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype={"patient_id": str})
    missing = {"patient_id", "phase_early", "phase_late"} - set(table.columns)
    if missing:
        raise CohortError(f"{GEOMETRY} has no column {', '.join(sorted(missing))}")
    table = table[table["patient_id"].isin([row.patient_id for row in rows])]
    for patient_id in sorted(set(table.loc[table["patient_id"].duplicated(), "patient_id"])):
        findings.error(patient_id, f"more than one row in {GEOMETRY}")
    return {cells["patient_id"]: (cells["phase_early"], cells["phase_late"]) for cells in table.to_dict("records")}


def find_images(
    folder: Path, row: Row, stored_phases: tuple[int, int] | None, targets: PhaseTargets, findings: Findings
) -> Acquired | None:
    """The images of one patient; None where there are none, or none that are read, which `findings` explains.

    Args:
        folder: of the cohort.
        row: of the patient.
        stored_phases: which phases the early and the late file of a reduced pack are; None for a full release.
        targets: what early and late are chosen by in a full release.
        findings: what is wrong goes here.
    """
    images = folder / "images" / row.patient_id
    if not images.is_dir():
        return None
    stem = row.patient_id.lower()
    count = len(list(images.glob(f"{stem}_[0-9][0-9][0-9][0-9].nii.gz")))
    # Three images of a series of more, or nobody knows how many: no full release, whatever the table lacks.
    if stored_phases is not None or count == _STORED_PHASES != len(row.times_s or ()):
        layout, chosen = Layout.REDUCED, _choose_stored(row, count, stored_phases, findings)
    else:
        layout, chosen = Layout.FULL, _choose_of_all(row, count, targets, findings)
    if chosen is None:
        return None
    paths = tuple(images / f"{stem}_{index:04d}.nii.gz" for index in chosen.files)
    region = folder / "segmentations" / "expert" / f"{stem}.nii.gz"
    missing = [path.name for path in (*paths, region) if not path.is_file()]
    if missing:
        findings.error(row.patient_id, f"files are missing: {', '.join(missing)}")
        return None
    try:
        shape, spacing_mm = _common_grid([*paths, region])
    except CohortError as error:
        findings.error(row.patient_id, str(error))
        return None
    phases = cast(tuple[Path, Path, Path], paths)
    return Acquired(
        Imaging(layout=layout, phases=phases, region=region, shape=shape, spacing_mm=spacing_mm), chosen.timing
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Numbers of the three files, and the times of what they hold."""

    files: tuple[int, int, int]
    timing: Timing | None


def _choose_stored(row: Row, count: int, stored_phases: tuple[int, int] | None, findings: Findings) -> _Choice | None:
    if count > _STORED_PHASES:
        findings.error(row.patient_id, f"{count} images, but its row in {GEOMETRY} says that it is reduced to three")
        return None
    early, late = stored_phases or (0, 0)
    if stored_phases is None:
        findings.warning(row.patient_id, f"no row in {GEOMETRY}: three images are taken for pre, early and late")
    elif row.times_s is None:
        findings.warning(row.patient_id, "the times of its phases are unknown")
    elif not 0 < early < late < len(row.times_s):
        found = f"{GEOMETRY} names phases {early} and {late} of {len(row.times_s)} acquisition times"
        findings.warning(row.patient_id, f"the times of its phases are unknown: {found}")
    else:
        return _Choice((0, 1, 2), _timing(row.times_s, int(early), int(late)))
    return _Choice((0, 1, 2), None)


def _choose_of_all(row: Row, count: int, targets: PhaseTargets, findings: Findings) -> _Choice | None:
    if row.times_s is None:
        findings.warning(row.patient_id, "images left out: no acquisition times to choose early and late phase by")
        return None
    if count != len(row.times_s):
        findings.error(
            row.patient_id,
            f"{count} images, but {len(row.times_s)} acquisition times (a reduced pack has a row in {GEOMETRY})",
        )
        return None
    if count < _STORED_PHASES:
        findings.warning(row.patient_id, "images left out: fewer than two phases after contrast")
        return None
    early, late = choose_phases(row.times_s, targets)
    return _Choice((0, early, late), _timing(row.times_s, early, late))


def _timing(times_s: Sequence[float], early: int, late: int) -> Timing:
    return Timing(first_post_s=times_s[1], early_s=times_s[early], late_s=times_s[late])


def _common_grid(paths: Sequence[Path]) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape and spacing [slices, rows, columns] of files of one grid; NIfTI's axes are columns, rows, slices.

    Raises:
        CohortError: a file can not be read, is no volume, or has another grid than the first.
    """
    headers = [_header(path) for path in paths]
    shape, affine = headers[0]
    for path, (other_shape, other_affine) in zip(paths[1:], headers[1:], strict=True):
        if other_shape != shape:
            raise CohortError(f"{path.name} has shape {other_shape}, {paths[0].name} has {shape}")
        if _farthest_apart_mm(affine, other_affine, shape) > 0.5 * min(_spacing_mm(affine)):
            raise CohortError(f"{path.name} lies elsewhere than {paths[0].name} by its affine")
    columns, rows, slices = shape
    column_mm, row_mm, slice_mm = _spacing_mm(affine)
    return (slices, rows, columns), (slice_mm, row_mm, column_mm)


def _header(path: Path) -> tuple[tuple[int, int, int], npt.NDArray[np.float64]]:
    try:
        image = nib.Nifti1Image.from_filename(path)
    except UNREADABLE as error:
        raise CohortError(f"{path.name} can not be read: {error}") from None
    if len(image.shape) != 3:
        raise CohortError(f"{path.name} has {len(image.shape)} dimensions, expected 3")
    if not all(spacing > 0 for spacing in _spacing_mm(image.affine)):
        raise CohortError(f"{path.name} has no spacing")
    return image.shape, image.affine


def _spacing_mm(affine: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    along_columns, along_rows, along_slices = (float(size) for size in nib.affines.voxel_sizes(affine))
    return along_columns, along_rows, along_slices


def _farthest_apart_mm(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """How far two affines put the same corner of the volume apart."""
    corners = np.asarray([(*corner, 1) for corner in product(*((0, size - 1) for size in shape))])
    return float(np.linalg.norm((corners @ (a - b).T)[:, :3], axis=1).max())
