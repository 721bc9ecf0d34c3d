"""Frames of enhanced objects are planes with the attributes that a single image would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from tiny_mr import GAP_MM, ROWS, change, mr_image, save, signal

from pcr.frames import Frame, frames_of
from pcr.pixels import read_signal, signal_dtype
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox

PHASES, PLACES = 3, 4
CLASSIC_ONLY = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime", "RepetitionTime", "FlipAngle",
    "AcquisitionTime", "AcquisitionDate", "ScanningSequence", "BodyPartExamined",
)  # fmt: skip


def item(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def groups(**sequences: dict[str, Any]) -> Dataset:
    """Functional groups by the keyword of their sequence."""
    return item(**{name: [item(**attributes)] for name, attributes in sequences.items()})


def enhanced(**given: Any) -> Dataset:
    """Three phases of four slices in one Enhanced MR object, the slices of a phase together."""
    frames = [(phase, place) for phase in range(PHASES) for place in range(PLACES)]
    image = mr_image(SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=len(frames))
    change(image, **dict.fromkeys(CLASSIC_ONLY))
    image.EchoPulseSequence, image.SpectrallySelectedSuppression = "GRADIENT", "FAT"
    image.ContrastBolusAgentSequence = [
        item(CodeMeaning="Gadobutrol", ContrastAdministrationProfileSequence=[item(ContrastBolusStartTime="090800")])
    ]
    image.SharedFunctionalGroupsSequence = [
        groups(
            PixelMeasuresSequence={"PixelSpacing": [1.5, 1.0], "SliceThickness": 2.0, "SpacingBetweenSlices": 2.5},
            PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            MREchoSequence={"EffectiveEchoTime": 1.4},
            MRTimingAndRelatedParametersSequence={"RepetitionTime": 4.1, "FlipAngle": 12, "EchoTrainLength": 1},
            FrameAnatomySequence={
                "FrameLaterality": "B",
                "AnatomicRegionSequence": [item(CodeValue="76752008", CodeMeaning="Breast")],
            },
        )
    ]
    image.PerFrameFunctionalGroupsSequence = [frame_groups(phase, place) for phase, place in frames]
    image.PixelData = b"".join(signal(phase, place).tobytes() for phase, place in frames)
    change(image, **given)
    return image


def frame_groups(phase: int, place: int) -> Dataset:
    return groups(
        PlanePositionSequence={"ImagePositionPatient": [-80.0, -100.0, -40.0 + GAP_MM * place]},
        FrameContentSequence={
            "FrameAcquisitionDateTime": f"2020010209{7 + 2 * phase:02d}30.25+0100",
            "FrameAcquisitionNumber": phase + 1,
            "TemporalPositionIndex": phase + 1,
            "StackID": "1",
            "InStackPositionNumber": place + 1,
        },
        TemporalPositionSequence={"TemporalPositionTimeOffset": 90.5 * phase},
        MRImageFrameTypeSequence={
            "FrameType": ["ORIGINAL", "PRIMARY", "PERFUSION", "NONE"],
            "ComplexImageComponent": "MAGNITUDE",
        },
        PixelValueTransformationSequence={"RescaleSlope": 1 + phase, "RescaleIntercept": place},
        ContrastBolusUsageSequence={"ContrastBolusAgentAdministered": "YES" if phase else "NO"},
    )


def frames_in(folder: Path) -> tuple[Frame, ...]:
    (study,) = read_inbox(folder).studies
    (series,) = study.series
    return frames_of(series)


def refusal_of(image: Dataset, folder: Path) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        frames_in(save([image], folder))
    return caught.value


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_frame_has_the_attributes_of_a_single_image(tmp_path: Path, syntax: str) -> None:
    (image := enhanced()).file_meta.TransferSyntaxUID = syntax
    frame = frames_in(save([image], tmp_path))[PLACES + 2]
    expected = {
        "ImagePositionPatient": [-80, -100, -35],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1.5, 1],
        "SliceThickness": 2,
        "SpacingBetweenSlices": 2.5,
        "EchoTime": 1.4,
        "RepetitionTime": 4.1,
        "FlipAngle": 12,
        "ImageType": ["ORIGINAL", "PRIMARY", "PERFUSION", "NONE", "M"],
        "ScanningSequence": "GR",
        "ScanOptions": "FS",
        "AcquisitionNumber": 2,
        "TemporalPositionIdentifier": 2,
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "090930.25",
        "TriggerTime": 90500,
        "StackID": "1",
        "RescaleSlope": 2,
        "RescaleIntercept": 2,
        "BodyPartExamined": "BREAST",
        "ImageLaterality": "B",
        "ContrastBolusAgent": "Gadobutrol",
        "ContrastBolusStartTime": "090800",
        "Rows": ROWS,
        "PatientID": "T-1",
        "FrameOfReferenceUID": "1.2.3.99",
    }
    assert {keyword: frame.header.get(keyword) for keyword in expected} == expected
    assert (frame.number, frame.key) == (PLACES + 3, ("1.2.3.1.1", PLACES + 3))


def test_a_frame_before_injection_has_no_contrast_agent(tmp_path: Path) -> None:
    agents = ["ContrastBolusAgent" in frame.header for frame in frames_in(save([enhanced()], tmp_path))]
    assert agents == [phase > 0 for phase in range(PHASES) for _ in range(PLACES)]


def test_what_one_frame_has_alone_is_no_other_frames(tmp_path: Path) -> None:
    image = enhanced()
    image.PerFrameFunctionalGroupsSequence[5].MREchoSequence = [item(EffectiveEchoTime=2.8)]
    image.PerFrameFunctionalGroupsSequence[5].MRImageFrameTypeSequence[0].ComplexImageComponent = "PHASE"
    frames = frames_in(save([image], tmp_path))
    assert [i for i, frame in enumerate(frames) if frame.header.EchoTime == 2.8] == [5]
    assert [i for i, frame in enumerate(frames) if frame.header.ImageType[-1] == "P"] == [5]
    assert {len(frame.header.ImageType) for frame in frames} == {5}


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"EchoPulseSequence": "SPIN"}, ["SE"]),
        ({"EchoPulseSequence": "BOTH"}, ["SE", "GR"]),
        ({"EchoPlanarPulseSequence": "YES"}, ["GR", "EP"]),
    ],
)
def test_the_scanning_sequence_is_named_as_in_single_images(
    tmp_path: Path, attributes: dict[str, str], names: list[str]
) -> None:
    header = frames_in(save([enhanced(**attributes)], tmp_path))[0].header
    assert list(header["ScanningSequence"].value if len(names) > 1 else [header.ScanningSequence]) == names


@pytest.mark.parametrize("compressed", [False, True])
def test_the_signal_of_chosen_frames_is_that_of_each(tmp_path: Path, compressed: bool) -> None:
    image = enhanced()
    if compressed:
        image.compress(RLELossless, generate_instance_uid=False)
    frames = frames_in(save([image], tmp_path))
    chosen = [frames[11], frames[0], frames[6]]
    read_signal(chosen, out := np.empty((3, *signal(0, 0).shape), signal_dtype(chosen)))
    np.testing.assert_array_equal(out, [signal(2, 3) * 3.0 + 3, signal(0, 0), signal(1, 2) * 2.0 + 2])


@pytest.mark.parametrize("stated", [PHASES * PLACES - 1, PHASES * PLACES + 1, None])
def test_another_number_of_frames_than_stated_is_refused(tmp_path: Path, stated: int | None) -> None:
    refusal = refusal_of(enhanced(NumberOfFrames=stated), tmp_path)
    assert refusal.code == "corrupt_pixels"
    assert "describes 12" in refusal.message


def test_an_enhanced_object_without_functional_groups_is_refused(tmp_path: Path) -> None:
    refusal = refusal_of(enhanced(PerFrameFunctionalGroupsSequence=None), tmp_path)
    assert refusal.code == "corrupt_pixels"


def test_a_damaged_functional_group_is_refused(tmp_path: Path) -> None:
    image = enhanced()
    offset = image.PerFrameFunctionalGroupsSequence[3].TemporalPositionSequence[0]
    offset["TemporalPositionTimeOffset"] = DataElement("TemporalPositionTimeOffset", "LO", "soon")
    with pytest.raises(NotEvaluable, match="functional groups of a multi-frame image are damaged") as caught:
        frames_in(save([image], tmp_path))
    assert caught.value.code == "corrupt_pixels"


def test_a_classic_object_of_several_frames_is_refused(tmp_path: Path) -> None:
    assert refusal_of(mr_image(NumberOfFrames=2), tmp_path).code == "unsupported_object"


def test_images_converted_to_a_multi_frame_object_stay_the_images_that_they_were(tmp_path: Path) -> None:
    given = {
        "StudyID": "1", "StudyTime": "090000", "AccessionNumber": "", "ReferringPhysicianName": "",
        "PatientBirthDate": "", "PatientPosition": "HFP", "SliceThickness": 2.5, "SeriesNumber": 3,
        "Manufacturer": "M", "PositionReferenceIndicator": "", "ScanOptions": "FS", "TemporalPositionIdentifier": 2,
        "AcquisitionNumber": 2, "EchoNumbers": 1, "InstanceNumber": 1, "ContentTime": "091000",
    }  # fmt: skip
    single = [mr_image(1, place, **given) for place in range(PLACES)]
    converted = hd.legacy.LegacyConvertedEnhancedMRImage(single, "1.2.3.50", 4, "1.2.3.50.1", 1)
    frames = frames_in(save([converted], tmp_path))
    keywords = (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime", "RepetitionTime", "FlipAngle",
        "ScanningSequence", "SequenceVariant", "MRAcquisitionType", "ScanOptions", "TemporalPositionIdentifier",
        "AcquisitionTime", "EchoNumbers", "BodyPartExamined", "PatientID",
    )  # fmt: skip
    by_place = sorted(frames, key=lambda frame: float(frame.header.ImagePositionPatient[2]))
    for frame, image in zip(by_place, sorted(single, key=lambda i: float(i.ImagePositionPatient[2])), strict=True):
        assert {k: frame.header.get(k) for k in keywords} == {k: image.get(k) for k in keywords}
    read_signal(by_place, out := np.empty((PLACES, *signal(0, 0).shape), signal_dtype(by_place)))
    assert sorted(out[:, 0, 0].tolist()) == [signal(1, place)[0, 0] for place in range(PLACES)]
