"""The page of a refused study says why, in full where it can, and that it says nothing of the patient."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pcr.report.pictures.canvas import drawable
from pcr.report.pictures.refusal_page import MESSAGE_SIZES, draw_refusal
from pcr.report.provenance import DRAWN_NOTICE, Provenance
from tests.pcr.report.pictures.drawn_text import DrawnText, recorded

LEFT_OUT = "The rest of this message is in result.json."


def refuse(message: str, made: Provenance) -> DrawnText:
    with recorded() as drawn:
        assert draw_refusal("too_few_phases", message, made).pixels.shape == (1024, 1024, 3)
    return drawn


def test_a_refusal_says_why_and_who_refused(made: Provenance) -> None:
    drawn = refuse("the series has 2 phases; send all of them", made)
    assert "The series has" in drawn.joined
    for said in (
        "Not evaluable: no probability of pCR is given",
        "too_few_phases",
        "series has 2 phases; send all of them",
        "This is no finding about the patient",
        "breast_pcr 0.1.0",
        DRAWN_NOTICE,
    ):
        assert said in drawn.joined
    assert drawn.smallest >= 22


@settings(max_examples=12)
@given(message=st.text(max_size=4000) | st.text("W", min_size=1000, max_size=6000))
def test_a_message_of_any_length_stays_on_the_page(made: Provenance, message: str) -> None:
    drawn = refuse(message, made)
    assert drawn.outside == drawn.overlapping == []
    assert drawn.smallest >= MESSAGE_SIZES[-1] == 14
    whole = "".join(drawable(message[:1].upper() + message[1:]).split()) in drawn.letters
    assert whole != (LEFT_OUT in drawn.joined)


def test_four_thousand_letters_of_prose_are_told_in_full(made: Provenance) -> None:
    drawn = refuse("none of these series can be a dynamic one; " * 93, made)
    assert LEFT_OUT not in drawn.joined
