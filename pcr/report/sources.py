"""The source images of a segmentation or a map as highdicom needs them, single-frame and multi-frame."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from pcr.frames import Frame
from pcr.report.identity import without_identity


def source_images(frames: Sequence[Frame], slice_spacing_mm: float) -> list[Dataset]:
    """The images of a phase in order: one data set each, or one of the object whose frames they are, with only those.

    highdicom counts the frames of a multi-frame source from 1; `refer_to` puts their own numbers back.
    """
    first = frames[0]
    if first.number is None:
        return [without_identity(frame.header, slice_spacing_mm) for frame in frames]
    source = without_identity(first.instance.header, slice_spacing_mm)
    items = first.instance.header.PerFrameFunctionalGroupsSequence
    # The elements are shared with the study's own header, so that sequence is made anew and not changed.
    del source.PerFrameFunctionalGroupsSequence
    source.PerFrameFunctionalGroupsSequence = [items[frame.number - 1] for frame in frames if frame.number]
    source.NumberOfFrames = len(frames)
    return [source]


def refer_to(made: Dataset, frames: Sequence[Frame]) -> None:
    """Let an object made of `source_images` refer to the frames by their numbers in their object."""
    if frames[0].number is None:
        return
    for groups in made.PerFrameFunctionalGroupsSequence:
        for derivation in groups.get("DerivationImageSequence", ()):
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = frames[int(source.ReferencedFrameNumber) - 1].number
