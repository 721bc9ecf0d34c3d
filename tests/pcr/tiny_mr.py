"""Tiny MR studies, dataset by dataset: a dynamic series of a few slices of 8 x 10 pixels to bend at will."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from pcr.manifest import CropSpec, PhaseTarget
from pcr.phases import DceSeries, select_dce
from pcr.study import Instance, Series, Study, read_inbox
from pcr.volume import DceVolume, VolumeLimits, load

SLICES, ROWS, COLUMNS = 8, 8, 10
SPACING_MM = (1.5, 1.0)  # between rows, between columns
GAP_MM = 2.5
FIRST_POSITION = (-80.0, -100.0, -40.0)
FIRST_PHASE = datetime(2020, 1, 2, 9, 7)

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
OBLIQUE = ((0.8, 0.6, 0.0), (-0.36, 0.48, 0.8))

CROP = CropSpec(
    window_mm=32,
    grid=16,
    slices=4,
    training_extent_fraction=0.7,
    phases=(
        PhaseTarget(role="pre"),
        PhaseTarget(role="early", target_after_injection_s=120),
        PhaseTarget(role="late", target_after_injection_s=440),
    ),
)

Axes = tuple[tuple[float, float, float], tuple[float, float, float]]
Images = dict[tuple[int, int], Dataset]


def mr_image(phase: int = 0, place: int = 0, *, axes: Axes = AXIAL, gap_mm: float = GAP_MM, **given: Any) -> Dataset:
    """One slice of one phase, in a series of its own per phase; any attribute may be given by its keyword.

    Phases start after 0, 129, 219, 309 ... s. Places rise along the normal that makes (slice, row, column)
    right-handed, so the place is the slice index of the volume that these images are of.
    """
    along_row, along_column = np.array(axes)
    position = FIRST_POSITION + np.cross(along_column, along_row) * gap_mm * place
    start = FIRST_PHASE + timedelta(seconds=0 if phase == 0 else 39 + 90 * phase)
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.Modality = MRImageStorage, "MR"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", f"1.2.3.{phase + 1}"
    image.SOPInstanceUID = f"1.2.3.{phase + 1}.{place + 1}"
    image.FrameOfReferenceUID = "1.2.3.99"
    image.PatientID, image.PatientName, image.PatientSex = "T-1", "Tiny^Study", "F"
    image.StudyDate = image.AcquisitionDate = image.ContentDate = "20200102"
    image.SeriesDescription, image.BodyPartExamined = f"ax dyn {phase}", "BREAST"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.ScanningSequence, image.SequenceVariant, image.MRAcquisitionType = "GR", ["SP", "OSP"], "3D"
    image.RepetitionTime, image.EchoTime, image.FlipAngle = 4.1, 1.4, 12
    image.AcquisitionTime = start.strftime("%H%M%S")
    image.ImagePositionPatient = [round(float(value), 6) for value in position]
    image.ImageOrientationPatient = [float(value) for value in (*along_row, *along_column)]
    image.Rows, image.Columns, image.PixelSpacing = ROWS, COLUMNS, list(SPACING_MM)
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    set_pixels(image, signal(phase, place))
    change(image, **given)
    return image


def signal(phase: int, place: int) -> npt.NDArray[np.uint16]:
    """Stored values [rows, columns] that no other image has."""
    return (1000 * phase + 100 * place + np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)).astype(np.uint16)


def set_pixels(image: Dataset, pixels: npt.NDArray[Any]) -> None:
    """Store integers of 8 or 16 bits."""
    image.Rows, image.Columns = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    image.BitsAllocated, image.BitsStored, image.HighBit = bits, bits, bits - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"


def change(images: Dataset | Iterable[Dataset], **given: Any) -> None:
    """Set attributes by keyword, on one or on many images; None deletes."""
    for image in [images] if isinstance(images, Dataset) else images:
        for keyword, value in given.items():
            if value is None:
                del image[keyword]
            else:
                setattr(image, keyword, value)


def dynamic(phases: int = 4, slices: int = SLICES, **given: Any) -> Images:
    """A dynamic study by (phase, place): one series per phase, told apart by AcquisitionTime."""
    return {(p, s): mr_image(p, s, **given) for p in range(phases) for s in range(slices)}


def in_one_series(images: Images) -> Images:
    """The same images, all in the first phase's series."""
    change(images.values(), SeriesInstanceUID="1.2.3.1", SeriesDescription="dynamic")
    return images


def of_phase(images: Images, phase: int) -> list[Dataset]:
    """The images of one phase."""
    return [image for (p, _), image in images.items() if p == phase]


def study_of(images: Images | Iterable[Dataset]) -> Study:
    """The study that read_inbox would make of these images, without a disk and so without pixels."""
    series: dict[str, list[Instance]] = defaultdict(list)
    for image in images.values() if isinstance(images, dict) else images:
        series[image.SeriesInstanceUID].append(Instance(Path("nowhere"), image))  # type: ignore[arg-type]
    return Study("1.2.3", tuple(Series(uid, tuple(found)) for uid, found in series.items()))


def select(images: Images | Iterable[Dataset]) -> DceSeries:
    """The dynamic series among images that are in no file."""
    return dce_of(study_of(images))


def dce_of(study: Study) -> DceSeries:
    """The one dynamic series of a study."""
    (series,) = select_dce(study, CROP)
    return series


def save(images: Images | Iterable[Dataset], folder: Path) -> Path:
    """Write images below a folder under names that say nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images.values() if isinstance(images, dict) else images):
        image.save_as(folder / f"{number:04d}", enforce_file_format=True)
    return folder


def load_from(folder: Path) -> DceVolume:
    """The dynamic volume of the one study in a folder."""
    (study,) = read_inbox(folder).studies
    return load(dce_of(study), VolumeLimits())
