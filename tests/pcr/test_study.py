"""Files below a folder become studies, whatever the folder holds besides."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)
from tiny_mr import change, dynamic, mr_image, save, signal, study_of

from pcr.reasons import BadConfiguration, NotEvaluable
from pcr.study import InboxLimits, PassedOver, Study, read_inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An input folder with one study of two phases."""
    return save(dynamic(phases=2), tmp_path / "in")


def only_study(folder: Path) -> Study:
    (study,) = read_inbox(folder).studies
    return study


def refusal_of(folder: Path) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        read_inbox(folder)
    return caught.value


def test_files_without_extension_at_any_depth_are_one_study(tmp_path: Path) -> None:
    for (phase, place), image in dynamic(phases=2).items():
        save([image], tmp_path / f"p{phase}" / ".hidden" / f"s {place}")
    study = only_study(tmp_path)
    assert [len(series.instances) for series in study.series] == [8, 8]
    assert (study.study_instance_uid, study.patient_id) == ("1.2.3", "T-1")


def test_text_empty_and_truncated_files_are_passed_over_and_counted(inbox: Path) -> None:
    whole = (inbox / "0000").read_bytes()
    (inbox / "notes.txt").write_text("left breast, 2 o'clock")
    (inbox / "empty.dcm").touch()
    (inbox / "cut.dcm").write_bytes(whole[:200])
    (inbox / "preamble.dcm").write_bytes(whole[:132])
    found = read_inbox(inbox)
    assert found.passed_over == PassedOver(not_dicom=4)
    assert sum(len(series.instances) for series in found.studies[0].series) == 16


def test_a_directory_of_media_is_passed_over(inbox: Path) -> None:
    save([mr_image(SOPClassUID=MediaStorageDirectoryStorage, SOPInstanceUID="1.2.3.77")], inbox / "media")
    assert read_inbox(inbox).passed_over.not_dicom == 1


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@given(junk=st.binary(max_size=300), place=st.integers(132, 400))
def test_a_damaged_header_never_stops_the_run(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    save(dynamic(phases=1), folder)
    whole = (folder / "0000").read_bytes()
    (folder / "damaged").write_bytes(whole[:place] + junk)
    passed = read_inbox(folder).passed_over
    assert passed.not_dicom + passed.invalid_identity <= 1


def test_links_out_of_the_input_are_not_followed(inbox: Path, tmp_path: Path) -> None:
    elsewhere = save([mr_image(StudyInstanceUID="9.9", SOPInstanceUID="9.9.1")], tmp_path / "elsewhere")
    (inbox / "file").symlink_to(elsewhere / "0000")
    (inbox / "folder").symlink_to(elsewhere, target_is_directory=True)
    found = read_inbox(inbox)
    assert [study.study_instance_uid for study in found.studies] == ["1.2.3"]
    assert found.passed_over.outside_links == 2


def test_links_inside_the_input_do_no_harm(inbox: Path) -> None:
    (inbox / "again").symlink_to(inbox / "0000")
    (inbox / "loop").symlink_to(inbox / "loop")
    (inbox / "broken").symlink_to(inbox / "gone")
    (inbox / "up").symlink_to(inbox, target_is_directory=True)
    found = read_inbox(inbox)
    found.studies[0].check_identity()
    assert sum(len(series.instances) for series in found.studies[0].series) == 16


def test_a_pipe_in_the_input_is_not_waited_for(inbox: Path) -> None:
    os.mkfifo(inbox / "pipe")
    assert len(read_inbox(inbox).studies) == 1


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("hostile", ["../../x", "/etc/passwd", "1.2.3/4", "..", "", "1" * 66])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI|The value length:UserWarning")
def test_a_hostile_uid_never_becomes_a_study(
    inbox: Path, keyword: str, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    image = mr_image(**{"StudyInstanceUID": "9.9", "SOPInstanceUID": "9.9.1", keyword: hostile})
    image.preamble = bytes(128)
    pydicom.dcmwrite(inbox / "hostile", image)
    found = read_inbox(inbox)
    assert [study.study_instance_uid for study in found.studies] == ["1.2.3"]
    assert found.passed_over.invalid_identity == 1


def test_two_patients_in_one_study_are_refused(inbox: Path) -> None:
    save([mr_image(phase=2, PatientID="T-2")], inbox / "other")
    with pytest.raises(NotEvaluable, match="2 different PatientIDs") as caught:
        only_study(inbox).check_identity()
    assert caught.value.code == "mixed_patients"
    assert "T-1" not in caught.value.message
    assert "T-2" not in caught.value.message


def test_blanks_around_a_patient_id_are_no_other_patient() -> None:
    images = dynamic(phases=2)
    change(images[0, 0], PatientID="T-1 ")
    study_of(images).check_identity()


def test_an_instance_that_came_twice_counts_once(inbox: Path) -> None:
    save(dynamic(phases=1), inbox / "again")
    study = only_study(inbox)
    study.check_identity()
    assert [len(series.instances) for series in study.series] == [8, 8]


def test_one_instance_in_two_series_is_refused(inbox: Path) -> None:
    change(other := mr_image(), SeriesInstanceUID="1.2.3.77")
    save([other], inbox / "again")
    with pytest.raises(NotEvaluable, match="came twice with different content"):
        only_study(inbox).check_identity()


def test_one_data_set_written_by_two_programs_is_one_instance(inbox: Path) -> None:
    image = mr_image()
    image.file_meta.ImplementationVersionName = "ANOTHER"
    save([image], inbox / "again")
    only_study(inbox).check_identity()


def test_one_instance_in_two_transfer_syntaxes_is_refused(inbox: Path) -> None:
    (image := mr_image()).file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save([image], inbox / "again")
    with pytest.raises(NotEvaluable, match="came twice with different content"):
        only_study(inbox).check_identity()


def test_two_different_files_for_one_instance_are_refused(inbox: Path) -> None:
    change(other := mr_image(), PixelData=signal(3, 3).tobytes())
    save([other], inbox / "again")
    with pytest.raises(NotEvaluable, match="came twice with different content") as caught:
        only_study(inbox).check_identity()
    assert caught.value.code == "corrupt_pixels"


def test_an_empty_folder_holds_no_study(tmp_path: Path) -> None:
    assert refusal_of(tmp_path).code == "no_study"


def test_a_ct_study_alone_is_no_study(tmp_path: Path) -> None:
    refusal = refusal_of(save(dynamic(SOPClassUID=CTImageStorage, Modality="CT"), tmp_path))
    assert refusal.code == "no_study"
    assert "1 other studies" in refusal.message


def test_a_brain_mr_alone_is_no_study(tmp_path: Path) -> None:
    brain = dynamic(BodyPartExamined="HEAD", StudyDescription="MR BRAIN", SeriesDescription="t1 mprage")
    assert refusal_of(save(brain, tmp_path)).code == "no_study"


def test_a_study_that_says_breast_in_its_description_only_is_read(inbox: Path) -> None:
    for path in inbox.iterdir():
        path.unlink()
    save(dynamic(BodyPartExamined="OTHER", StudyDescription="BILATERAL BREAST WITH CONTRAST"), inbox)
    assert only_study(inbox).study_instance_uid == "1.2.3"


def test_studies_that_are_no_breast_mr_are_counted_beside_one_that_is(inbox: Path) -> None:
    save([mr_image(StudyInstanceUID="9.9", SOPInstanceUID="9.9.1", Modality="CT")], inbox / "ct")
    assert read_inbox(inbox).passed_over.other_studies == 1


def test_two_studies_of_two_patients_are_kept_apart(inbox: Path) -> None:
    save(dynamic(StudyInstanceUID="4.5.6", PatientID="T-2"), inbox / "second")
    # UIDs of series and instances repeat across the two: only the study tells them apart.
    studies = read_inbox(inbox).studies
    assert [(s.study_instance_uid, s.patient_id, len(s.series)) for s in studies] == [
        ("1.2.3", "T-1", 2),
        ("4.5.6", "T-2", 4),
    ]
    for study in studies:
        study.check_identity()


def test_different_birth_dates_are_different_patients() -> None:
    images = dynamic(phases=2, PatientBirthDate="19700102")
    change(images[0, 0], PatientBirthDate="19650708")
    with pytest.raises(NotEvaluable, match="mixed_patients"):
        study_of(images).check_identity()


def test_a_description_that_names_the_patient_is_quoted_without_her_name() -> None:
    images = dynamic(
        phases=1,
        PatientName="Doe^Jane",
        PatientBirthDate="19700102",
        SeriesDescription="dyn DOE jane 1970-01-02 T-1",
    )
    (series,) = study_of(images).series
    assert series.description == "dyn [removed] [removed] [removed] [removed]"


@pytest.mark.parametrize(
    ("described", "meant"), [("MR PROSTATE", False), ("MRI KNEE", False), ("", True), ("MR BREAST AND NECK", True)]
)
def test_a_study_without_body_part_is_known_by_its_words(described: str, meant: bool, tmp_path: Path) -> None:
    save(dynamic(phases=1), tmp_path / "breast")
    other = dynamic(phases=1, StudyInstanceUID="1.2.9", BodyPartExamined="", StudyDescription=described)
    for number, image in enumerate(other.values()):
        change(image, SOPInstanceUID=f"1.2.9.{number}", SeriesDescription="t1 dyn")
    inbox = read_inbox(save(other, tmp_path / "other").parent)
    assert ("1.2.9" in [study.study_instance_uid for study in inbox.studies]) is meant
    assert len(inbox.others) == (0 if meant else 1)


def test_a_file_that_vanishes_stops_the_run_since_it_may_have_been_a_phase(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pcr.study.read_header", denied)
    with pytest.raises(BadConfiguration, match="check its permissions"):
        read_inbox(inbox)


def test_a_study_of_more_files_than_accepted_is_refused_and_no_other(inbox: Path) -> None:
    save([mr_image(StudyInstanceUID="4.5.6")], inbox / "small")
    large, small = read_inbox(inbox, limits=InboxLimits(max_files=5)).studies
    assert sum(len(series.instances) for series in large.series) == 5
    with pytest.raises(NotEvaluable, match="16 files, 5 are accepted") as caught:
        large.check_identity()
    assert caught.value.code == "too_large"
    small.check_identity()


@pytest.mark.parametrize("limit", ["max_files", "max_header_mib"])
def test_a_limit_of_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} must be positive, got 0"):
        InboxLimits(**{limit: 0})


def test_a_multi_frame_object_of_another_part_of_the_body_is_no_breast_study(tmp_path: Path) -> None:
    anatomy = Dataset()
    anatomy.AnatomicRegionSequence = [region := Dataset()]
    region.CodeMeaning = "Prostate"
    shared = Dataset()
    shared.FrameAnatomySequence = [anatomy]
    image = mr_image(SOPClassUID=EnhancedMRImageStorage, BodyPartExamined=None, SeriesDescription="t1 dyn")
    image.SharedFunctionalGroupsSequence = [shared]
    assert refusal_of(save([image], tmp_path)).code == "no_study"
