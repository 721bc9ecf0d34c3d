"""The page of a study that gets no probability: that there is none, why, and that this says nothing of the patient."""

from __future__ import annotations

import numpy as np

from pcr.page import Page
from pcr.report.pictures.canvas import Paragraph, height_of, split, write
from pcr.report.pictures.colours import AMBER
from pcr.report.pictures.sheet import FOOTER, MARGIN, SIDE, TEXT, blank_sheet
from pcr.report.provenance import Provenance

# A message is written in the largest of these that it fits in.
MESSAGE_SIZES = (30, 26, 22, 18, 16, 14)
_HEADING, _TOP = 40, 104
_WIDTH = SIDE - 2 * MARGIN


def draw_refusal(code: str, message: str, made: Provenance) -> Page:
    """Draw the page of a refusal: its code for machines, its sentence for the person who can act on it.

    A long sentence is written smaller; what does not fit at the smallest size is in result.json, and the page says so.
    """
    page = blank_sheet("Breast MRI: predicted response to neoadjuvant therapy")
    heading = [
        Paragraph("Not evaluable: no probability of pCR is given", _HEADING),
        Paragraph(code, TEXT, gap=MARGIN, label="Reason"),
    ]
    top = write(page, (MARGIN, _TOP), _WIDTH, heading) + MARGIN // 2
    closing = _closing(made)
    end = FOOTER - MARGIN - height_of(closing, _WIDTH)
    write(page, (MARGIN, top), _WIDTH, _fitting(message[:1].upper() + message[1:], end - MARGIN - top))
    write(page, (MARGIN, end), _WIDTH, closing)
    return Page(pixels=np.array(page))


def _closing(made: Provenance) -> list[Paragraph]:
    return [
        Paragraph("This is no finding about the patient: the study could not be evaluated by this software.", TEXT),
        Paragraph(f"{made.model_name} {made.model_version}", TEXT, gap=MARGIN // 2, label="Model"),
        Paragraph(made.software_version, TEXT, label="Software"),
    ]


def _fitting(message: str, height: int) -> list[Paragraph]:
    """The message as large as its room allows; at the smallest size without what is too much, which it says."""
    for size in MESSAGE_SIZES:
        whole = [Paragraph(message, size)]
        if height_of(whole, _WIDTH) <= height:
            return whole
    left_out = Paragraph("The rest of this message is in result.json.", TEXT, AMBER)
    first, _ = split(Paragraph(message, MESSAGE_SIZES[-1]), _WIDTH, height - height_of([left_out], _WIDTH))
    return [first, left_out]
