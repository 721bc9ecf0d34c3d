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


@pytest.mark.parametrize("written", ["", "t-1", " T-1", "T-1^"])
def test_an_id_that_one_program_writes_otherwise_is_no_other_patient(written: str) -> None:
    images = dynamic(phases=2)
    change(images[0, 0], PatientID=written)
    study_of(images).check_identity()


def test_a_blank_id_of_the_first_image_is_not_that_of_the_study() -> None:
    images = dynamic(phases=2)
    change(images[0, 0], PatientID="")
    assert study_of(images).patient_id == "T-1"


@pytest.mark.parametrize("words", [("T-1", "T-11"), ("T 1 2", "T 2 1")])
def test_ids_that_differ_in_more_than_their_writing_are_two_patients(words: tuple[str, str]) -> None:
    images = dynamic(phases=1, PatientID=words[0])
    change(images[0, 0], PatientID=words[1])
    with pytest.raises(NotEvaluable, match="2 different PatientIDs"):
        study_of(images).check_identity()


def with_names(one: str, other: str, **given: str) -> Study:
    images = dynamic(phases=2, PatientName=one, **given)
    change(images[1, 3], PatientName=other)
    return study_of(images)


@pytest.mark.parametrize(
    "other",
    ["", "doe^jane", "DOE JANE", "Doe^Jane^Mary", "Doe", "Doe^J", "Miller-Doe^Jane", "Miller^Jane", "Dóe^Jané"],
)
def test_a_name_that_can_be_hers_is_no_other_patient(other: str) -> None:
    with_names("Doe^Jane", other).check_identity()
    with_names(other, "Doe^Jane").check_identity()


@pytest.mark.parametrize("other", ["Doe^Jane=山田^花子", "=山田^花子", "山田^花子", "Doe^Jane^^Dr"])
def test_a_name_in_another_script_or_with_a_title_is_no_other_patient(other: str) -> None:
    with_names("Doe^Jane", other, SpecificCharacterSet="ISO_IR 192").check_identity()


@pytest.mark.parametrize("other", ["Doe^Mary", "Miller^Anne", "Jane^Doe"])
def test_two_names_under_one_id_are_two_patients(other: str) -> None:
    with pytest.raises(NotEvaluable, match="images with different PatientNames") as caught:
        with_names("Doe^Jane", other).check_identity()
    assert caught.value.code == "mixed_patients"
    assert "Doe" not in caught.value.message


def test_two_names_that_a_third_is_the_beginning_of_are_two_patients() -> None:
    images = dynamic(phases=3)
    for (phase, _), image in images.items():
        change(image, PatientName=("Doe", "Doe^Jane", "Doe^Mary")[phase])
    with pytest.raises(NotEvaluable, match="mixed_patients"):
        study_of(images).check_identity()


def test_a_name_is_not_believed_against_an_id_and_a_birth_date() -> None:
    with_names("Doe^Jane", "Miller^Anne", PatientBirthDate="19700102").check_identity()


@pytest.mark.parametrize("other", ["Doe^Mary", "Miller^Jane"])
def test_without_ids_two_names_are_two_patients(other: str) -> None:
    with pytest.raises(NotEvaluable, match="without PatientID and with different names"):
        with_names("Doe^Jane", other, PatientID="").check_identity()


def test_the_name_of_an_object_that_is_no_image_counts_only_where_it_has_no_id() -> None:
    images = dynamic(phases=1)
    change(images[0, 0], Modality="SR", SeriesInstanceUID="1.2.3.77", PatientName="Anonymous")
    study_of(images).check_identity()
    change(images[0, 0], PatientID="")
    with pytest.raises(NotEvaluable, match="mixed_patients"):
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


def test_a_description_is_no_longer_than_its_vr_allows_and_is_searched_once() -> None:
    """A name of 8,000 words had been looked for in 48 kB, for half a minute each time."""
    words = "^".join(f"w{number}" for number in range(8_000))
    (series,) = study_of([mr_image(PatientName=words, SeriesDescription="dyn " * 12_000)]).series
    assert series.description == ("dyn " * 16)
    assert series.description is series.description


def test_no_half_of_a_name_is_left_at_the_end_of_a_description() -> None:
    (series,) = study_of([mr_image(PatientName="Doe^Magdalena", SeriesDescription="-" * 58 + " Magdalena")]).series
    assert "Mag" not in series.description


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


def padded_study(folder: Path, uid: str, files: int, **given: object) -> Path:
    """A study whose files have each some 300 kB of private values that are kept."""
    for number in range(files):
        image = mr_image(StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.{number}", **given)
        for private in range(5):
            image.add_new(0x00091001 + private, "OB", bytes(60_000))
        save([image], folder / f"{uid}-{number}")
    return folder


@pytest.mark.parametrize("uid", ["1.2.1", "1.2.9"])
def test_a_study_whose_headers_are_too_much_is_refused_and_no_other(inbox: Path, uid: str) -> None:
    found = read_inbox(padded_study(inbox, uid, files=8), limits=InboxLimits(max_all_headers_mib=2))
    studies = {study.study_instance_uid: study for study in found.studies}
    with pytest.raises(NotEvaluable, match=r"raise limits\.max_all_headers_mib") as caught:
        studies[uid].check_identity()
    assert caught.value.code == "too_large"
    assert (studies[uid].series, studies[uid].patient_id) == ((), "")
    studies["1.2.3"].check_identity()


def test_a_ct_whose_headers_are_too_much_is_another_study_all_the_same(inbox: Path) -> None:
    padded_study(inbox, "1.2.9", files=8, Modality="CT")
    found = read_inbox(inbox, limits=InboxLimits(max_all_headers_mib=2))
    assert [study.study_instance_uid for study in found.studies] == ["1.2.3"]
    assert found.passed_over.other_studies == 1


def test_many_studies_take_no_more_memory_than_one_may(inbox: Path) -> None:
    for number in range(10):
        padded_study(inbox, f"1.2.9{number}", files=1)
    found = read_inbox(inbox, limits=InboxLimits(max_all_headers_mib=2))
    kept = sum(i.header.memory_bytes for study in found.studies for s in study.series for i in s.instances)
    assert 0 < kept <= 2 * 2**20
    assert len(found.studies) == 11


def test_an_input_of_more_files_than_accepted_is_refused_as_a_whole(inbox: Path) -> None:
    (inbox / "notes.txt").touch()
    read_inbox(inbox, limits=InboxLimits(max_all_files=17))
    with pytest.raises(NotEvaluable, match=r"more than 16 files; .* raise limits\.max_all_files") as caught:
        read_inbox(inbox, limits=InboxLimits(max_all_files=16))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("limit", ["max_files", "max_all_files", "max_header_mib", "max_all_headers_mib"])
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
