"""UIDs of the objects of a result: derived from the job that it is of, and from what came out of it.

The same job gives the same UIDs wherever and whenever it runs, so that a PACS that gets a result twice holds it once. A
change of the images, of the patient's identity, of the clinical record, the model, its settings or the software gives
new ones, and so does any difference in what is written, so that no UID ever stands for two contents (PS3.5 section 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid5

from highdicom.uid import UID
from pydicom.dataset import Dataset

from pcr.report.result_series import ResultSeries

_NAMESPACE = UUID("6f2b9f2e-6d0f-5f0e-9c39-8a6f0b1f7a55")
# When an object was made is all that may differ between two of one job.
_MOMENTS = frozenset(
    (
        "InstanceCreationDate",
        "InstanceCreationTime",
        "ContentDate",
        "ContentTime",
        "DateOfSecondaryCapture",
        "TimeOfSecondaryCapture",
        "ContributionDateTime",
    )
)


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class ResultUids:
    """The UIDs of one result while it is made; `digest` is the SHA-256 of its job, in hexadecimal."""

    digest: str

    def series(self, series: ResultSeries) -> UID:
        """SeriesInstanceUID."""
        return self.uid("series", str(series.number))

    def instance(self, series: ResultSeries, *names: str) -> UID:
        """SOPInstanceUID of the object of a series that these names tell from its others."""
        return self.uid("instance", str(series.number), *names)

    def uid(self, *names: str) -> UID:
        """Any other UID of the result, under a name of its own."""
        return derived_uid(self.digest, *names)


def derived_uid(*names: str) -> UID:
    """The UID of these names: 2.25 and a UUID of version 5 (PS3.5 annex B.2)."""
    return UID.from_uuid(str(uuid5(_NAMESPACE, "/".join(names))))


def share_dimensions(made: Dataset, uid: UID) -> None:
    """Give a multi-frame object of highdicom, which invents one each time, a DimensionOrganizationUID of ours."""
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def name_by_content(objects: Sequence[Dataset]) -> None:
    """Give all objects of a result UIDs that depend on everything that is written in any of them.

    Until then they have those of `ResultUids`; each becomes another one wherever it stands. The moments of making do
    not count.
    """
    digest = hashlib.sha256()
    for made in objects:
        _add(made, digest)
    content = digest.hexdigest()
    renamed = {uid: derived_uid(content, uid) for uid in _own_uids(objects)}
    for made in objects:
        for element in made.iterall():
            if element.VR == "UI" and element.value in renamed:
                element.value = renamed[element.value]
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID


def _own_uids(objects: Sequence[Dataset]) -> set[str]:
    own = {uid for made in objects for uid in (made.SOPInstanceUID, made.SeriesInstanceUID)}
    things = ("TrackingUID", "DimensionOrganizationUID")
    return own | {element.value for made in objects for element in made.iterall() if element.keyword in things}


def _add(dataset: Dataset, digest: _Digest) -> None:
    for element in dataset:
        if element.keyword in _MOMENTS:
            continue
        digest.update(f"{element.tag:08x}{element.VR}".encode())
        if element.VR == "SQ":
            for item in element.value:
                digest.update(b"item")
                _add(item, digest)
            digest.update(b"end")
        else:
            value = element.value if isinstance(element.value, bytes) else repr(element.value).encode()
            digest.update(len(value).to_bytes(8))
            digest.update(value)
