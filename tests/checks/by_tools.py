"""Checks that other people's software makes: dicom3tools, DCMTK, dcmqi."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from tests import validators
from tests.checks.measurements import expected_measurements, mismatches
from tests.checks.planes import sections
from tests.checks.study import KEY_OBJECTS, OVERLAY, REPORT, SEGMENTATION, StudyOnDisk


def dciodvfy_finds_nothing(study: StudyOnDisk) -> Iterator[str]:
    """Of the overlays, which are alike, the first, the middle and the last one stand for all."""
    overlays = study.of_series(OVERLAY)
    left_out = {id(made) for n, made in enumerate(overlays) if n not in (0, len(overlays) // 2, len(overlays) - 1)}
    for made in study.results:
        if id(made) not in left_out:
            yield from (f"series {made.SeriesNumber}: {line}" for line in validators.dciodvfy(Path(made.filename)))


def dcentvfy_finds_source_and_results_consistent(study: StudyOnDisk) -> Iterator[str]:
    """What differs between images of the source alone is none of ours."""
    with tempfile.TemporaryDirectory() as work:
        sources = [_inflated(header, Path(work)) for header in study.sources.values()]
        found = validators.dcentvfy([*sources, *(Path(made.filename) for made in study.results)])
        before = {_without_files(line) for line in validators.dcentvfy(sources)} if found else set()
    yield from (line for line in found if _without_files(line) not in before)


def _without_files(line: str) -> str:
    return line.partition(" for file ")[0]


def _inflated(header: pydicom.FileDataset, work: Path) -> Path:
    """Where an image lies in a form that dicom3tools reads: it knows no deflated one."""
    if header.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        return Path(header.filename)
    plain = copy.deepcopy(header)
    plain.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain.save_as(work / header.SOPInstanceUID)
    return work / str(header.SOPInstanceUID)


def dcmtk_reads_the_reports(study: StudyOnDisk) -> Iterator[str]:
    for number in (REPORT, KEY_OBJECTS):
        for made in study.of_series(number):
            yield from (f"series {number}: {line}" for line in validators.dsrdump(Path(made.filename)))


def dcmqi_reads_the_facts_out_of_the_report(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    read = validators.tid1500reader(Path(study.only(REPORT).filename))
    groups = {group["TrackingIdentifier"]: group for group in read["Measurements"]}
    lesion, segmentation = groups["Lesion 1"], study.only(SEGMENTATION)
    segment = segmentation.SegmentSequence[0]
    measured = {
        (item["quantity"]["CodingSchemeDesignator"], item["quantity"]["CodeValue"]): (
            float(item["value"]),
            item["units"]["CodeValue"],
        )
        for item in lesion["measurementItems"]
    }
    yield from mismatches(measured, expected_measurements(study.facts))
    expected = {
        "TrackingUniqueIdentifier": segment.TrackingUID,
        "ReferencedSegment": 1,
        "segmentationSOPInstanceUID": segmentation.SOPInstanceUID,
    }
    for name, value in expected.items():
        if lesion.get(name) != value:
            yield f"{name} is {lesion.get(name)}, not {value}"
    coded = {
        "Finding": ("SCT", "108369006"),
        "FindingSite": ("SCT", "76752008"),
        "Laterality": ("SCT", {"left": "7771000", "right": "24028007"}[study.facts["lesion"]["laterality"]]),
    }
    for name, code in coded.items():
        found = lesion.get(name, {})
        if (found.get("CodingSchemeDesignator"), found.get("CodeValue")) != code:
            yield f"{name} is {found}, not {code}"
    if read.get("VerificationFlag") != "UNVERIFIED":
        yield f"the report is {read.get('VerificationFlag')}"


def dcmqi_reads_the_segmentation_at_its_place(study: StudyOnDisk) -> Iterator[str]:
    """Its voxels are the pixels of the segmentation on the planes of the source images, one for one."""
    if not study.is_completed:
        return
    made: pydicom.FileDataset = study.only(SEGMENTATION)
    image = validators.segimage2itkimage(Path(made.filename))
    voxels = sitk.GetArrayFromImage(image).astype(bool)
    points = np.concatenate([section.points for section in sections(study, made)])
    indices = np.asarray([image.TransformPhysicalPointToContinuousIndex(point) for point in points.tolist()])
    nearest = np.rint(indices).astype(int)
    if np.abs(indices - nearest).max() > 0.02:
        yield f"voxels lie up to {np.abs(indices - nearest).max():.3f} voxels off"
    size = np.asarray(image.GetSize())
    inside = ((nearest >= 0) & (nearest < size)).all(axis=1)
    hit = voxels[tuple(nearest[inside, ::-1].T)].sum()
    if not hit == len(points) == voxels.sum():
        yield f"{hit} of {len(points)} pixels of the lesion are voxels of it; dcmqi has {voxels.sum()}"
    centroid = points.mean(axis=0)
    if not np.allclose(centroid, study.facts["lesion"]["centroid_lps_mm"], atol=0.02):
        yield f"the centroid is {centroid.round(2).tolist()}, not {study.facts['lesion']['centroid_lps_mm']}"
