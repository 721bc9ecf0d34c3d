"""The attention as data: a Parametric Map (PS3.3 A.75) in patient space, one pixel for each attention cell."""

from __future__ import annotations

import numpy as np
from highdicom import (
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
    VOILUTTransformation,
)
from highdicom.enum import CoordinateSystemNames
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from pcr.case import ReportedCase
from pcr.crop import Window
from pcr.frames import Frame
from pcr.report.attribution import Attribution
from pcr.report.codes import SIDES
from pcr.report.identity import take_over_identity
from pcr.report.provenance import SOFTWARE_NAME
from pcr.report.result_series import ATTENTION
from pcr.report.sources import refer_to, source_images
from pcr.report.uids import share_dimensions


def make_attention_map(case: ReportedCase, attribution: Attribution) -> ParametricMap:
    """Percent of all attention that each cell holds, one frame for each slice that was read, in the slice's plane.

    A cell is as large as the network computed it, and all cells of all frames sum to 100.
    """
    attention, series, uids = case.attention, case.volume.series, attribution.uids
    slice_spacing_mm = case.volume.geometry.spacing_between_slices
    indices = sorted(attention.cells)
    frames = [series.phase("early").frames[index] for index in indices]
    percent = np.stack([100 * attention.cells[index] for index in indices]).astype(np.float32)
    cells = percent.shape[1:]
    row_mm, column_mm = _cell_mm(attention.window, cells, frames[0])
    largest = float(percent.max())
    attention_map = ParametricMap(
        source_images=source_images(frames, slice_spacing_mm),
        pixel_array=percent,
        series_instance_uid=uids.series(ATTENTION),
        series_number=ATTENTION.number,
        series_description=ATTENTION.description,
        sop_instance_uid=uids.instance(ATTENTION),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            RealWorldValueMapping(
                lut_label="ATTENTION",
                lut_explanation="Share of the model's attention",
                unit=codes.UCUM.Percent,
                value_range=(0.0, max(largest, 1.0)),
                slope=1.0,
                intercept=0.0,
                quantity_definition=codes.DCM.VisualExplanation,
            )
        ],
        voi_lut_transformations=[VOILUTTransformation(window_center=largest / 2, window_width=max(largest, 1e-3))],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_description="Where the pCR model took its imaging evidence from",
        content_creator_name=f"{SOFTWARE_NAME}^",
        content_label="ATTENTION",
        pixel_measures=PixelMeasuresSequence(
            pixel_spacing=(row_mm, column_mm),
            slice_thickness=slice_spacing_mm,
            spacing_between_slices=slice_spacing_mm,
        ),
        plane_orientation=PlaneOrientationSequence(CoordinateSystemNames.PATIENT, frames[0].plane.orientation),
        plane_positions=[
            PlanePositionSequence(CoordinateSystemNames.PATIENT, _first_cell(attention.window, cells, frame))
            for frame in frames
        ],
        **attribution.made.equipment,
    )
    attention_map.BodyPartExamined = "BREAST"
    attention_map.Laterality = SIDES[case.lesion.laterality]
    share_dimensions(attention_map, uids.uid("dimensions", ATTENTION.kind))
    refer_to(attention_map, frames)
    take_over_identity(attention_map, attribution.identity)
    return attention_map


def _cell_mm(window: Window, cells: tuple[int, ...], frame: Frame) -> tuple[float, float]:
    """Height and width of a cell."""
    row_mm, column_mm = (
        step * window.grid / count * spacing
        for step, count, spacing in zip(window.step, cells, frame.plane.pixel_spacing_mm, strict=True)
    )
    return row_mm, column_mm


def _first_cell(window: Window, cells: tuple[int, ...], frame: Frame) -> tuple[float, float, float]:
    """Centre of the first cell of a slice in LPS mm: half a cell, less half a pixel, behind the first pixel."""
    row, column = (
        first + step * (window.grid / count - 1) / 2
        for first, step, count in zip(window.first_pixel, window.step, cells, strict=True)
    )
    return frame.plane.point_lps_mm(row, column)
