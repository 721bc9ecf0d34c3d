"""The series that a console or a workstation derives from the contrast phases: subtraction, MIP, SER, PE, masks.

All but the screen save lie on the grid of the dynamic series. Some are called ORIGINAL, so that their name alone tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage
from scipy.ndimage import maximum_filter1d

from phantom.dicom import NOTICE, Series, StudyContext, gradient_echo, set_attributes
from phantom.voxels import MAXIMUM

DERIVED = {"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]}
AFTER_LAST_S = 200.0


def subtraction(study: StudyContext, number: int, description: str, sequence: Mapping[str, Any]) -> Iterator[Dataset]:
    """The first post-contrast phase less the last pre-contrast one, as the scanner's console derives it."""
    return named_subtraction(study, number, description, {**sequence, **DERIVED})


def named_subtraction(
    study: StudyContext, number: int, description: str, sequence: Mapping[str, Any]
) -> Iterator[Dataset]:
    """The same with the ImageType of the sequence: its name alone tells."""
    for post in _first_after_contrast(study):
        rise = study.phantom.voxels[post].astype(np.int32) - study.phantom.voxels[post - 1]
        yield from _volume(study, number, description, sequence, np.maximum(rise, 0), post)


def named_projection(
    study: StudyContext, number: int, description: str, sequence: Mapping[str, Any]
) -> Iterator[Dataset]:
    """Maximum intensity projections through five slices of the first phase after contrast."""
    for post in _first_after_contrast(study):
        thick = maximum_filter1d(study.phantom.voxels[post], 5, axis=0)
        yield from _volume(study, number, description, sequence, thick, post)


def signal_enhancement_ratio(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """The early rise over the late one, in per mille; its ImageType says ORIGINAL."""
    sequence = gradient_echo(study.phantom.spec.protocol)
    voxels = study.phantom.voxels.astype(np.float32)
    for post in _first_after_contrast(study):
        early, late = voxels[post] - voxels[post - 1], voxels[-1] - voxels[post - 1]
        ratio = np.divide(1000 * early, late, out=np.zeros_like(early), where=late > 20)
        yield from _volume(study, number, description, sequence, ratio, post)


def percent_enhancement(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """The early rise over the signal before contrast, in per cent."""
    sequence = gradient_echo(study.phantom.spec.protocol) | {"ImageType": ["DERIVED", "PRIMARY", "OTHER"]}
    voxels = study.phantom.voxels.astype(np.float32)
    for post in _first_after_contrast(study):
        percent = 100 * (voxels[post] / np.maximum(voxels[post - 1], 20) - 1)
        yield from _volume(study, number, description, sequence, percent, post)


def analysis_mask(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """A segmentation that marks what is not to be looked at: all that does not enhance."""
    for post in _first_after_contrast(study):
        phantom = study.phantom
        source = list(_volume(study, 3, "source", gradient_echo(phantom.spec.protocol), phantom.voxels[post], post))
        rise = phantom.voxels[post].astype(np.int32) - phantom.voxels[post - 1]
        mask = Segmentation(
            source_images=source,
            pixel_array=(rise < 60).astype(np.uint8),
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=[_excluded_region()],
            series_instance_uid=study.uid("series", number),
            series_number=number,
            sop_instance_uid=study.uid("image", number, 1),
            instance_number=1,
            manufacturer="Simulated",
            manufacturer_model_name="Phantom",
            software_versions="simulated",
            device_serial_number="0",
            series_description=description,
            content_description="simulated",
        )
        _make_repeatable(mask, study)
        yield mask


def screen_save(study: StudyContext, number: int) -> Iterator[Dataset]:
    """What somebody saw on the console, as a colour picture without a place in the patient (PS3.3 A.8.1)."""
    series = Series(number=number, description="Screen Save", start_s=study.phantom.phases[-1].time_s + AFTER_LAST_S)
    ds = study.header(series)
    middle = study.phantom.voxels[0, study.phantom.voxels.shape[1] // 2]
    grey = np.clip(middle, 0, 255).astype(np.uint8)
    set_attributes(ds, {"FrameOfReferenceUID": None, "PositionReferenceIndicator": None, "PatientPosition": None})
    attributes = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": study.uid("image", number, 1),
        "ConversionType": "WSD",
        "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"],
        "InstanceNumber": 1,
        "ContentDate": study.identity.study_date,
        "ContentTime": study.time(series.start_s),
        "PatientOrientation": "",
        "ImageComments": NOTICE,
        "ImageLaterality": "B",
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": grey.shape[0],
        "Columns": grey.shape[1],
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    set_attributes(ds, attributes)
    picture = np.repeat(grey[..., None], 3, axis=2).tobytes()
    ds.PixelData = picture + b"\0" * (len(picture) % 2)
    yield ds


def _first_after_contrast(study: StudyContext) -> list[int]:
    """The first phase after contrast, if there is one with a phase before it."""
    return [index for index, phase in enumerate(study.phantom.phases) if phase.role == "post" and index > 0][:1]


def _volume(
    study: StudyContext,
    number: int,
    description: str,
    sequence: Mapping[str, Any],
    voxels: NDArray[Any],
    phase: int,
) -> Iterator[Dataset]:
    """Voxels [S, R, C] on the dynamic grid as a series that says that it is of a phase."""
    series = Series(
        number=number,
        description=description,
        start_s=study.phantom.phases[-1].time_s + AFTER_LAST_S,
        sequence={**sequence, **study.agent(phase)},
    )
    for slice_index, pixels in enumerate(np.clip(np.rint(voxels), 0, MAXIMUM).astype(np.uint16)):
        yield study.image(
            series,
            instance=slice_index + 1,
            pixels=pixels,
            geometry=study.phantom.geometry,
            slice_index=slice_index,
            acquired_s=study.phantom.phases[phase].time_s,
        )


def _excluded_region() -> SegmentDescription:
    return SegmentDescription(
        segment_number=1,
        segment_label="Analysis mask",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name="simulated", family=codes.cid7162.MorphologicalOperations, version="simulated"
        ),
    )


def _make_repeatable(mask: Segmentation, study: StudyContext) -> None:
    """Put the study's own times and UIDs where highdicom takes those of the moment."""
    moment = {"Date": study.identity.study_date, "Time": study.time(study.phantom.phases[-1].time_s + AFTER_LAST_S)}
    for keyword in (
        "ContentDate",
        "SeriesDate",
        "InstanceCreationDate",
        "ContentTime",
        "SeriesTime",
        "InstanceCreationTime",
    ):
        if keyword in mask:
            setattr(mask, keyword, moment[keyword[-4:]])
    organization = study.uid("dimensions", "mask")
    mask.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for index in mask.DimensionIndexSequence:
        index.DimensionOrganizationUID = organization
    mask.ImageComments = NOTICE
    mask.InstitutionName = "Simulated phantom"
