"""Which part of the body a header names: the breast, another one, or none that tells."""

from __future__ import annotations

import re
from typing import Literal

from pydicom.dataset import Dataset

BodyPart = Literal["breast", "other", "unnamed"]

_BREAST_WORDS = re.compile(
    r"breast|mamm|\bmamas?\b|mamell|brust|borst|bryst|br[oö]st|pier[sś]|\bseins?\b|\bsen[oi]s?\b|乳", re.IGNORECASE
)
# The chest is not among them: breasts are registered as CHEST too.
_OTHER_PARTS = re.compile(
    r"prostat|brain|head|skull|neuro|pituit|orbit|knee|shoulder|spine|lumbar|cervical|pelvi|abdom|liver|hepat|kidney"
    r"|renal|cardiac|heart|aort|angio|\bmra\b|ankle|wrist|elbow|\bhip\b|foot|hand\b|\barm\b|\bleg\b|extremity|neck|rectum"
    r"|rectal|uter",
    re.IGNORECASE,
)
_TEXTS = ("StudyDescription", "SeriesDescription", "ProtocolName")


def body_part(examined: str, header: Dataset) -> BodyPart:
    """What the examined part and the descriptions name; the breast goes before others, since fields of view overlap."""
    texts = [examined, *(str(header.get(name) or "") for name in _TEXTS)]
    if any(_BREAST_WORDS.search(text) for text in texts):
        return "breast"
    return "other" if any(_OTHER_PARTS.search(text) for text in texts) else "unnamed"
