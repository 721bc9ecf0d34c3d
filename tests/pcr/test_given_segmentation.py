"""Whose outline of a lesion is taken: a person's, of this study, and never our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outlines import segmentation
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from tiny_mr import OBLIQUE, dce_of, dynamic, of_phase, save
from volumes import ball

from pcr.given_segmentation import LESION_CODES, GivenSegmentations, read_given_segmentations
from pcr.report.provenance import MANUFACTURER, SOFTWARE_NAME
from pcr.study import Study, read_inbox
from pcr.volume import DceVolume, VolumeLimits, load

SHAPE = (10, 8, 10)
MASK = ball(SHAPE, (4, 3, 6), 2.2)


@dataclass(frozen=True, slots=True)
class Given:
    """A study on disk and what is made of its segmentations."""

    folder: Path
    study: Study
    volume: DceVolume

    def read(self, accept_automatic: bool = False) -> GivenSegmentations:
        return read_given_segmentations(self.study, self.volume, accept_automatic=accept_automatic)


Give = Callable[..., Given]


@pytest.fixture
def give(tmp_path: Path) -> Give:
    """Writes an oblique dynamic study with a segmentation, and reads both back."""

    def given(*masks: np.ndarray, sources: Callable[[list[Dataset]], list[Dataset]] = lambda s: s, **how: Any) -> Given:
        images = dynamic(3, slices=SHAPE[0], axes=OBLIQUE)
        for image in images.values():
            image.StudyTime, image.StudyID, image.AccessionNumber, image.ReferringPhysicianName = "090000", "1", "", ""
            image.PatientBirthDate, image.SliceThickness, image.PositionReferenceIndicator = "", 2.5, ""
        save(images, tmp_path)
        made = segmentation(sources(of_phase(images, 1)), *(masks or (MASK,)), **how)
        made.save_as(tmp_path / "segmentation")
        (study,) = read_inbox(tmp_path).studies
        return Given(tmp_path, study, load(dce_of(study), VolumeLimits()))

    return given


def test_a_lesion_that_somebody_outlined_is_taken_voxel_by_voxel(give: Give) -> None:
    (taken,) = give().read().masks
    np.testing.assert_array_equal(taken.mask, MASK)
    assert taken.label == "segment 1"


@pytest.mark.parametrize("kind", [codes.SCT.Neoplasm, codes.SCT.Lesion, Code("M-01000", "SRT", "Lesion")])
def test_neoplasm_and_lesion_are_lesions_in_new_codes_and_old(give: Give, kind: Code) -> None:
    assert len(give(kind=kind).read().masks) == 1


def test_a_semiautomatic_outline_is_a_persons(give: Give) -> None:
    assert len(give(algorithm="SEMIAUTOMATIC").read().masks) == 1


@pytest.mark.parametrize("kind", [Code("254837009", "SCT", "Breast cancer"), codes.SCT.CarcinomaNoSubtype])
def test_a_cancer_by_its_own_name_is_a_lesion(give: Give, kind: Code) -> None:
    assert len(give(kind=kind).read().masks) == 1


def test_the_codes_of_a_lesion_mean_what_they_are_noted_to_mean() -> None:
    for name in ("Neoplasm", "NeoplasmPrimary", "MalignantNeoplasmPrimary", "CarcinomaNoSubtype", "Lesion", "Mass"):
        assert getattr(codes.SCT, name).value in LESION_CODES
    assert codes.SCT.CystOfBreast.value not in LESION_CODES


@pytest.mark.parametrize("kind", [Code("111111003", "SCT", "Fibroglandular"), codes.SCT.CystOfBreast])
def test_an_abnormal_structure_that_is_no_lesion_is_not_taken_and_that_is_said(give: Give, kind: Code) -> None:
    read = give(kind=kind).read()
    assert (read.masks, len(read.remarks)) == ((), 1)


def test_a_segment_of_tissue_is_passed_over_without_a_remark(give: Give) -> None:
    tissue = [codes.SCT.Tissue.to_code_dataset()] if hasattr(codes.SCT.Tissue, "to_code_dataset") else []
    given = give(kind=codes.SCT.Breast)
    for series in given.study.series:
        for instance in series.instances:
            for segment in instance.header.get("SegmentSequence", []):
                segment.SegmentedPropertyCategoryCodeSequence = tissue
    assert given.read() == GivenSegmentations((), ())


def test_an_outline_in_another_frame_of_reference_is_not_taken(give: Give) -> None:
    read = give(FrameOfReferenceUID="1.2.3.98").read()
    assert (read.masks, len(read.remarks)) == ((), 1)
    assert "frame of reference" in read.remarks[0]


def test_an_outline_by_an_algorithm_is_taken_only_where_the_settings_accept_it(give: Give) -> None:
    given = give(algorithm="AUTOMATIC")
    assert given.read().masks == ()
    assert "an algorithm made it" in given.read().remarks[0]
    np.testing.assert_array_equal(given.read(accept_automatic=True).masks[0].mask, MASK)


@pytest.mark.parametrize("algorithm", ["AUTOMATIC", "SEMIAUTOMATIC"])
def test_our_own_outline_is_never_taken_so_that_a_rerun_does_not_feed_on_itself(give: Give, algorithm: str) -> None:
    read = give(algorithm=algorithm, manufacturer=MANUFACTURER, model=SOFTWARE_NAME).read(accept_automatic=True)
    assert read == GivenSegmentations(masks=(), remarks=())


def test_a_lesion_in_two_parts_with_empty_slices_between_is_whole(give: Give) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:3, 2:5, 2:5] = mask[6:8, 3:6, 4:8] = True
    np.testing.assert_array_equal(give(mask).read().masks[0].mask, mask)


def test_a_lesion_in_one_slice_is_taken(give: Give) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4, 2:5, 2:5] = True
    np.testing.assert_array_equal(give(mask).read().masks[0].mask, mask)


def test_a_fractional_outline_is_cut_at_half(give: Give) -> None:
    fractions = MASK * 0.8 + ball(SHAPE, (4, 3, 6), 3.5) * 0.2
    read = give(fractions, segmentation_type="FRACTIONAL").read()
    np.testing.assert_array_equal(read.masks[0].mask, MASK)


def test_an_outline_on_a_coarser_grid_of_the_same_patient_keeps_its_place_and_volume(give: Give) -> None:
    """As a reader draws it on another series: every second slice, pixels twice as wide."""

    def coarser(sources: list[Dataset]) -> list[Dataset]:
        for source in sources[::2]:
            source.PixelSpacing = [2 * float(value) for value in source.PixelSpacing]
            source.Rows, source.Columns, source.SliceThickness = SHAPE[1] // 2, SHAPE[2] // 2, 5.0
        return sources[::2]

    mask = np.zeros((5, 4, 5), dtype=bool)
    mask[1:3, 1:3, 2:4] = True
    given = give(mask, sources=coarser)
    (taken,) = given.read().masks
    assert taken.mask.sum() == pytest.approx(8 * mask.sum(), rel=0.25)
    # The first pixel's centre is the same on both grids, so an index on the coarse one is twice as much on the fine.
    np.testing.assert_allclose(np.argwhere(taken.mask).mean(axis=0), 2 * np.argwhere(mask).mean(axis=0), atol=0.6)


def test_the_order_of_slices_in_the_segmentation_does_not_matter(give: Give) -> None:
    read = give(MASK[::-1], sources=lambda sources: sources[::-1]).read()
    np.testing.assert_array_equal(read.masks[0].mask, MASK)


def test_the_largest_of_several_lesions_comes_first(give: Give) -> None:
    small = ball(SHAPE, (7, 5, 2), 1)
    read = give(small, MASK).read()
    assert [given.label for given in read.masks] == ["segment 2", "segment 1"]
    np.testing.assert_array_equal(read.masks[1].mask, small)


def test_an_outline_that_can_not_be_read_is_left_aside_with_a_remark(give: Give) -> None:
    read = give(PerFrameFunctionalGroupsSequence=[]).read()
    assert (read.masks, len(read.remarks)) == ((), 1)
    assert "can not be read" in read.remarks[0]


def test_an_outline_beside_the_images_is_left_aside(give: Give) -> None:
    def far_away(sources: list[Dataset]) -> list[Dataset]:
        for source in sources:
            source.ImagePositionPatient = [float(value) + 500 for value in source.ImagePositionPatient]
        return sources

    assert give(sources=far_away).read().masks == ()
