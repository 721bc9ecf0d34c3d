"""Who observed: a device (PS3.16 TID 1002 and 1004); no person looked."""

from __future__ import annotations

from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.sr.codedict import codes

from pcr.report.provenance import MANUFACTURER, SOFTWARE_NAME, Provenance


def device_observer(made: Provenance) -> ObserverContext:
    """This software with its model as the observer."""
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=made.device_uid,
            name=f"{SOFTWARE_NAME} {made.software_version}",
            manufacturer_name=MANUFACTURER,
            model_name=f"{made.model_name} {made.model_version}",
            serial_number=made.model_sha256[:16],
        ),
    )
