"""The study's own outline goes before the kinetic localiser, and how it was chosen is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lesion_phantoms import PHANTOMS
from outlines import segmentation
from tiny_mr import dce_of

from pcr.localize import Localization, LocalizationSettings, locate
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox
from pcr.volume import VolumeLimits, load
from phantom import Phantom, simulate, write_study


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(PHANTOMS["left washout"])


@pytest.fixture(scope="module")
def folder(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom as a DICOM study."""
    return write_study(phantom, "ispy2-ge-tpi", tmp_path_factory.mktemp("written"), distractors=False).folder


@pytest.fixture
def located(folder: Path, request: pytest.FixtureRequest):
    """Locates the lesion of the study with a segmentation beside it, which is removed again."""

    def locate_with(*masks: np.ndarray, blank: bool = False, **how: str) -> Localization:
        path = folder / "segmentation"
        request.addfinalizer(lambda: path.unlink(missing_ok=True))
        (study,) = read_inbox(folder).studies
        volume = load(dce_of(study), VolumeLimits())
        if masks:
            sources = [frame.header for frame in volume.series.phase("early").frames]
            segmentation(sources, *masks, **how).save_as(path)
            (study,) = read_inbox(folder).studies
        if blank:
            volume = replace(volume, pixels=np.zeros_like(volume.pixels))
        return locate(study, (volume,), LocalizationSettings())

    return locate_with


def test_without_a_segmentation_the_kinetic_localiser_finds_the_lesion_of_a_study_on_disk(
    located, phantom: Phantom
) -> None:
    found = located()
    assert (found.lesion.source, found.remarks) == ("kinetic", ())
    assert found.lesion.score > 0.75
    distance = np.subtract(found.lesion.centroid_lps_mm, phantom.lesion.centroid_lps_mm)
    assert np.linalg.norm(distance) < 3


def test_a_segmentation_goes_before_the_kinetic_localiser(located, phantom: Phantom) -> None:
    lesion = located(phantom.lesion_mask).lesion
    assert (lesion.source, lesion.score, lesion.laterality) == ("segmentation", None, "left")
    assert lesion.volume_ml == pytest.approx(phantom.lesion.volume_ml)
    assert lesion.centroid_lps_mm == pytest.approx(phantom.lesion.centroid_lps_mm, abs=0.01)


def test_of_several_segments_the_largest_is_used_and_that_is_said(located, phantom: Phantom) -> None:
    small = np.zeros_like(phantom.lesion_mask)
    small[10:12, 30:33, 30:33] = True
    found = located(small, phantom.lesion_mask)
    assert found.lesion.volume_ml == pytest.approx(phantom.lesion.volume_ml)
    assert found.remarks == ("the study has 2 lesion segments; the largest is used",)


def test_a_segmentation_that_is_not_trusted_is_remarked_on(located) -> None:
    far = np.zeros(PHANTOMS["left washout"].grid.slices * 104 * 140, dtype=bool).reshape(-1, 104, 140)
    far[2:4, 50:60, 10:20] = True
    found = located(far, algorithm="AUTOMATIC")
    assert found.lesion.source == "kinetic"
    assert "an algorithm made it" in found.remarks[0]


def test_a_segmentation_where_there_is_no_signal_is_refused(located, phantom: Phantom) -> None:
    with pytest.raises(NotEvaluable, match="no signal") as caught:
        located(phantom.lesion_mask, blank=True)
    assert caught.value.code == "no_lesion_found"


def test_a_segmentation_in_air_is_refused_and_not_answered(located, phantom: Phantom) -> None:
    air = np.zeros_like(phantom.lesion_mask)
    air[:, :4, :4] = True
    with pytest.raises(NotEvaluable, match="no_lesion_found"):
        located(air)
