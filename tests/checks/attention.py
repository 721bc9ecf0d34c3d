"""Checks of the parametric map of the attention."""

from __future__ import annotations

from collections.abc import Iterator

import highdicom.pm as pm
import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from tests.checks.planes import macro, plane_of, sections
from tests.checks.study import ATTENTION, SEGMENTATION, StudyOnDisk

# Half of the window that the model reads, 60 mm, in the plane.
_HALF_WINDOW_MM = 30.0
# Points of a cell, along each side, that tell how much of it the lesion covers: as the model reads them.
_FINE = 8
_PERCENT = 0.25


def the_attention_sums_to_100_percent(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    made = study.only(ATTENTION)
    volume = pm.ParametricMap.from_dataset(made).get_volume(apply_real_world_transform=True)
    if not np.isclose(volume.array.sum(), 100, atol=0.01):
        yield f"highdicom reads a sum of {volume.array.sum():.3f} %"
    frames = np.reshape(made.pixel_array, (-1, made.Rows, made.Columns))
    if frames.min() < 0:
        yield "a cell is negative"
    mapping = macro(made, 1, "RealWorldValueMappingSequence")
    if mapping.MeasurementUnitsCodeSequence[0].CodeValue != "%":
        yield f"its unit is {mapping.MeasurementUnitsCodeSequence[0].CodeValue}"
    if mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue != "130401":
        yield "its quantity is no visual explanation"


def each_frame_of_the_map_lies_in_the_plane_of_its_image(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    made = study.only(ATTENTION)
    for number, groups in enumerate(made.PerFrameFunctionalGroupsSequence, start=1):
        (reference,) = groups.DerivationImageSequence[0].SourceImageSequence
        source = study.sources[reference.ReferencedSOPInstanceUID]
        plane, beneath = plane_of(made, number), plane_of(source, reference.get("ReferencedFrameNumber"))
        corners = np.array([[0, 0], [0, made.Columns - 1], [made.Rows - 1, 0]])
        _, away = beneath.pixels(plane.points(corners))
        if np.abs(away).max() > 0.01:
            yield f"frame {number} lies {np.abs(away).max():.3f} mm off the plane of its source image"
        if source.FrameOfReferenceUID != made.FrameOfReferenceUID:
            yield f"frame {number} refers to another frame of reference"


def the_attention_lies_where_the_model_looked(study: StudyOnDisk) -> Iterator[str]:
    """The hottest cell lies in the model's window, and as much of all in the lesion as the program says."""
    if not study.is_completed:
        return
    made = study.only(ATTENTION)
    percent = np.reshape(made.pixel_array, (-1, made.Rows, made.Columns)).astype(float)
    frames = list(sections(study, study.only(SEGMENTATION)))
    largest = max(frames, key=lambda section: int(section.mask.sum()))
    pixels = np.argwhere(largest.mask)
    centre = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
    hottest = np.unravel_index(percent.argmax(), percent.shape)
    place = plane_of(made, int(hottest[0]) + 1).points(np.array([hottest[1:]]))
    found, _ = largest.source_plane.pixels(place)
    off_mm = np.abs(found[0] - centre) * largest.source_plane.spacing_mm
    if off_mm.max() > _HALF_WINDOW_MM:
        yield f"the hottest cell lies {off_mm.max():.1f} mm from the middle of the window"
    inside = sum(
        float((cells * _covered(study, cells.shape, number)).sum()) for number, cells in enumerate(percent, start=1)
    )
    said = 100 * study.facts["attention"]["inside_lesion_fraction"]
    if abs(inside - said) > _PERCENT:
        yield f"{inside:.2f} % of the attention lies in the lesion, the program says {said:.2f} %"


def _covered(study: StudyOnDisk, cells: tuple[int, ...], number: int) -> npt.NDArray[np.float64]:
    """The part of each cell of a frame [rows, columns] that the lesion covers, by points in the patient.

    Between two pixels of the image the lesion fades, as it does in the model's window.
    """
    offsets = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    rows, columns = (np.add.outer(np.arange(n), offsets).ravel() for n in cells)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    points = plane_of(study.only(ATTENTION), number).points(grid)
    inside = np.zeros(len(points))
    for section in sections(study, study.only(SEGMENTATION)):
        found, away = section.source_plane.pixels(points)
        if np.abs(away).max() < 0.01:
            inside = map_coordinates(section.mask.astype(float), found.T, order=1)
    parts: npt.NDArray[np.float64] = inside.reshape(cells[0], _FINE, cells[1], _FINE).mean(axis=(1, 3))
    return parts
