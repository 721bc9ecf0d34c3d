"""Text is wrapped to its width and written in letters that the font has."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from pcr.report.pictures.canvas import Paragraph, drawable, font, height_of, split, wrap


@given(text=st.text(max_size=300), size=st.integers(11, 40), width=st.integers(60, 900), indent=st.integers(0, 59))
def test_no_line_is_wider_than_it_may_be_and_no_letter_is_lost(text: str, size: int, width: int, indent: int) -> None:
    first, *others = wrap(text, size, width, indent)
    assert font(size).getlength(first) <= width - indent or len(first) == 1
    assert all(font(size).getlength(line) <= width for line in others)
    assert "".join("".join([first, *others]).split()) == "".join(drawable(text).split())


def test_a_figure_stays_with_its_unit_and_its_direction() -> None:
    for width in range(60, 400, 7):
        lines = wrap("spread from 28 % to 41 % at F 42 mm, 30 s after injection", 22, width)
        for apart in ("28", "41", "F", "42", "F 42", "30"):
            assert not any(line.split(" ")[-1] == apart for line in lines) or width < 90


def test_every_letter_that_is_written_has_a_glyph() -> None:
    written = {c for code in range(sys.maxunicode + 1) for c in drawable(chr(code)) if not c.isspace()}
    unknown = bytes(font(22).getmask("\uffff"))
    assert len(written) > 90
    assert [c for c in sorted(written) if bytes(font(22).getmask(c)) == unknown] == []


def test_accents_are_dropped_and_other_scripts_are_seen_to_be_missing() -> None:
    assert drawable("Müller – ≥ 5 µm, 山") == "Muller - ? 5 ?m, ?"


def test_a_paragraph_broken_between_pages_keeps_all_its_words() -> None:
    whole = Paragraph(" ".join(f"word{n}" for n in range(400)), 22, label="Warning")
    first, rest = split(whole, 500, 300)
    assert height_of([first], 500) <= 300
    assert f"{first.text} {rest.text}" == whole.text
