"""What the tests of the layouts share: which layouts show what, and how their images are had."""

from __future__ import annotations

import json
from functools import cache

import pydicom
from pydicom.dataset import Dataset

from phantom import WrittenStudy
from phantom.layouts import LAYOUTS

# The phase before contrast has a grid of its own.
OTHER_PRE = ("shifted-pre-grid", "sagittal-pre")
# The images are the phantom's voxels: not those of a head, and not two echoes of them.
SHOWS_ITS_PHANTOM = [name for name in LAYOUTS if not name.startswith("other-") or name == "other-frame-pre"]
SHOWS_ITS_PHANTOM.remove("any-dixon-echoes")


@cache
def headers(written: WrittenStudy) -> list[Dataset]:
    """The headers of all files, in the order in which they were written."""
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in written.files]


def layout_of(written: WrittenStudy) -> str:
    """Name of the layout that a study is written in."""
    return str(json.loads(written.truth.read_text())["layout"])


def offsets_s(images: list[Dataset], keyword: str) -> list[float]:
    """All values of a time attribute of images or of their frames, seconds, in order."""
    values = set()
    for image in images:
        for frame in image.get("PerFrameFunctionalGroupsSequence", []):
            values.add(_seconds(frame.FrameContentSequence[0].FrameAcquisitionDateTime[8:]))
        if keyword == "TriggerTime":
            values.add(float(image.TriggerTime) / 1000)
        elif keyword in image:
            values.add(_seconds(image[keyword].value))
    return sorted(values)


def _seconds(time: str) -> float:
    """Seconds since midnight of a TM value."""
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + float(time[4:])
