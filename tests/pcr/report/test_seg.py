"""The segmentation lies where the lesion lies, and says what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import Segmentation, segread
from pydicom.sr.codedict import codes

from pcr.case import PredictedCase, grow
from pcr.report.attribution import attribute_case
from pcr.report.provenance import Provenance, is_own_making
from pcr.report.seg import make_segmentation


def points_mm(places: np.ndarray) -> np.ndarray:
    """Points in the patient, in an order of their own."""
    rounded = np.round(places, 2) + 0.0
    return rounded[np.lexsort(rounded.T)]


@pytest.mark.parametrize("reverse", [False, True], ids=["numbered along the normal", "numbered against it"])
def test_the_mask_read_back_lies_at_the_same_place(
    predict: Callable[..., PredictedCase], made: Provenance, tmp_path: Path, reverse: bool
) -> None:
    case = predict(reverse=reverse)
    make_segmentation(case, attribute_case(case, made)).save_as(tmp_path / "seg.dcm")
    volume = segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    found = volume.map_indices_to_reference(np.argwhere(volume.array))
    expected = case.volume.geometry.map_indices_to_reference(np.argwhere(case.lesion.mask))
    np.testing.assert_allclose(points_mm(found), points_mm(expected), atol=0.02)


@pytest.mark.parametrize("reverse", [False, True])
def test_each_frame_refers_to_the_early_image_it_lies_on(
    predict: Callable[..., PredictedCase], made: Provenance, reverse: bool
) -> None:
    case = predict(reverse=reverse)
    segmentation = make_segmentation(case, attribute_case(case, made))
    early = {f.instance.sop_instance_uid: f.header for f in case.volume.series.phase("early").frames}
    frames = segmentation.PerFrameFunctionalGroupsSequence
    for frame in frames:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert frame.PlanePositionSequence[0].ImagePositionPatient == early[source].ImagePositionPatient
    assert len(frames) == 6
    assert {
        i.ReferencedSOPInstanceUID for i in segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    } <= set(early)


def test_the_segment_is_a_neoplasm_of_the_lesion_s_breast(case: PredictedCase, made: Provenance) -> None:
    segment = make_segmentation(case, attribute_case(case, made)).SegmentSequence[0]
    region = segment.AnatomicRegionSequence[0]
    assert segment.segmented_property_type == codes.SCT.Neoplasm
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert region.CodeValue == codes.SCT.Breast.value
    assert region.AnatomicRegionModifierSequence[0].CodeValue == codes.SCT.Right.value


def test_an_outline_that_came_with_the_study_is_not_called_automatic(case: PredictedCase, made: Provenance) -> None:
    given = grow(case, PredictedCase, lesion=replace(case.lesion, source="segmentation", score=None))
    assert (
        make_segmentation(given, attribute_case(given, made)).SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    )


def test_a_segmentation_of_ours_is_recognised(case: PredictedCase, made: Provenance) -> None:
    segmentation: Segmentation = make_segmentation(case, attribute_case(case, made))
    assert is_own_making(segmentation)
    assert not is_own_making(case.study.header)
