"""Where the pixels of an image, or of a frame, lie in the patient, worked out from the standard's attributes alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_rescale
from pydicom.uid import JPEGLosslessSV1

from tests.checks.study import StudyOnDisk

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plane:
    """Image plane (PS3.3 C.7.6.2).

    Attributes:
        position: centre of the first pixel, LPS mm.
        right: unit vector along a row.
        down: unit vector along a column.
        spacing_mm: between rows, between columns.
    """

    position: Points
    right: Points
    down: Points
    spacing_mm: tuple[float, float]

    @property
    def normal(self) -> Points:
        """Unit vector across the plane."""
        return np.cross(self.right, self.down)

    def points(self, pixels: npt.NDArray[np.number]) -> Points:
        """Places [n, 3] in LPS mm of pixels [n, 2] given by row and column, fractions allowed (PS3.3 C.7.6.2.1.1)."""
        row_mm, column_mm = self.spacing_mm
        return self.position + pixels[:, :1] * row_mm * self.down + pixels[:, 1:] * column_mm * self.right

    def pixels(self, points: Points) -> tuple[Points, Points]:
        """Fractional row and column [n, 2] of places, and their distance from the plane [n]."""
        away = points - self.position
        row_mm, column_mm = self.spacing_mm
        return np.stack([away @ self.down / row_mm, away @ self.right / column_mm], axis=1), away @ self.normal


def plane_of(image: Dataset, frame: int | None = None) -> Plane:
    """Plane of a single-frame image, or of a frame, counted from 1, by its functional groups (PS3.3 C.7.6.16.2)."""
    position, orientation, measures = (
        (image, image, image)
        if frame is None
        else tuple(
            macro(image, frame, keyword)
            for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        )
    )
    right, down = np.reshape(np.asarray(orientation.ImageOrientationPatient, dtype=float), (2, 3))
    row_mm, column_mm = map(float, measures.PixelSpacing)
    return Plane(
        position=np.asarray(position.ImagePositionPatient, dtype=float),
        right=right,
        down=down,
        spacing_mm=(row_mm, column_mm),
    )


def macro(image: Dataset, frame: int, keyword: str) -> Dataset:
    """The item of a functional group of a frame, counted from 1: its own, or that of all frames.

    Raises ValueError where there is none.
    """
    for group in (image.PerFrameFunctionalGroupsSequence[frame - 1], image.SharedFunctionalGroupsSequence[0]):
        if keyword in group:
            item: Dataset = group[keyword].value[0]
            return item
    raise ValueError(f"frame {frame} has no {keyword}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """A frame of the segmentation.

    Attributes:
        number: of the frame, from 1.
        mask: bool [rows, columns].
        plane: its own, as it says itself.
        source: the image that it was outlined on, and the number of the frame in there.
    """

    number: int
    mask: npt.NDArray[np.bool_]
    plane: Plane
    source: pydicom.FileDataset
    source_frame: int | None

    @property
    def source_plane(self) -> Plane:
        """That of the image that it was outlined on."""
        return plane_of(self.source, self.source_frame)

    @property
    def points(self) -> Points:
        """Places of the lesion's pixels in LPS mm, by the plane of the source image."""
        return self.source_plane.points(np.argwhere(self.mask))

    def signal(self) -> npt.NDArray[np.float64]:
        """Signal [rows, columns] of the image that it was outlined on."""
        return signal_of(self.source, self.source_frame)


def sections(study: StudyOnDisk, segmentation: pydicom.FileDataset) -> Iterator[Section]:
    """The frames of the segmentation, each with the source image that it refers to first."""
    masks = np.reshape(segmentation.pixel_array, (-1, segmentation.Rows, segmentation.Columns)).astype(bool)
    for number, (mask, groups) in enumerate(
        zip(masks, segmentation.PerFrameFunctionalGroupsSequence, strict=True), start=1
    ):
        (derivation,) = groups.DerivationImageSequence
        (source,) = derivation.SourceImageSequence
        yield Section(
            number=number,
            mask=mask,
            plane=plane_of(segmentation, number),
            source=study.sources[source.ReferencedSOPInstanceUID],
            source_frame=source.get("ReferencedFrameNumber"),
        )


def signal_of(image: pydicom.FileDataset, frame: int | None) -> npt.NDArray[np.float64]:
    """Signal [rows, columns] of an image of the source, rescaled, brighter where there is more of it."""
    whole = pydicom.dcmread(image.filename)
    if image.file_meta.TransferSyntaxUID == JPEGLosslessSV1:  # pydicom has no decoder of its own for it
        stored = imagecodecs.ljpeg_decode(get_frame(whole.PixelData, 0))
    else:
        stored = whole.pixel_array if frame is None else whole.pixel_array[frame - 1]
    if whole.PhotometricInterpretation == "MONOCHROME1":
        stored = (-1 if whole.PixelRepresentation else 2**whole.BitsStored - 1) - stored.astype(np.int64)
    rescaled = whole if frame is None else macro(whole, frame, "PixelValueTransformationSequence")
    return np.asarray(apply_rescale(stored, rescaled), dtype=np.float64)
