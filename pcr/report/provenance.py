"""Who made a result, and what every object of ours says of itself: maker, date, research use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from highdicom.enum import ContentQualificationValues
from highdicom.uid import UID
from pydicom.dataset import Dataset

MANUFACTURER = "breast-pcr"
SOFTWARE_NAME = "breast-pcr"
RESEARCH_NOTICE = "AI generated; for research use only, not for clinical use"
DRAWN_NOTICE = "Research use only - not for diagnosis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The software, the model, its settings and the moment behind a result.

    Attributes:
        configuration_sha256: checksum of everything but the study and its record that bears on a result: the settings
            and the model's declaration.
        base_rate: share of pathologic complete responses among the patients that the model was trained on; None where
            the model does not say.
        provider: the ONNX Runtime execution provider that really ran.
        made_at: wall clock time of the machine, as DICOM's content date and time are.
    """

    software_version: str
    model_name: str
    model_version: str
    model_sha256: str
    configuration_sha256: str
    base_rate: float | None
    provider: str
    made_at: datetime

    @property
    def device_uid(self) -> UID:
        """UID of this software with this model as a device (PS3.16 TID 1004): the same on every machine."""
        device = f"{MANUFACTURER}/{SOFTWARE_NAME}/{self.software_version}/{self.model_sha256}"
        return UID.from_uuid(str(uuid5(NAMESPACE_URL, device)))

    @property
    def equipment(self) -> dict[str, Any]:
        """Arguments that all constructors of highdicom share: General Equipment (PS3.3 C.7.5.1) and SOP Common."""
        return {
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": SOFTWARE_NAME,
            "software_versions": self.software_version,
            "device_serial_number": self.model_sha256[:16],
            "content_date": self.made_at.date(),
            "content_time": self.made_at.time(),
            "content_qualification": ContentQualificationValues.RESEARCH,
        }


def is_own_making(header: Dataset) -> bool:
    """Whether an instance was made by this software, in whatever version: a rerun must not feed on itself."""
    maker = (str(header.get("Manufacturer", "")), str(header.get("ManufacturerModelName", "")))
    return maker == (MANUFACTURER, SOFTWARE_NAME)
