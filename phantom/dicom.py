"""DICOM MR images of a phantom: everything that the layouts have in common (PS3.3 A.4, MR Image IOD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from phantom.clinical import ClinicalRecord
from phantom.errors import require
from phantom.spec import Protocol
from phantom.voxels import Phantom

FIRST_PHASE_AFTER_STUDY_S = 420.0  # localisers and set-up come first
RECONSTRUCTION_S = 12.0
NOTICE = "Simulated phantom. Not a patient."


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose study it is; whatever is None follows from the seed."""

    patient_id: str | None = None
    patient_name: str | None = None
    study_instance_uid: str | None = None
    study_date: str = "20200101"

    def __post_init__(self) -> None:
        try:
            datetime.strptime(self.study_date, "%Y%m%d")
        except ValueError:
            require(False, f"study_date ({self.study_date}) must be a date as YYYYMMDD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series, and what its images have in common.

    Attributes:
        number: SeriesNumber.
        description: SeriesDescription.
        start_s: When it starts, seconds after the start of the first phase.
        sequence: Further attributes of all its images, by DICOM keyword.
    """

    number: int
    description: str
    start_s: float
    sequence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyContext:
    """A study being written: builds images that share its patient, study, frame of reference and scanner.

    Attributes:
        phantom: The voxels of the dynamic series, and the patient behind them.
        views: All volumes that the scanner took of her over the phases; the first is `phantom`.
        record: The clinical record, of which the images state the age.
        identity: Whose study it is.
        equipment: Manufacturer, ManufacturerModelName and the like, by DICOM keyword.
        digest: Tells this content from any other; all UIDs derive from it.
    """

    phantom: Phantom
    views: tuple[Phantom, ...]
    record: ClinicalRecord
    identity: Identity
    equipment: Mapping[str, Any]
    digest: str

    @classmethod
    def create(
        cls, views: tuple[Phantom, ...], layout_name: str, equipment: Mapping[str, Any], identity: Identity
    ) -> StudyContext:
        """The context for views of a patient in a layout; the same arguments give the same UIDs."""
        phantom = views[0]
        digest = sha256(repr((phantom.spec, layout_name, identity)).encode()).hexdigest()
        return cls(
            phantom=phantom,
            views=views,
            record=ClinicalRecord.draw(phantom.spec.seed),
            identity=identity,
            equipment=equipment,
            digest=digest,
        )

    @property
    def patient_id(self) -> str:
        """PatientID."""
        return self.identity.patient_id or f"PHANTOM-{self.phantom.spec.seed:04d}"

    @property
    def study_instance_uid(self) -> str:
        """StudyInstanceUID."""
        return self.identity.study_instance_uid or self.uid("study")

    def uid(self, *parts: object) -> str:
        """A UID for one part of the study."""
        return generate_uid(entropy_srcs=[self.digest, *map(str, parts)])

    def time(self, seconds: float) -> str:
        """TM value of a moment, given in seconds after the start of the first phase."""
        first = datetime(2020, 1, 1, 9, 0, 0) + timedelta(seconds=FIRST_PHASE_AFTER_STUDY_S)
        return (first + timedelta(seconds=seconds)).strftime("%H%M%S.%f")

    def image(
        self,
        series: Series,
        *,
        instance: int,
        pixels: NDArray[np.uint16],
        geometry: VolumeGeometry,
        slice_index: int,
        acquired_s: float,
        **attributes: Any,
    ) -> Dataset:
        """One MR image: slice `slice_index` of `geometry`, with pixels [R, C].

        Args:
            series: The series that it belongs to.
            instance: InstanceNumber.
            pixels: Stored values of 12 bits.
            geometry: The volume that the slice is of.
            slice_index: Which slice of it.
            acquired_s: Start of its acquisition, seconds after the start of the first phase.
            **attributes: Further attributes by DICOM keyword; they win over those of the series. None leaves one out.
        """
        ds = self.header(series)
        ds.SOPClassUID = MRImageStorage
        ds.SOPInstanceUID = self.uid("image", series.number, instance)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        ds.InstanceNumber = instance
        ds.AcquisitionDate = ds.ContentDate = self.identity.study_date
        ds.AcquisitionTime = self.time(acquired_s)
        ds.ContentTime = self.time(acquired_s + self.phantom.spec.acquisition_s + RECONSTRUCTION_S)
        ds.ImageComments = NOTICE
        ds.ImageLaterality = "B"
        set_attributes(ds, plane_attributes(geometry, slice_index))
        set_pixels(ds, pixels)
        set_attributes(ds, {**series.sequence, **attributes})
        return ds

    def header(self, series: Series) -> Dataset:
        """The attributes of patient, study, frame of reference, equipment and series, for an object of any kind."""
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        self._set_patient_and_study(ds)
        self._set_series(ds, series)
        return ds

    def agent(self, phase: int, *, with_start: bool = False) -> dict[str, Any]:
        """Contrast/Bolus attributes (PS3.3 C.7.6.4) from a phase on, by DICOM keyword: none before the injection.

        Args:
            phase: Index of the phase; -1 for what follows the last one.
            with_start: Whether the scanner noted when the injection began.
        """
        if self.phantom.phases[phase].role == "pre":
            return {}
        spec = self.phantom.spec
        attributes: dict[str, Any] = {"ContrastBolusAgent": spec.protocol.agent, "ContrastBolusVolume": 10}
        return attributes | ({"ContrastBolusStartTime": self.time(spec.injection_time_s)} if with_start else {})

    def _set_patient_and_study(self, ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.PatientName = self.identity.patient_name or f"Phantom^Seed {self.phantom.spec.seed}"
        ds.PatientID = self.patient_id
        ds.PatientBirthDate = ""
        ds.PatientSex = "F"
        if self.record.age is not None:
            ds.PatientAge = f"{self.record.age:03d}Y"
        ds.StudyInstanceUID = self.study_instance_uid
        ds.StudyID = str(self.phantom.spec.seed % 10**8)
        ds.StudyDate = self.identity.study_date
        ds.StudyTime = self.time(-FIRST_PHASE_AFTER_STUDY_S)
        ds.StudyDescription = "MRI BREAST BILATERAL W WO (simulated phantom)"
        ds.AccessionNumber = ""
        ds.ReferringPhysicianName = ""

    def _set_series(self, ds: Dataset, series: Series) -> None:
        ds.Modality = "MR"
        ds.SeriesInstanceUID = self.uid("series", series.number)
        ds.SeriesNumber = series.number
        ds.SeriesDescription = series.description
        ds.SeriesDate = self.identity.study_date
        ds.SeriesTime = self.time(series.start_s)
        ds.BodyPartExamined = "BREAST"
        ds.PatientPosition = "FFP"
        ds.FrameOfReferenceUID = self.uid("frame of reference")
        ds.PositionReferenceIndicator = ""
        ds.InstitutionName = "Simulated phantom"
        set_attributes(ds, self.equipment)


def set_attributes(ds: Dataset, attributes: Mapping[str, Any]) -> None:
    """Set attributes by DICOM keyword; those that are None are left out, whatever they were."""
    for keyword, value in attributes.items():
        if value is not None:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)


def gradient_echo(protocol: Protocol) -> dict[str, Any]:
    """MR Image attributes of the dynamic series (PS3.3 C.8.3.1), by DICOM keyword."""
    return {
        "ScanningSequence": "GR",
        "SequenceVariant": ["SP", "OSP"],
        "ScanOptions": ["FS"],
        "MRAcquisitionType": "3D",
        "RepetitionTime": protocol.repetition_time_ms,
        "EchoTime": protocol.echo_time_ms,
        "FlipAngle": protocol.flip_angle_deg,
        "EchoTrainLength": 1,
        **_magnet(protocol),
    }


def spin_echo(protocol: Protocol, repetition_time_ms: float, echo_time_ms: float, echoes: int) -> dict[str, Any]:
    """MR Image attributes of a turbo spin echo without fat suppression, by DICOM keyword."""
    return {
        "ScanningSequence": "SE",
        "SequenceVariant": ["SK", "SP"],
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": repetition_time_ms,
        "EchoTime": echo_time_ms,
        "FlipAngle": 180,
        "EchoTrainLength": echoes,
        **_magnet(protocol),
    }


def plane_attributes(geometry: VolumeGeometry, slice_index: int) -> dict[str, Any]:
    """Image Plane attributes (PS3.3 C.7.6.2) of one slice of a volume, by DICOM keyword."""
    affine = geometry.affine
    position = affine[:3, 3] + slice_index * affine[:3, 0]
    between_slices, between_rows, between_columns = geometry.spacing
    columns, rows = affine[:3, 2] / between_columns, affine[:3, 1] / between_rows
    return {
        "ImagePositionPatient": [_decimal(value) for value in position],
        "ImageOrientationPatient": [_decimal(value) for value in (*columns, *rows)],
        "PixelSpacing": [_decimal(between_rows), _decimal(between_columns)],
        "SliceThickness": _decimal(between_slices),
        "SpacingBetweenSlices": _decimal(between_slices),
        "SliceLocation": _decimal(position @ np.cross(columns, rows)),
    }


def set_pixels(ds: Dataset, pixels: NDArray[np.uint16]) -> None:
    """Image Pixel attributes (PS3.3 C.7.6.3) of an image [R, C] of 12 bits, and a window for it."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = 160, 320
    ds.PixelData = pixels.astype("<u2").tobytes()


def _magnet(protocol: Protocol) -> dict[str, Any]:
    return {
        "MagneticFieldStrength": protocol.field_strength_t,
        "ImagedNucleus": "1H",
        "ImagingFrequency": _decimal(42.577 * protocol.field_strength_t),
        "NumberOfAverages": 1,
    }


def _decimal(value: float) -> str:
    """DS value of a number, in at most 16 characters (PS3.5 6.2)."""
    return format_number_as_ds(float(value) + 0.0)  # -0.0 + 0.0 is 0.0
