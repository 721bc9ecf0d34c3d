"""A case grows from step to step and forgets nothing on the way."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from tiny_mr import mr_image, study_of
from volumes import ball, grid_of, volume_of_pixels, washing_out

from pcr.case import Case, DceCase, LesionCase, grow
from pcr.clinical import ClinicalRecord
from pcr.lesion import outlined

MASK = ball((8, 20, 20), (4, 10, 10), 3)
VOLUME = volume_of_pixels(washing_out(MASK), grid_of(MASK.shape))


def case() -> Case:
    return Case(
        study=study_of([mr_image()]), clinical=ClinicalRecord(age=50), warnings=("first",), timings_s={"study": 0.1}
    )


def test_the_next_case_has_all_that_was_had_and_what_was_found() -> None:
    before = case()
    dce = grow(before, DceCase, volumes=(VOLUME,))
    lesion = outlined(MASK, VOLUME, source="kinetic", laterality="left")
    after = grow(dce, LesionCase, volume=VOLUME, lesion=lesion)
    assert (after.study, after.clinical, after.timings_s) == (before.study, before.clinical, before.timings_s)
    assert after.volume is VOLUME
    assert after.lesion is lesion


def test_warnings_are_added_in_the_order_in_which_they_arise() -> None:
    grown = grow(case(), DceCase, volumes=(VOLUME,), warnings=("second", "third"))
    assert grown.warnings == ("first", "second", "third")


def test_a_case_without_what_its_kind_holds_can_not_be_made() -> None:
    with pytest.raises(TypeError, match="volume"):
        grow(case(), DceCase)


def test_a_case_can_not_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        case().clinical = ClinicalRecord()
