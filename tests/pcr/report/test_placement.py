"""A lesion and a hot spot at known places of the patient are there in every object, and not at their mirror images.

Where they should be is worked out from how the study was written, and where they are from the objects' own attributes:
no geometry of the program is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset
from scipy.spatial import KDTree

from pcr.case import PredictedCase
from pcr.page import Illustrations
from pcr.report.attribution import attribute_case
from pcr.report.parametric_map import make_attention_map
from pcr.report.pictures.overlay import draw_slices
from pcr.report.provenance import Provenance
from pcr.report.secondary_capture import make_overlays
from pcr.report.seg import OUTLINE_RGB, make_segmentation
from pcr.report.settings import ReportSettings

Points = npt.NDArray[np.float64]
ORIGIN_MM, GAP_MM = (-80.0, -100.0, -40.0), 2.5
TILT = np.deg2rad(20)
AXES = {
    "axial": np.array([[1.0, 0, 0], [0, 1, 0]]),
    "sagittal": np.array([[0.0, 1, 0], [0, 0, -1]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, -1]]),
    "oblique": np.array([[1, 0, 0], [0, np.cos(TILT), np.sin(TILT)]]),
    "upside down": np.array([[-1.0, 0, 0], [0, -1, 0]]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A study as it was written: directions of rows and columns, and how far apart rows and columns are."""

    case: PredictedCase
    axes: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float]

    def place(self, slices: object, rows: object, columns: object) -> Points:
        """Places of indices in the patient, LPS mm [n, 3]."""
        right, down = self.axes
        s, r, c = (np.asarray(index, dtype=float).reshape(-1, 1) for index in (slices, rows, columns))
        across = np.cross(down, right)
        return ORIGIN_MM + s * GAP_MM * across + r * self.spacing_mm[0] * down + c * self.spacing_mm[1] * right

    @property
    def lesion(self) -> Points:
        """Voxels of the lesion."""
        return self.place(*np.argwhere(self.case.lesion.mask).T)

    def hot_cell(self, index: int) -> Points:
        """Centre of the first cell, of 8 mm, of the window of 32 mm around rows 10 to 23 and columns 12 to 29."""
        row_mm, column_mm = self.spacing_mm
        return self.place(index, 16.5 - 12 / row_mm, 20.5 - 12 / column_mm)


@pytest.fixture(scope="module", params=[*AXES, "square"])
def written(predict: Callable[..., PredictedCase], request: pytest.FixtureRequest) -> Written:
    """The lesion in five planes with pixels that are not square, and in one with square ones."""
    axes = AXES.get(request.param, AXES["sagittal"])
    spacing_mm = (1.0, 1.0) if request.param == "square" else (1.5, 1.0)
    return Written(case=predict(axes=axes, spacing_mm=spacing_mm), axes=axes, spacing_mm=spacing_mm)


@pytest.fixture(scope="module")
def overlays(written: Written, made: Provenance) -> list[Dataset]:
    """The overlays of the case."""
    pages = draw_slices(written.case, ReportSettings())
    return [*make_overlays(written.case, pages, attribute_case(written.case, made))]


def pixels_mm(plane: Dataset, measures: Dataset, orientation: Dataset, indices: npt.NDArray[np.integer]) -> Points:
    """Places of pixels (row, column) of an image plane (PS3.3 C.7.6.2.1.1)."""
    (right, down), (row_mm, column_mm) = np.reshape(orientation.ImageOrientationPatient, (2, 3)), measures.PixelSpacing
    rows, columns = np.asarray(indices, dtype=float).T.reshape(2, -1, 1)
    return np.asarray(plane.ImagePositionPatient, dtype=float) + rows * row_mm * down + columns * column_mm * right


def outlined(overlay: Dataset, row_mm: float) -> npt.NDArray[np.integer]:
    """Pixels of the outline within the picture: the legend below it shows its colour as well."""
    return np.argwhere((overlay.pixel_array == OUTLINE_RGB).all(axis=-1)[: picture_rows(overlay, row_mm)])


def picture_rows(overlay: Dataset, row_mm: float) -> int:
    """Rows of a page that show the slice: 48 rows of the source."""
    return int(48 * row_mm / float(overlay.PixelSpacing[0]))


def far(points: Points, others: Points) -> float:
    """How far the farthest of some points lies from the nearest of others."""
    return float(KDTree(others).query(points)[0].max())


def test_the_outline_of_each_overlay_runs_around_the_lesion(written: Written, overlays: list[Dataset]) -> None:
    widest = max(written.spacing_mm)
    for index, overlay in enumerate(overlays, start=3):
        drawn = pixels_mm(overlay, overlay, overlay, outlined(overlay, written.spacing_mm[0]))
        section = written.place(*np.argwhere(written.case.lesion.mask & (np.arange(12) == index)[:, None, None]).T)
        corners = section[[np.argmin(section @ d) for d in (*written.axes, *-written.axes)]]
        assert far(drawn, section) < 1.6 * widest
        assert far(corners, drawn) < 1.6 * widest


def test_the_hottest_attention_of_an_overlay_lies_in_its_cell(written: Written, overlays: list[Dataset]) -> None:
    overlay = overlays[0]
    picture = overlay.pixel_array[: picture_rows(overlay, written.spacing_mm[0])].astype(int)
    heat = picture[..., 0] - picture[..., 2]
    hottest = pixels_mm(overlay, overlay, overlay, np.argwhere(heat > 0.8 * heat.max()))
    assert np.linalg.norm(hottest - written.hot_cell(3), axis=1).max() < 4 * np.sqrt(2) + 1
    assert np.linalg.norm(hottest.mean(axis=0) - written.hot_cell(3)) < 2


def test_an_overlay_lies_in_the_plane_of_its_source_image(written: Written, overlays: list[Dataset]) -> None:
    headers = {str(f.header.SOPInstanceUID): f.header for f in written.case.volume.series.phase("early").frames}
    for overlay in overlays:
        source = headers[overlay.SourceImageSequence[0].ReferencedSOPInstanceUID]
        normal = np.cross(*np.reshape(source.ImageOrientationPatient, (2, 3)))
        assert overlay.FrameOfReferenceUID == source.FrameOfReferenceUID
        assert list(overlay.ImageOrientationPatient) == list(source.ImageOrientationPatient)
        offset = np.subtract(overlay.ImagePositionPatient, source.ImagePositionPatient).astype(float)
        assert offset @ normal == pytest.approx(0, abs=1e-4)


def test_the_segmentation_holds_the_voxels_of_the_lesion(written: Written, made: Provenance) -> None:
    segmentation = make_segmentation(written.case, attribute_case(written.case, made))
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    voxels = np.concatenate(
        [
            pixels_mm(
                groups.PlanePositionSequence[0],
                shared.PixelMeasuresSequence[0],
                shared.PlaneOrientationSequence[0],
                np.argwhere(frame),
            )
            for groups, frame in zip(
                segmentation.PerFrameFunctionalGroupsSequence, segmentation.pixel_array, strict=True
            )
        ]
    )
    assert len(voxels) == len(written.lesion)
    assert far(voxels, written.lesion) < 0.01


def test_the_parametric_map_has_its_largest_value_in_the_hot_cell_and_sums_to_all(
    written: Written, made: Provenance
) -> None:
    attention_map = make_attention_map(written.case, attribute_case(written.case, made))
    shared = attention_map.SharedFunctionalGroupsSequence[0]
    values = np.asarray(attention_map.pixel_array)
    frame, *cell = np.unravel_index(int(values.argmax()), values.shape)
    place = pixels_mm(
        attention_map.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0],
        shared.PixelMeasuresSequence[0],
        shared.PlaneOrientationSequence[0],
        np.array([cell]),
    )
    index = sorted(written.case.attention.cells)[int(frame)]
    np.testing.assert_allclose(place, written.hot_cell(index), atol=0.01)
    np.testing.assert_allclose(shared.PixelMeasuresSequence[0].PixelSpacing, (8, 8), atol=1e-6)
    assert values.sum() == pytest.approx(100, abs=1e-3)


def test_all_pictures_of_a_case_are_of_one_size(pages: Illustrations) -> None:
    assert len({page.pixels.shape for page in pages.slices}) == 1
