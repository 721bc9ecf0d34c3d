"""A small study of four phases, written as DICOM, read back and taken to a prediction: what the report is made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from pcr.attention import place_attention
from pcr.case import IllustratedCase, PredictedCase, grow
from pcr.clinical import ClinicalRecord, encode
from pcr.crop import window_around
from pcr.lesion import Laterality, outlined
from pcr.manifest import ClinicalVariable, CropSpec, PhaseTarget
from pcr.model import Prediction
from pcr.page import Illustrations, Page, SlicePage
from pcr.phases import select_dce
from pcr.report.attribution import Attribution, attribute_case
from pcr.report.objects import make_objects
from pcr.report.pictures.overlay import draw_slices
from pcr.report.pictures.summary_page import draw_summary
from pcr.report.provenance import Provenance
from pcr.report.settings import ReportSettings
from pcr.study import read_inbox
from pcr.volume import VolumeLimits, load

SLICES, ROWS, COLUMNS = 12, 48, 64
SPACING_MM = (1.5, 1.0)
GAP_MM = 2.5
LESION_SLICES = slice(3, 9)
CROP = CropSpec(
    window_mm=32,
    grid=32,
    slices=4,
    training_extent_fraction=0.7,
    phases=(
        PhaseTarget(role="pre"),
        PhaseTarget(role="early", target_after_injection_s=90),
        PhaseTarget(role="late", target_after_injection_s=300),
    ),
)


def lesion_mask() -> npt.NDArray[np.bool_]:
    """An L-shaped lesion, off the centre: nothing about it survives a flip or a swap of axes."""
    mask = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
    mask[LESION_SLICES, 10:24, 12:16] = True
    mask[3:6, 20:24, 12:30] = True
    return mask


def oblique_axes() -> npt.NDArray[np.float64]:
    """Directions of rows and columns, tilted 20 degrees from axial about the left-right axis."""
    angle = np.deg2rad(20)
    return np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)]])


def write_study(
    folder: Path,
    *,
    reverse: bool = False,
    identity: dict[str, object] | None = None,
    axes: npt.NDArray[np.float64] | None = None,
    spacing_mm: tuple[float, float] = SPACING_MM,
) -> Path:
    """Four phases of one protocol with a lesion that washes out; `reverse` numbers the slices against the normal."""
    axes = oblique_axes() if axes is None else axes
    normal = np.cross(axes[1], axes[0])
    study_uid, frame_uid = generate_uid(), generate_uid()
    rng = np.random.default_rng(7)
    tissue = rng.integers(80, 120, (SLICES, ROWS, COLUMNS))
    for phase, enhancement in enumerate((0, 250, 220, 180)):
        series_uid = generate_uid()
        signal = tissue + np.where(lesion_mask(), enhancement, enhancement // 20)
        for place in range(SLICES):
            header = _instance(study_uid, series_uid, frame_uid, phase)
            header.InstanceNumber = SLICES - place if reverse else place + 1
            header.ImagePositionPatient = [round(float(v), 5) for v in (-80, -100, -40) + normal * GAP_MM * place]
            header.ImageOrientationPatient = [round(float(v), 6) for v in axes.ravel()]
            header.PixelSpacing = list(spacing_mm)
            header.PixelData = signal[place].astype(np.uint16).tobytes()
            for keyword, value in (identity or {}).items():
                setattr(header, keyword, value)
            header.save_as(folder / f"{phase}_{header.InstanceNumber:02d}", enforce_file_format=True)
    return folder


def _instance(study_uid: str, series_uid: str, frame_uid: str, phase: int) -> Dataset:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = study_uid, series_uid
    header.FrameOfReferenceUID, header.PositionReferenceIndicator = frame_uid, ""
    header.PatientName, header.PatientID = "Test^Breast^^^", "T-1"
    header.PatientBirthDate, header.PatientSex = "19700101", "F"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20200102", "101500", "1", "A-77"
    header.ReferringPhysicianName, header.StudyDescription = "", "BREAST MRI"
    header.Modality, header.SeriesNumber, header.Manufacturer = "MR", phase + 1, "Phantom"
    header.SeriesDescription, header.BodyPartExamined = f"ax dyn {phase}", "BREAST"
    header.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "GR", "SP", ""
    header.MRAcquisitionType, header.RepetitionTime, header.EchoTime, header.FlipAngle = "3D", 5, 2, 10
    header.AcquisitionDate, header.AcquisitionTime = "20200102", f"10{20 + 2 * phase}00"
    header.Rows, header.Columns = ROWS, COLUMNS
    header.SliceThickness, header.SamplesPerPixel, header.PhotometricInterpretation = GAP_MM, 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    return header


def predicted(
    folder: Path,
    record: ClinicalRecord | None = None,
    above: bool | None = False,
    laterality: Laterality = "right",
) -> PredictedCase:
    """The study in a folder, taken to a prediction whose attention lies in the first corner of the window."""
    (study,) = read_inbox(folder).studies
    (series,) = select_dce(study, CROP)
    volume = load(series, VolumeLimits())
    lesion = outlined(lesion_mask(), volume, source="kinetic", laterality=laterality, score=0.8)
    window = window_around(lesion.mask, volume.geometry.pixel_spacing, CROP)
    attention = np.full((len(window.slice_indices), 2, 4, 4), 0.2 / 31, dtype=np.float32)
    attention[:, 0, 0, 0] = 0.8
    record = record or ClinicalRecord(age=55, er=True, her2=False, source="clinical.json")
    names = ("age", "hr", "her2", "menopausal_status")
    prediction = Prediction(
        probability=0.3421,
        interval=(0.28, 0.41),
        imaging_probability=0.3,
        clinical_probability=0.38,
        threshold=0.45,
        above_threshold=above,
        attention=attention,
    )
    return PredictedCase(
        study=study,
        clinical=record,
        warnings=("The injection time is estimated.",),
        volume=volume,
        lesion=lesion,
        encoded=encode(record, [ClinicalVariable(name=name) for name in names]),
        prediction=prediction,
        attention=place_attention(attention, window),
    )


@pytest.fixture(scope="session")
def predict(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PredictedCase]:
    """Makes a case: arguments of `predicted` by name, all others go to `write_study`."""

    def made_case(**given: Any) -> PredictedCase:
        kept = {name: given.pop(name) for name in ("record", "above", "laterality") if name in given}
        return predicted(write_study(tmp_path_factory.mktemp("study"), **given), **kept)

    return made_case


@pytest.fixture(scope="session")
def case(predict: Callable[..., PredictedCase]) -> PredictedCase:
    return predict()


@pytest.fixture(scope="session")
def pages(case: PredictedCase, made: Provenance) -> Illustrations:
    """The pictures of the case, drawn once."""
    return Illustrations(summary=draw_summary(case, made), slices=draw_slices(case, ReportSettings()))


@pytest.fixture(scope="session")
def make_all(made: Provenance) -> Callable[..., dict[str, list[Dataset]]]:
    """Makes every object of a case, by kind, as it is read back from its file; the pictures are left blank."""

    blank = np.zeros((8, 8, 3), dtype=np.uint8)

    def all_objects(case: PredictedCase, made: Provenance = made) -> dict[str, list[Dataset]]:
        pictures = Illustrations(
            summary=(Page(pixels=blank),),
            slices=tuple(
                SlicePage(pixels=blank, slice_index=index, first_pixel=(0, 0), pixel_mm=1)
                for index in case.attention.cells
            ),
        )
        return _reread_objects(case, pictures, made)

    return all_objects


@pytest.fixture(scope="session")
def make_drawn(made: Provenance) -> Callable[[Path], dict[str, list[Dataset]]]:
    """Makes every object of the study in a folder, with its pictures."""

    def all_objects(folder: Path) -> dict[str, list[Dataset]]:
        case = predicted(folder)
        pictures = Illustrations(summary=draw_summary(case, made), slices=draw_slices(case, ReportSettings()))
        return _reread_objects(case, pictures, made)

    return all_objects


def _reread_objects(case: PredictedCase, pictures: Illustrations, made: Provenance) -> dict[str, list[Dataset]]:
    illustrated = grow(case, IllustratedCase, volume=case.volume.without_pixels(), illustrations=pictures)
    objects = make_objects(illustrated, ReportSettings(parametric_map=True), made)
    return {kind: [reread(dataset) for dataset in datasets] for kind, datasets in objects.items()}


@pytest.fixture
def written_study(tmp_path: Path) -> Path:
    """A study on disk that a test may change."""
    return write_study(tmp_path)


def reread(dataset: Dataset) -> Dataset:
    """A data set as it comes back from its file."""
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pydicom.dcmread(file)


@pytest.fixture(scope="session")
def attribution(case: PredictedCase, made: Provenance) -> Attribution:
    """Whose the objects of the case are, and who made them."""
    return attribute_case(case, made)


@pytest.fixture(scope="session")
def made() -> Provenance:
    return Provenance(
        software_version="0.1.0",
        model_name="breast_pcr",
        model_version="0.1.0",
        model_sha256="0123456789abcdef" * 4,
        configuration_sha256="fedcba9876543210" * 4,
        base_rate=0.323,
        provider="CPUExecutionProvider",
        made_at=datetime(2026, 1, 2, 3, 4, 5),
    )
