"""Which part of the body a header names: the breast, another one, or none."""

from __future__ import annotations

import re
from typing import Literal

from pydicom.dataset import Dataset

BodyPart = Literal["breast", "other", "unnamed"]

_BREAST_WORDS = re.compile(r"breast|mamm|brust|sein|seno|chest|thora", re.IGNORECASE)
_OTHER_PARTS = re.compile(
    r"prostat|brain|head|neuro|knee|shoulder|spine|lumbar|cervical|pelvi|abdom|liver|hepat|kidney|renal|cardiac|heart"
    r"|ankle|wrist|elbow|hip\b|foot|hand\b|neck|rectum|rectal|uter",
    re.IGNORECASE,
)
_TEXTS = ("StudyDescription", "SeriesDescription", "ProtocolName")


def body_part(examined: str, header: Dataset) -> BodyPart:
    """What the examined part and the descriptions name; the breast goes before others, since fields of view overlap."""
    texts = [examined, *(str(header.get(name) or "") for name in _TEXTS)]
    if any(_BREAST_WORDS.search(text) for text in texts):
        return "breast"
    return "other" if examined.strip() or any(_OTHER_PARTS.search(text) for text in texts) else "unnamed"
