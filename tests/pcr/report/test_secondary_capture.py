"""The pages as secondary captures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pcr.case import PredictedCase
from pcr.page import Illustrations, Page
from pcr.report.attribution import Attribution, attribute_case, attribute_refusal
from pcr.report.provenance import Provenance
from pcr.report.result_series import ALL_SERIES, NOT_EVALUABLE, OVERLAY, SUMMARY
from pcr.report.secondary_capture import make_overlays, make_refusal, make_summary


def test_every_slice_of_the_lesion_becomes_an_image_of_one_series(
    case: PredictedCase, pages: Illustrations, attribution: Attribution
) -> None:
    overlays = make_overlays(case, pages.slices, attribution)
    assert [o.InstanceNumber for o in overlays] == list(range(1, len(pages.slices) + 1))
    assert len({o.SeriesInstanceUID for o in overlays}) == 1
    assert len({o.SOPInstanceUID for o in overlays}) == len(overlays) == 6
    for page, overlay in zip(pages.slices, overlays, strict=True):
        assert np.array_equal(overlay.pixel_array, page.pixels)


def test_the_summary_is_a_series_of_its_own_before_the_slices(
    case: PredictedCase, pages: Illustrations, attribution: Attribution
) -> None:
    summary = make_summary(case, pages.summary, attribution)
    overlays = make_overlays(case, pages.slices, attribution)
    assert summary[0].SeriesNumber == SUMMARY.number < overlays[0].SeriesNumber == OVERLAY.number
    assert {s.SeriesInstanceUID for s in summary}.isdisjoint({o.SeriesInstanceUID for o in overlays})


def test_an_overlay_refers_to_the_images_it_was_drawn_from(
    case: PredictedCase, pages: Illustrations, attribution: Attribution
) -> None:
    for page, overlay in zip(pages.slices, make_overlays(case, pages.slices, attribution), strict=True):
        sources = [item.ReferencedSOPInstanceUID for item in overlay.SourceImageSequence]
        phases = [case.volume.series.phase(role) for role in ("early", "pre")]
        assert sources == [phase.frames[page.slice_index].instance.sop_instance_uid for phase in phases]


@pytest.mark.parametrize(("laterality", "code"), [("left", "L"), ("right", "R")])
def test_a_page_says_which_breast_and_that_no_identity_is_burned_in(
    predict: Callable[..., PredictedCase], pages: Illustrations, made: Provenance, laterality: str, code: str
) -> None:
    case = predict(laterality=laterality)
    overlay = make_overlays(case, pages.slices, attribute_case(case, made))[0]
    (summary, *_) = make_summary(case, pages.summary, attribute_case(case, made))
    for capture in (overlay, summary):
        assert (capture.Laterality, capture.BurnedInAnnotation) == (code, "NO")
        assert "not for clinical use" in capture.SeriesDescription
    assert (overlay.PatientOrientation, summary.PatientOrientation) == (["L", "P"], [])


def test_a_refusal_says_nothing_of_a_side(case: PredictedCase, made: Provenance) -> None:
    page = Page(pixels=np.zeros((8, 8, 3), dtype=np.uint8))
    capture = make_refusal(page, attribute_refusal(case.study, made))
    assert (capture.SeriesNumber, capture.get("Laterality")) == (NOT_EVALUABLE.number, None)
    assert capture.PatientID == case.study.header.PatientID


def test_every_result_series_has_a_number_and_a_description_of_its_own() -> None:
    assert len({series.number for series in ALL_SERIES}) == len(ALL_SERIES)
    assert len({series.description for series in ALL_SERIES}) == len(ALL_SERIES)
    assert all(len(series.description) <= 64 for series in ALL_SERIES)
