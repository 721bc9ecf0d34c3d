"""The pages as secondary captures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pcr.case import PredictedCase
from pcr.page import OverlayPage
from pcr.report.provenance import (
    OVERLAY_SERIES_NUMBER,
    REPORT_SERIES_NUMBER,
    SEGMENTATION_SERIES_NUMBER,
    Provenance,
)
from pcr.report.secondary_capture import make_secondary_captures

Pages = tuple[OverlayPage, ...]


def test_pages_become_one_series_in_their_order(case: PredictedCase, pages: Pages, made: Provenance) -> None:
    captures = make_secondary_captures(case, pages, made)
    assert [c.InstanceNumber for c in captures] == list(range(1, len(pages) + 1))
    assert len({c.SeriesInstanceUID for c in captures}) == 1
    assert len({c.SOPInstanceUID for c in captures}) == len(pages)
    for page, capture in zip(pages, captures, strict=True):
        assert np.array_equal(capture.pixel_array, page.pixels)


def test_a_page_refers_to_the_images_it_was_drawn_from(case: PredictedCase, pages: Pages, made: Provenance) -> None:
    for page, capture in zip(pages, make_secondary_captures(case, pages, made), strict=True):
        sources = [item.ReferencedSOPInstanceUID for item in capture.SourceImageSequence]
        phases = [case.volume.series.phase(role) for role in ("early", "pre")]
        assert sources == [phase.frames[page.slice_index].instance.sop_instance_uid for phase in phases]


@pytest.mark.parametrize(("laterality", "code"), [("left", "L"), ("right", "R")])
def test_a_page_says_which_breast_and_that_no_identity_is_burned_in(
    predict: Callable[..., PredictedCase], pages: Pages, made: Provenance, laterality: str, code: str
) -> None:
    case = predict(laterality=laterality)
    (capture,) = make_secondary_captures(case, pages[:1], made)
    assert (capture.Laterality, capture.BurnedInAnnotation) == (code, "NO")
    assert capture.PatientOrientation == ["L", "P"]
    assert "not for clinical use" in capture.SeriesDescription


def test_the_three_result_series_have_numbers_of_their_own() -> None:
    assert len({REPORT_SERIES_NUMBER, SEGMENTATION_SERIES_NUMBER, OVERLAY_SERIES_NUMBER}) == 3
