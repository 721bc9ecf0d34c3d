"""Enhanced MR images of a phantom: many frames in one object (PS3.3 A.36.2, Enhanced MR Image IOD)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from highdicom.volume import VolumeGeometry
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage

from phantom.dicom import NOTICE, RECONSTRUCTION_S, Series, StudyContext, plane_attributes, set_attributes
from phantom.spec import Protocol

# Context group 12, Radiographic Contrast Agent (PS3.16), SCT values.
_AGENTS = {
    "gadobutrol": ("407976008", "Gadobutrol"),
    "gadopentetate": ("109216000", "Gadopentetate dimeglumine"),
    "gadoterate": ("712714000", "Gadoterate meglumine"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of an enhanced object.

    Attributes:
        pixels: Stored values of 12 bits, [R, C].
        slice_index: Which slice of the volume it is.
        temporal_position: Which phase of the object it is of, from 1.
        acquired_s: Start of its acquisition, seconds after the start of the first phase.
        agent: Whether there was contrast in the patient.
    """

    pixels: NDArray[np.uint16]
    slice_index: int
    temporal_position: int
    acquired_s: float
    agent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What the frames show (PS3.3 C.8.13.3.1): the values that image, pulse sequence and frame types repeat.

    Attributes:
        image_type: ImageType, and FrameType with it.
        component: ComplexImageComponent.
        acquisition: AcquisitionContrast.
        pulse: Attributes of the MR Pulse Sequence Module that differ from a fat-suppressed 3-D gradient echo.
        region: Code of the anatomic region: SCT value and meaning.
        laterality: FrameLaterality.
    """

    image_type: tuple[str, str, str, str] = ("ORIGINAL", "PRIMARY", "DYNAMIC", "NONE")
    component: str = "MAGNITUDE"
    acquisition: str = "T1"
    pulse: Mapping[str, Any] = field(default_factory=dict)
    region: tuple[str, str] = ("76752008", "Breast")
    laterality: str = "B"


def enhanced_image(
    study: StudyContext, series: Series, frames: Sequence[Frame], geometry: VolumeGeometry, contrast: Contrast
) -> Dataset:
    """One object with all frames, of slices of one volume.

    DimensionIndexValues are those of StackID, TemporalPositionIndex and InStackPositionNumber (PS3.3 C.7.6.17).
    """
    ds = study.header(series)
    ds.SOPClassUID = EnhancedMRImageStorage
    ds.SOPInstanceUID = study.uid("image", series.number, 1)
    acquired = [frame.acquired_s for frame in frames]
    duration = study.phantom.spec.acquisition_s
    attributes = {
        "InstanceNumber": 1,
        "NumberOfFrames": len(frames),
        "ContentDate": study.identity.study_date,
        "ContentTime": study.time(max(acquired) + duration + RECONSTRUCTION_S),
        "AcquisitionDateTime": _moment(study, min(acquired)),
        "AcquisitionDuration": 1000 * (max(acquired) - min(acquired) + duration),
        "AcquisitionNumber": 1,
        "ImageComments": NOTICE,
        "AcquisitionContextSequence": [],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": geometry.spatial_shape[1],
        "Columns": geometry.spatial_shape[2],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
    }
    set_attributes(ds, attributes | _image_module(contrast, study.phantom.spec.protocol) | _dimensions(study))
    set_attributes(ds, {**_pulse_sequence(), **contrast.pulse, **series.sequence})
    ds.SharedFunctionalGroupsSequence = [_shared(study, geometry, contrast)]
    groups = [_per_frame(study, geometry, frame, contrast) for frame in frames]
    if any(frame.agent for frame in frames):
        ds.ContrastBolusAgentSequence = [_agent(study)]
        for group, frame in zip(groups, frames, strict=True):
            group.ContrastBolusUsageSequence = [_usage(frame)]
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.PixelData = np.stack([frame.pixels for frame in frames]).astype("<u2").tobytes()
    return ds


def _image_module(contrast: Contrast, protocol: Protocol) -> dict[str, Any]:
    """Enhanced MR Image Module (PS3.3 C.8.13.1)."""
    return {
        "ImageType": list(contrast.image_type),
        "ContentQualification": "RESEARCH",
        "ResonantNucleus": "1H",
        "KSpaceFiltering": "NONE",
        "MagneticFieldStrength": protocol.field_strength_t,
        "ApplicableSafetyStandardAgency": "IEC",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
        **_descriptions(contrast),
    }


def _descriptions(contrast: Contrast) -> dict[str, Any]:
    """Common CT/MR Image Description and MR Image Description macros (PS3.3 C.8.16.2, C.8.13.3)."""
    return {
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": contrast.component,
        "AcquisitionContrast": contrast.acquisition,
    }


def _pulse_sequence() -> dict[str, Any]:
    """MR Pulse Sequence Module (PS3.3 C.8.13.4) of a spoiled 3-D gradient echo."""
    return {
        "PulseSequenceName": "T1FFE",
        "MRAcquisitionType": "3D",
        "EchoPulseSequence": "GRADIENT",
        "MultiPlanarExcitation": "NO",
        "PhaseContrast": "NO",
        "TimeOfFlightContrast": "NO",
        "SteadyStatePulseSequence": "NONE",
        "EchoPlanarPulseSequence": "NO",
        "SaturationRecovery": "NO",
        "SpectrallySelectedSuppression": "FAT",
        "OversamplingPhase": "NONE",
        "GeometryOfKSpaceTraversal": "RECTILINEAR",
        "RectilinearPhaseEncodeReordering": "LINEAR",
        "SegmentedKSpaceTraversal": "SINGLE",
        "CoverageOfKSpace": "FULL",
        "NumberOfKSpaceTrajectories": 1,
    }


def _dimensions(study: StudyContext) -> dict[str, Any]:
    """Multi-frame Dimension Module (PS3.3 C.7.6.17)."""
    organization = study.uid("dimensions")
    indices = []
    for keyword in ("StackID", "TemporalPositionIndex", "InStackPositionNumber"):
        indices.append(
            _item(
                DimensionOrganizationUID=organization,
                DimensionIndexPointer=tag_for_keyword(keyword),
                FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
            )
        )
    return {
        "DimensionOrganizationSequence": [_item(DimensionOrganizationUID=organization)],
        "DimensionIndexSequence": indices,
    }


def _agent(study: StudyContext) -> Dataset:
    """Enhanced Contrast/Bolus Module (PS3.3 C.7.6.4b): the agent, given once into a vein."""
    spec = study.phantom.spec
    value, meaning = _AGENTS[spec.protocol.agent]
    agent = _code(value, "SCT", meaning)
    agent.ContrastBolusAgentNumber = 1
    agent.ContrastBolusIngredientCodeSequence = [_code("58281002", "SCT", "Gadolinium")]
    agent.ContrastBolusAdministrationRouteSequence = [_code("47625008", "SCT", "Intravenous route")]
    agent.ContrastBolusVolume = 10
    agent.ContrastBolusIngredientConcentration = 157.25
    agent.ContrastAdministrationProfileSequence = [
        _item(
            ContrastBolusVolume=10,
            ContrastBolusStartTime=study.time(spec.injection_time_s),
        )
    ]
    return agent


def _shared(study: StudyContext, geometry: VolumeGeometry, contrast: Contrast) -> Dataset:
    """Functional groups that are the same for all frames (PS3.3 A.36.2.4)."""
    plane = plane_attributes(geometry, 0)
    spacing = {key: plane[key] for key in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices")}
    timing, echo = _timing(study.phantom.spec.protocol)
    region = _code(contrast.region[0], "SCT", contrast.region[1])
    return _item(
        PixelMeasuresSequence=[_item(**spacing)],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=plane["ImageOrientationPatient"])],
        FrameAnatomySequence=[_item(FrameLaterality=contrast.laterality, AnatomicRegionSequence=[region])],
        PixelValueTransformationSequence=[_item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")],
        FrameVOILUTSequence=[_item(WindowCenter=160, WindowWidth=320)],
        MRTimingAndRelatedParametersSequence=[timing],
        MRFOVGeometrySequence=[_field_of_view(geometry)],
        MREchoSequence=[echo],
        MRModifierSequence=[_modifier()],
        MRImagingModifierSequence=[_imaging_modifier(study.phantom.spec.protocol)],
        MRReceiveCoilSequence=[
            _item(
                ReceiveCoilName="Breast",
                ReceiveCoilManufacturerName="",
                ReceiveCoilType="SURFACE",
                QuadratureReceiveCoil="NO",
            )
        ],
        MRTransmitCoilSequence=[
            _item(TransmitCoilName="Body", TransmitCoilManufacturerName="", TransmitCoilType="BODY")
        ],
        MRAveragesSequence=[_item(NumberOfAverages=1)],
    )


def _timing(protocol: Protocol) -> tuple[Dataset, Dataset]:
    """MR Timing and Related Parameters, and MR Echo (PS3.3 C.8.13.5.2, C.8.13.5.4)."""
    timing = _item(
        RepetitionTime=protocol.repetition_time_ms,
        FlipAngle=protocol.flip_angle_deg,
        EchoTrainLength=0,
        RFEchoTrainLength=0,
        GradientEchoTrainLength=1,
        SpecificAbsorptionRateSequence=[
            _item(SpecificAbsorptionRateDefinition="IEC_WHOLE_BODY", SpecificAbsorptionRateValue=0.5)
        ],
        GradientOutputType="DB_DT",
        GradientOutput=50.0,
        OperatingModeSequence=[_item(OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL")],
    )
    return timing, _item(EffectiveEchoTime=protocol.echo_time_ms)


def _field_of_view(geometry: VolumeGeometry) -> Dataset:
    """MR FOV/Geometry (PS3.3 C.8.13.5.3)."""
    slices, rows, columns = geometry.spatial_shape
    return _item(
        InPlanePhaseEncodingDirection="ROW",
        MRAcquisitionFrequencyEncodingSteps=rows,
        MRAcquisitionPhaseEncodingStepsInPlane=columns,
        MRAcquisitionPhaseEncodingStepsOutOfPlane=slices,
        PercentSampling=100,
        PercentPhaseFieldOfView=100,
    )


def _modifier() -> Dataset:
    """MR Modifier (PS3.3 C.8.13.5.5)."""
    return _item(
        InversionRecovery="NO",
        FlowCompensation="NONE",
        Spoiling="RF",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )


def _imaging_modifier(protocol: Protocol) -> Dataset:
    """MR Imaging Modifier (PS3.3 C.8.13.5.6)."""
    return _item(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=42.577 * protocol.field_strength_t,
        PixelBandwidth=300.0,
    )


def _per_frame(study: StudyContext, geometry: VolumeGeometry, frame: Frame, contrast: Contrast) -> Dataset:
    """Functional groups of one frame."""
    start = _moment(study, frame.acquired_s)
    duration_ms = 1000 * study.phantom.spec.acquisition_s
    content = _item(
        FrameAcquisitionNumber=frame.temporal_position,
        FrameReferenceDateTime=start,
        FrameAcquisitionDateTime=start,
        FrameAcquisitionDuration=duration_ms,
        StackID="1",
        InStackPositionNumber=frame.slice_index + 1,
        TemporalPositionIndex=frame.temporal_position,
        DimensionIndexValues=[1, frame.temporal_position, frame.slice_index + 1],
    )
    position = plane_attributes(geometry, frame.slice_index)["ImagePositionPatient"]
    return _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=position)],
        MRImageFrameTypeSequence=[_item(FrameType=list(contrast.image_type), **_descriptions(contrast))],
    )


def _usage(frame: Frame) -> Dataset:
    """Contrast/Bolus Usage (PS3.3 C.7.6.16.2.12)."""
    yes = "YES" if frame.agent else "NO"
    return _item(ContrastBolusAgentNumber=1, ContrastBolusAgentAdministered=yes, ContrastBolusAgentDetected=yes)


def _moment(study: StudyContext, seconds: float) -> str:
    """DT value of a moment, given in seconds after the start of the first phase."""
    return study.identity.study_date + study.time(seconds)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**attributes: Any) -> Dataset:
    """A sequence item of these attributes, by DICOM keyword."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, Items(value) if keyword.endswith("Sequence") else value)
    return ds
