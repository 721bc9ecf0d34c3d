"""Studies that are of no breast, or hold no dynamic series: what a broad query or a wrong folder brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from phantom.dicom import Series, StudyContext, gradient_echo
from phantom.enhanced import Contrast, Frame, enhanced_image
from phantom.grid import Grid
from phantom.head import head_grid, head_voxels
from phantom.layouts import ge, philips, siemens, views
from phantom.layouts.base import Layout, nothing
from phantom.spec import GridSpec
from phantom.voxels import MAXIMUM

NAMED = {
    "StudyDescription": "MRI BRAIN W WO (simulated phantom)",
    "BodyPartExamined": "HEAD",
    "PatientPosition": "HFS",
}
UNNAMED = {
    "StudyDescription": "MRI W WO (simulated phantom)",
    "BodyPartExamined": None,
    "Laterality": "",
    "PatientPosition": "HFS",
}

TILES = 4  # a mosaic has this many slices side by side, and as many rows of them
REPETITIONS = 24


def _multiphase(study: StudyContext) -> Iterator[Dataset]:
    """A dynamic T1 gradient echo of the head, in the way of a breast's: phases by TemporalPositionIdentifier."""
    spec = study.phantom.spec
    grid = head_grid(spec.grid)
    series = Series(number=5, description="Ax 3D T1 DYN", start_s=0.0, sequence=gradient_echo(spec.protocol))
    for phase, volume in enumerate(head_voxels(spec, grid)):
        for index, pixels in enumerate(volume):
            yield study.image(
                series,
                instance=phase * len(volume) + index + 1,
                pixels=pixels,
                geometry=grid.geometry,
                slice_index=index,
                acquired_s=study.phantom.phases[phase].time_s,
                TemporalPositionIdentifier=phase + 1,
                NumberOfTemporalPositions=len(study.phantom.phases),
                ImageLaterality=None,
                **study.agent(phase),
            )


def _mosaic(study: StudyContext) -> Iterator[Dataset]:
    """Many repetitions of an echo planar image whose slices lie side by side in one picture."""
    spec = study.phantom.spec
    small = Grid.from_spec(
        GridSpec(
            slices=TILES**2,
            rows=64,
            columns=64,
            pixel_spacing_mm=(3.6, 3.6),
            slice_spacing_mm=8,
            centre_lps_mm=(0, 0, 0),
        )
    )
    side = TILES * 64
    slices = head_voxels(spec, small)[0].reshape(TILES, TILES, 64, 64)
    mosaic = slices.swapaxes(1, 2).reshape(side, side)
    # PixelSpacing is that of a slice, the position is as if the mosaic were one large slice.
    plane = GridSpec(
        slices=1, rows=side, columns=side, pixel_spacing_mm=(3.6, 3.6), slice_spacing_mm=8, centre_lps_mm=(0, 0, 0)
    )
    sequence = gradient_echo(spec.protocol) | {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        "ScanningSequence": "EP",
        "SequenceVariant": "SK",
        "MRAcquisitionType": "2D",
        "RepetitionTime": 3000,
        "EchoTime": 30,
        "FlipAngle": 90,
        "EchoTrainLength": 64,
        "SequenceName": "*epfid2d1_64",
        "ImageLaterality": None,
    }
    series = Series(number=7, description="ep2d_bold_rest", start_s=0.0, sequence=sequence)
    for repetition in range(REPETITIONS):
        yield study.image(
            series,
            instance=repetition + 1,
            pixels=mosaic,
            geometry=Grid.from_spec(plane).geometry,
            slice_index=0,
            acquired_s=3.0 * repetition,
            AcquisitionNumber=repetition + 1,
        )


def _field_map(study: StudyContext) -> Iterator[Dataset]:
    """The phase difference of two gradient echoes, as an Enhanced MR object: T1 by no means, but GRADIENT."""
    grid = head_grid(study.phantom.spec.grid)
    x, y, z = (np.asarray(axis, dtype=float) for axis in grid.xyz)
    phase = np.sin(x / 40) + np.cos(y / 50) + np.sin(z / 60)
    pixels = np.rint((phase + 3) / 6 * MAXIMUM).astype(np.uint16)
    frames = [
        Frame(pixels=plane, slice_index=index, temporal_position=1, acquired_s=0.0, agent=False)
        for index, plane in enumerate(pixels)
    ]
    contrast = Contrast(
        image_type=("ORIGINAL", "PRIMARY", "FIELD_MAP", "NONE"),
        component="PHASE",
        acquisition="UNKNOWN",
        pulse={
            "MRAcquisitionType": "2D",
            "CoverageOfKSpace": None,
            "Laterality": None,
            "SpectrallySelectedSuppression": "NONE",
            "PulseSequenceName": "B0 map",
        },
        region=("69536005", "Head"),
        laterality="U",
    )
    yield enhanced_image(study, Series(number=301, description="B0 map", start_s=0.0), frames, grid.geometry, contrast)


def _layout(name: str, summary: str, equipment: dict[str, Any], dynamic: Any, outcome: str) -> Layout:
    return Layout(
        name=name,
        summary=summary,
        equipment=equipment,
        dynamic=dynamic,
        others=nothing,
        views=views.no_breast,
        outcome=outcome,
    )


LAYOUTS = (
    _layout(
        "other-fmri-mosaic",
        "not breast: Siemens EPI, one mosaic picture per repetition",
        siemens.EQUIPMENT | UNNAMED,
        _mosaic,
        "no_dce_series",
    ),
    _layout(
        "other-enhanced-field-map",
        "not breast: a phase difference of gradient echoes as an Enhanced MR object",
        philips.EQUIPMENT | UNNAMED,
        _field_map,
        "no_study",
    ),
    _layout(
        "other-head-multiphase",
        "not breast: a dynamic T1 gradient echo of the head, and BodyPartExamined says so",
        ge.EQUIPMENT | NAMED,
        _multiphase,
        "no_study",
    ),
    _layout(
        "other-head-unnamed",
        "not breast: the same where no attribute names a part of the body",
        ge.EQUIPMENT | UNNAMED,
        _multiphase,
        "no_dce_series",
    ),
)
