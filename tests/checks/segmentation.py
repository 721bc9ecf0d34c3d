"""Checks of the segmentation: that it lies on the early phase, pixel for pixel, and measures what the program says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import highdicom.seg as seg
import numpy as np
from pydicom.uid import SegmentationStorage

from tests.checks.planes import sections
from tests.checks.study import SEGMENTATION, StudyOnDisk

_POSITION_MM = 0.001


def each_frame_lies_on_the_image_that_it_refers_to(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    made = study.only(SEGMENTATION)
    early = next(phase for phase in study.facts["phases"] if phase["role"] == "early")
    for section in sections(study, made):
        source = section.source_plane
        corners = np.array([[0, 0], [0, made.Columns - 1], [made.Rows - 1, 0]])
        off = np.abs(section.plane.points(corners) - source.points(corners)).max()
        if off > _POSITION_MM:
            yield f"frame {section.number} lies {off:.3f} mm off its source image"
        if (made.Rows, made.Columns) != (section.source.Rows, section.source.Columns):
            yield f"frame {section.number} has another size than its source image"
        if section.source.SeriesInstanceUID != early["series_instance_uid"]:
            yield f"frame {section.number} refers to a series that is not the early phase's"
        if section.source.FrameOfReferenceUID != made.FrameOfReferenceUID:
            yield f"frame {section.number} refers to another frame of reference"


def highdicom_reads_the_segmentation_at_its_place(study: StudyOnDisk) -> Iterator[str]:
    """The volume that it makes of the planes has the lesion's pixels and no others."""
    if not study.is_completed:
        return
    made = study.only(SEGMENTATION)
    volume = seg.segread(Path(made.filename)).get_volume(combine_segments=True)
    points = np.concatenate([section.points for section in sections(study, made)])
    indices = volume.map_reference_to_indices(points)
    nearest = np.rint(indices).astype(int)
    if np.abs(indices - nearest).max() > 0.02:
        yield f"voxels lie up to {np.abs(indices - nearest).max():.3f} voxels off"
    found = {tuple(index) for index in np.argwhere(volume.array).tolist()}
    if found != {tuple(index) for index in nearest.tolist()}:
        yield f"highdicom has {len(found)} voxels, the frames {len(points)}"


def the_mask_measures_what_the_program_says(study: StudyOnDisk) -> Iterator[str]:
    """Volume in millilitres, centroid in the patient, and the mean signal of the images under it: a flip shows."""
    if not study.is_completed:
        return
    made, lesion = study.only(SEGMENTATION), study.facts["lesion"]
    frames = list(sections(study, made))
    points = np.concatenate([section.points for section in frames])
    volume = seg.segread(Path(made.filename)).get_volume(combine_segments=True)
    volume_ml = len(points) * volume.voxel_volume / 1000
    if not np.isclose(volume_ml, lesion["volume_ml"], rtol=1e-3):
        yield f"the mask holds {volume_ml:.3f} ml, the program says {lesion['volume_ml']:.3f}"
    centroid = points.mean(axis=0)
    if not np.allclose(centroid, lesion["centroid_lps_mm"], atol=0.01):
        yield f"the centroid is {centroid.round(2).tolist()}, not {lesion['centroid_lps_mm']}"
    signal = np.concatenate([section.signal()[section.mask] for section in frames]).mean()
    early = [phase["role"] for phase in study.facts["phases"]].index("early")
    if not np.isclose(signal, lesion["kinetics"]["mean_signal"][early], rtol=1e-3):
        yield f"the mean signal under the mask is {signal:.2f}, not {lesion['kinetics']['mean_signal'][early]:.2f}"


def the_segment_says_what_it_is(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    made, lesion = study.only(SEGMENTATION), study.facts["lesion"]
    (segment,) = made.SegmentSequence
    region = segment.AnatomicRegionSequence[0]
    said = {
        "SOP class": (made.SOPClassUID, SegmentationStorage),
        "type": (made.SegmentationType, "BINARY"),
        "property": (segment.SegmentedPropertyTypeCodeSequence[0].CodeValue, "108369006"),
        "region": (region.CodeValue, "76752008"),
        "side": (
            region.AnatomicRegionModifierSequence[0].CodeValue,
            {"left": "7771000", "right": "24028007"}[lesion["laterality"]],
        ),
        "algorithm": (
            segment.SegmentAlgorithmType,
            {"kinetic": "AUTOMATIC", "segmentation": "SEMIAUTOMATIC"}[lesion["source"]],
        ),
    }
    for name, (found, expected) in said.items():
        if found != expected:
            yield f"{name} is {found}, not {expected}"
    for keyword in ("ReferencedSeriesSequence", "ContentCreatorName", "FrameOfReferenceUID", "BodyPartExamined"):
        if not made.get(keyword):
            yield f"{keyword} is empty"
