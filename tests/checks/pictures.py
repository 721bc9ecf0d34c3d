"""Checks of the secondary captures: what they say of themselves, and that what is drawn lies where it lies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import SecondaryCaptureImageStorage
from scipy.ndimage import binary_dilation, map_coordinates

from tests.checks.planes import Section, plane_of, sections, signal_of
from tests.checks.study import ATTENTION, NOT_EVALUABLE, OVERLAY, SEGMENTATION, SUMMARY, StudyOnDisk

_OUTLINE = (0, 230, 200)
_WHITE = 240
_PLANE_MM = 0.01
# An outline is a few drawn pixels wide.
_LINE = 4
# So many pixels apart they tell as well which image is shown.
_SPARSE = 3


def each_picture_says_what_it_is(study: StudyOnDisk) -> Iterator[str]:
    for number in (SUMMARY, OVERLAY, NOT_EVALUABLE):
        for made in study.of_series(number):
            said = {
                "SOP class": (made.SOPClassUID, SecondaryCaptureImageStorage),
                "photometric interpretation": (made.PhotometricInterpretation, "RGB"),
                "BurnedInAnnotation": (made.get("BurnedInAnnotation"), "NO"),
                "ConversionType": (made.get("ConversionType"), "WSD"),
                "instance number": (made.InstanceNumber, study.of_series(number).index(made) + 1),
            }
            for name, (found, expected) in said.items():
                if found != expected:
                    yield f"series {number}: {name} is {found}, not {expected}"
            if "research use only" not in made.get("ImageComments", ""):
                yield f"series {number}: it does not say that it is for research"


def the_pictures_of_a_result_say_which_side(study: StudyOnDisk) -> Iterator[str]:
    if not study.is_completed:
        return
    side = {"left": "L", "right": "R"}[study.facts["lesion"]["laterality"]]
    pictures = [*study.of_series(SUMMARY), *study.of_series(OVERLAY)]
    if any((made.get("ImageLaterality") or made.get("Laterality")) != side for made in pictures):
        yield "a picture says another side than result.json"
    if any(made.get("BodyPartExamined") != "BREAST" for made in pictures):
        yield "a picture does not say that it shows the breast"
    if not study.of_series(SUMMARY):
        yield "there is no summary"


def the_series_are_those_of_the_outcome(study: StudyOnDisk) -> Iterator[str]:
    expected = {SUMMARY, OVERLAY, SEGMENTATION} if study.is_completed else {NOT_EVALUABLE}
    numbers = {int(made.SeriesNumber) for made in study.results}
    if study.is_completed and not expected <= numbers:
        yield f"series {sorted(expected - numbers)} are not there"
    if not study.is_completed and (numbers != expected or len(study.results) != 1):
        yield f"there are {len(study.results)} objects in series {sorted(numbers)}"


def there_is_one_overlay_for_each_slice_of_the_lesion(study: StudyOnDisk) -> Iterator[str]:
    """In the order of the slices, each on the image that the segmentation and the attention map have for it."""
    if not study.is_completed:
        return
    overlays = study.of_series(OVERLAY)
    if len({(made.Rows, made.Columns) for made in overlays}) != 1:
        yield "pages differ in size"
    drawn = [_source_of(study, made) for made in overlays]
    mapped = [
        _identify(groups.DerivationImageSequence[0].SourceImageSequence[0])
        for groups in study.only(ATTENTION).PerFrameFunctionalGroupsSequence
    ]
    if drawn != mapped:
        yield "overlays and attention map are not of the same images in the same order"
    outlined = [(section.source.SOPInstanceUID, section.source_frame) for section in _sections(study)]
    reached = [drawn.index(image) for image in outlined if image in drawn]
    if len(reached) != len(outlined):
        yield f"{len(outlined) - len(reached)} slices of the lesion have no overlay"
    elif sorted({min(reached), max(reached)}) != sorted({0, len(drawn) - 1}):
        yield f"overlays go beyond the lesion: of {len(drawn)} it reaches {min(reached)} to {max(reached)}"
    places = [plane_of(made).position @ plane_of(overlays[0]).normal for made in overlays]
    steps = np.diff(places)
    if len(steps) and not (np.allclose(steps, steps[0], atol=0.02) and abs(steps[0]) > 0.1):
        yield f"overlays do not follow each other evenly: {steps.round(3).tolist()}"


def each_overlay_lies_in_the_plane_of_its_image(study: StudyOnDisk) -> Iterator[str]:
    """The same plane, orientation and frame of reference; its first pixel on the first pixel of the image."""
    if not study.is_completed:
        return
    for made in study.of_series(OVERLAY):
        source, frame = _source_image(study, made)
        own, beneath = plane_of(made), plane_of(source, frame)
        corners = np.array([[0, 0], [0, made.Columns - 1], [made.Rows - 1, 0]])
        pixels, away = beneath.pixels(own.points(corners))
        if np.abs(away).max() > _PLANE_MM:
            yield f"page {made.InstanceNumber} lies {np.abs(away).max():.3f} mm off the plane of its image"
        if not np.allclose([own.right, own.down], [beneath.right, beneath.down], atol=1e-4):
            yield f"page {made.InstanceNumber} is turned against its image"
        if np.abs(pixels[0]).max() > 0.5:
            yield f"page {made.InstanceNumber} starts at pixel {pixels[0].round(2).tolist()} of its image"
        if made.FrameOfReferenceUID != source.FrameOfReferenceUID:
            yield f"page {made.InstanceNumber} is in another frame of reference"
        if made.PixelSpacing[0] != made.PixelSpacing[1]:
            yield f"page {made.InstanceNumber} has pixels that are not square"


def the_edges_of_an_overlay_are_named_as_they_point(study: StudyOnDisk) -> Iterator[str]:
    """PatientOrientation, by the first letter that each direction has most of (PS3.3 C.7.6.1.1.1)."""
    if not study.is_completed:
        return
    for made in study.of_series(OVERLAY):
        plane = plane_of(made)
        expected = [_letter(plane.right), _letter(plane.down)]
        if [value[:1] for value in made.PatientOrientation] != expected:
            yield f"page {made.InstanceNumber} has the edges {list(made.PatientOrientation)}, not {expected}"


def each_overlay_shows_its_image(study: StudyOnDisk) -> Iterator[str]:
    """Its grey pixels are as bright as the image at the same places: another slice or a mirror shows.

    The middle of the image tells it: letters stand at the edges. White lines, and what is cut off as black, do not.
    """
    if not study.is_completed:
        return
    for made in study.of_series(OVERLAY):
        source, frame = _source_image(study, made)
        rows, columns = (
            np.flatnonzero((at > 0.1 * count) & (at < 0.9 * count))[::_SPARSE]
            for at, count in zip(_places(source, frame, made), (source.Rows, source.Columns), strict=True)
        )
        rgb = made.pixel_array[np.ix_(rows, columns)].astype(int)
        places = [at[chosen] for at, chosen in zip(_places(source, frame, made), (rows, columns), strict=True)]
        signal = map_coordinates(signal_of(source, frame), np.meshgrid(*places, indexing="ij"), order=1)
        grey = (np.ptp(rgb, axis=-1) == 0) & (rgb[..., 0] > 0) & (rgb[..., 0] < _WHITE)
        alike = np.corrcoef(rgb[..., 0][grey], signal[grey])[0, 1]
        if not alike > 0.9:
            yield f"page {made.InstanceNumber} correlates with its image by {alike:.2f}"


def the_outline_is_drawn_around_the_lesion(study: StudyOnDisk) -> Iterator[str]:
    """Just outside of the segmentation's pixels, on all sides, on each slice that has some, and nowhere else."""
    if not study.is_completed:
        return
    outlined = {(section.source.SOPInstanceUID, section.source_frame): section for section in _sections(study)}
    for made in study.of_series(OVERLAY):
        source, frame = _source_image(study, made)
        pixels, held = _shown(source, frame, made)
        section = outlined.get((source.SOPInstanceUID, frame))
        lesion = _drawn(section, pixels, held)
        line = held & (made.pixel_array == _OUTLINE).all(axis=-1)
        if (line & lesion).any():
            yield f"page {made.InstanceNumber}: {np.sum(line & lesion)} pixels of the outline lie on the lesion"
        if (stray := line & ~binary_dilation(lesion, iterations=_LINE)).any():
            yield f"page {made.InstanceNumber}: {stray.sum()} pixels of the outline lie away from the lesion"
        around = binary_dilation(lesion) & ~lesion & held
        # A side marker or the window may cover a part of it.
        if around.any() and (line & around).sum() < 0.9 * around.sum():
            yield f"page {made.InstanceNumber}: {np.sum(line & around)} of {around.sum()} pixels around the lesion"


def the_colour_grows_with_the_attention(study: StudyOnDisk) -> Iterator[str]:
    """Cell by cell, as the parametric map has it: the hottest are the most colourful, and without any there is none."""
    if not study.is_completed:
        return
    made, overlays = study.only(ATTENTION), study.of_series(OVERLAY)
    percent = np.reshape(made.pixel_array, (-1, made.Rows, made.Columns)).astype(float)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in percent.shape[1:]), indexing="ij"), axis=-1).reshape(-1, 2)
    shares, colours = [], []
    for number, (page, frame) in enumerate(zip(overlays, percent, strict=True), start=1):
        places, _ = plane_of(page).pixels(plane_of(made, number).points(cells))
        nearest = np.rint(places).astype(int)
        held = ((nearest >= 2) & (nearest < np.array([page.Rows, page.Columns]) - 2)).all(axis=1)
        colourful = np.ptp(page.pixel_array.astype(int), axis=-1)
        for (row, column), share in zip(nearest[held], frame.ravel()[held], strict=True):
            shares.append(share)
            colours.append(np.median(colourful[row - 2 : row + 3, column - 2 : column + 3]))
    relative, drawn = np.array(shares) / percent.max(), np.array(colours)
    if drawn[relative > 0.8].mean() < 60:
        yield f"the hottest cells are drawn with a colourfulness of {drawn[relative > 0.8].mean():.0f}"
    if (relative < 1e-6).any() and np.median(drawn[relative < 1e-6]) > 5:
        yield "cells without attention are coloured"
    if relative.std() > 0.05 and np.corrcoef(np.sqrt(relative), drawn)[0, 1] < 0.8:
        yield f"colour and attention correlate by {np.corrcoef(np.sqrt(relative), drawn)[0, 1]:.2f}"


def _sections(study: StudyOnDisk) -> list[Section]:
    return list(sections(study, study.only(SEGMENTATION)))


def _identify(reference: pydicom.Dataset) -> tuple[str, int | None]:
    return reference.ReferencedSOPInstanceUID, reference.get("ReferencedFrameNumber")


def _source_of(study: StudyOnDisk, made: pydicom.FileDataset) -> tuple[str, int | None]:
    """The image that an overlay was drawn on: it names the early phase's first."""
    return _identify(made.SourceImageSequence[0])


def _source_image(study: StudyOnDisk, made: pydicom.FileDataset) -> tuple[pydicom.FileDataset, int | None]:
    uid, frame = _source_of(study, made)
    return study.sources[uid], frame


def _places(
    source: pydicom.FileDataset, frame: int | None, made: pydicom.FileDataset
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fractional rows and columns, in the image, of the rows and columns of a page, which has the same directions."""
    size = min(made.Rows, made.Columns)
    ends, _ = plane_of(source, frame).pixels(plane_of(made).points(np.array([[0, 0], [size, size]])))
    rows, columns = (
        first + np.arange(count) * (last - first) / size
        for first, last, count in zip(*ends, (made.Rows, made.Columns), strict=True)
    )
    return rows, columns


def _shown(
    source: pydicom.FileDataset, frame: int | None, made: pydicom.FileDataset
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row and column [rows, columns, 2] of the image's pixel that each one of a page shows, and which show any.

    Left out are pixels that lie between two of the image, where either may be drawn.
    """
    places = _places(source, frame, made)
    held = [
        (at > -0.5) & (at < count - 0.5) & (np.abs(at % 1 - 0.5) > 1e-3)
        for at, count in zip(places, (source.Rows, source.Columns), strict=True)
    ]
    nearest = np.stack(np.meshgrid(*(np.rint(at).astype(np.int64) for at in places), indexing="ij"), axis=-1)
    return nearest, np.logical_and.outer(*held)


def _drawn(
    section: Section | None, pixels: npt.NDArray[np.int64], held: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """The lesion on a page: which of its pixels show one of the segmentation's."""
    lesion = np.zeros(held.shape, dtype=bool)
    if section is not None:
        lesion[held] = section.mask[tuple(pixels[held].T)]
    return lesion


def _letter(direction: npt.NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "FH")[axis][int(direction[axis] > 0)]
