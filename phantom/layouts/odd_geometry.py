"""Layouts whose phases or pixels are not as the next reader expects: oblique, repeated, shifted, inverted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from phantom.dicom import Series, StudyContext
from phantom.layouts import siemens, views
from phantom.layouts.base import Layout, one_series, ordinal, series_per_phase
from phantom.voxels import Phantom

ABORTED_S = -90.0


def _name(after: int) -> str:
    return f"ax dyn {ordinal(after)} pass" if after else "ax dyn pre"


def _rescaled(study: StudyContext) -> Iterator[Dataset]:
    """Stored values that give the signal only mirrored, and with the slope and intercept of their own slice."""
    for image in siemens.dynamic(study):
        signal = np.frombuffer(image.PixelData, "<u2").astype(np.int32)
        # Slopes are powers of two, so that the signal comes back to the bit.
        divisor, intercept = (1, 2, 4)[image.InstanceNumber % 3], 100 + 40 * image.InstanceNumber
        image.PixelData = (-1 - divisor * (signal - intercept)).astype("<i2").tobytes()
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1 / divisor, intercept, "US"
        image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, 1
        image.PhotometricInterpretation = "MONOCHROME1"
        yield image


def _repeated_pre(study: StudyContext) -> Iterator[Dataset]:
    """The phase before contrast is aborted after half of its slices and taken again."""
    series = Series(number=3, description="ax dyn pre", start_s=ABORTED_S, sequence=siemens.sequence(study))
    slices = study.phantom.geometry.spatial_shape[0]
    aborted = one_series(study, series, phases=[0], attributes=lambda phase, index: {"acquired_s": ABORTED_S})
    for image, _ in zip(aborted, range(slices // 2), strict=False):
        yield image
    yield from siemens.dynamic(study)


def _pre_of_another_view(study: StudyContext) -> Iterator[Dataset]:
    pre: Phantom = study.views[1]
    return series_per_phase(study, siemens.sequence(study), _name, pre_view=pre)


def _pre_in_another_frame(study: StudyContext) -> Iterator[Dataset]:
    frame = study.uid("frame of reference before contrast")

    def attributes(phase: int, _: int) -> dict[str, Any]:
        return {"FrameOfReferenceUID": frame} if study.phantom.phases[phase].role == "pre" else {}

    return series_per_phase(study, siemens.sequence(study), _name, attributes=attributes)


LAYOUTS = (
    Layout(
        name="monochrome1-signed-rescaled",
        summary="MONOCHROME1, signed, mirrored values with another RescaleSlope and RescaleIntercept on every slice",
        equipment=siemens.EQUIPMENT,
        dynamic=_rescaled,
        others=siemens.others,
    ),
    Layout(
        name="oblique-non-square",
        summary="axial slices tilted by 12 degrees, pixels a quarter longer than wide; one series per phase",
        equipment=siemens.EQUIPMENT,
        dynamic=siemens.dynamic,
        others=siemens.others,
        views=views.oblique,
    ),
    Layout(
        name="repeated-pre",
        summary="the phase before contrast was aborted after half of its slices and taken again",
        equipment=siemens.EQUIPMENT,
        dynamic=_repeated_pre,
        others=siemens.others,
    ),
    Layout(
        name="shifted-pre-grid",
        summary="the phase before contrast has larger pixels, off by a third of their width; slices are the same",
        equipment=siemens.EQUIPMENT,
        dynamic=_pre_of_another_view,
        others=siemens.others,
        views=views.shifted_pre,
    ),
    Layout(
        name="sagittal-pre",
        summary="the phase before contrast is sagittal, those after it are axial",
        equipment=siemens.EQUIPMENT,
        dynamic=_pre_of_another_view,
        others=siemens.others,
        views=views.sagittal_pre,
        outcome="mixed_geometry",
    ),
    Layout(
        name="other-frame-pre",
        summary="the phase before contrast has another frame of reference: the patient was positioned anew",
        equipment=siemens.EQUIPMENT,
        dynamic=_pre_in_another_frame,
        others=siemens.others,
        outcome="mixed_geometry",
    ),
)
