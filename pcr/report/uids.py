"""UIDs of the objects of a result: derived from all that the result rests on.

The same job gives the same UIDs wherever and whenever it runs, so that a PACS that gets a result twice holds it once. A
change of the images, of the patient's identity, of the clinical record, the model, its settings, the software or of the
answer itself gives new ones, so that no UID ever stands for two contents (PS3.5 section 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from highdicom.uid import UID
from pydicom.dataset import Dataset

from pcr.report.result_series import ResultSeries

_NAMESPACE = UUID("6f2b9f2e-6d0f-5f0e-9c39-8a6f0b1f7a55")


@dataclass(frozen=True, slots=True)
class ResultUids:
    """The UIDs of one result; `digest` is the SHA-256 of all that it rests on, in hexadecimal."""

    digest: str

    def series(self, series: ResultSeries) -> UID:
        """SeriesInstanceUID."""
        return self.uid("series", str(series.number))

    def instance(self, series: ResultSeries, *names: str) -> UID:
        """SOPInstanceUID of the object of a series that these names tell from its others."""
        return self.uid("instance", str(series.number), *names)

    def uid(self, *names: str) -> UID:
        """Any other UID of the result, under a name of its own: 2.25 and a UUID of version 5 (PS3.5 annex B.2)."""
        return UID.from_uuid(str(uuid5(_NAMESPACE, "/".join((self.digest, *names)))))


def share_dimensions(made: Dataset, uid: UID) -> None:
    """Give a multi-frame object of highdicom, which invents one each time, a DimensionOrganizationUID of ours."""
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
