"""An image plane with the classic attributes of MR images, whichever kind of object holds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage, MRImageStorage

from pcr.enhanced import frame_headers
from pcr.image_plane import ImagePlane, plane_of
from pcr.pixel_format import PixelFormat, pixel_format
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Instance, Series

_MULTI_FRAME = (EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)


@dataclass(frozen=True)
class Frame:
    """One image plane: that of a single-frame object, or one frame of a multi-frame one.

    What its header says of plane and pixels is worked out when it is first asked for, and once.

    Attributes:
        instance: the object that holds it.
        number: its number in a multi-frame object, from 1; None for a single-frame object.
        header: its attributes under the keywords of the MR Image IOD (PS3.3 A.4), whichever IOD the object has.
    """

    instance: Instance
    number: int | None
    header: Dataset

    @property
    def key(self) -> tuple[str, int]:
        """Tells this frame from all others of the study."""
        return self.instance.sop_instance_uid, self.number or 0

    @cached_property
    def plane(self) -> ImagePlane:
        """Where it lies in the patient. Raises NotEvaluable as `plane_of`."""
        return plane_of(self.header)

    @cached_property
    def pixel_format(self) -> PixelFormat:
        """How its pixels are written. Raises NotEvaluable as `pcr.pixel_format.pixel_format`."""
        return pixel_format(self.header, self.instance.pixel_element)


def frames_of(series: Series) -> tuple[Frame, ...]:
    """The frames of all objects of a series.

    Raises:
        NotEvaluable: `corrupt_pixels` where a multi-frame header contradicts itself, `unsupported_object` where an
            object has several frames that its SOP class does not provide for.
    """
    return tuple(frame for instance in series.instances for frame in _frames_of(instance))


def _frames_of(instance: Instance) -> list[Frame]:
    if instance.sop_class_uid in _MULTI_FRAME:
        return [Frame(instance, number, header) for number, header in enumerate(frame_headers(instance.header), 1)]
    if instance.sop_class_uid == MRImageStorage and instance.header.get("NumberOfFrames") not in (None, 1):
        raise NotEvaluable(
            ReasonCode.UNSUPPORTED_OBJECT,
            "a classic MR image holds several frames without saying where they lie; send single or enhanced images",
        )
    return [Frame(instance, None, instance.header)]
