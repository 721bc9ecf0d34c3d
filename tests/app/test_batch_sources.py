"""What a batch is given: folders, lists of them, archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.batch.sources import FolderSource, folders_below, job_name, listed_folders, named_folders, refuse_overlap
from pcr.reasons import BadConfiguration


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in ("DOE^JANE", "other"):
        (tmp_path / "archive" / name / "series").mkdir(parents=True)
        (tmp_path / "archive" / name / "series" / "1").write_text("an image")
    return tmp_path / "archive"


def test_every_subfolder_of_an_archive_that_holds_a_file_is_an_input(archive: Path) -> None:
    (archive / "empty" / "inside").mkdir(parents=True)
    assert folders_below(archive) == (archive / "DOE^JANE", archive / "other")


def test_files_beside_the_subfolders_of_an_archive_are_not_passed_over(archive: Path) -> None:
    (archive / "IM0001").touch()
    with pytest.raises(BadConfiguration, match="holds 1 files beside its subfolders"):
        folders_below(archive)


def test_an_archive_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="can not be read"):
        folders_below(tmp_path / "absent")


def test_a_list_names_a_folder_on_each_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("/a\n\n  /b c  \n")
    assert listed_folders(tmp_path / "list") == (Path("/a"), Path("/b c"))


def test_a_list_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadConfiguration, match="can not be read"):
        listed_folders(tmp_path / "list")


def test_a_folder_that_is_named_twice_is_one_input(archive: Path) -> None:
    assert len(named_folders([archive / "other", archive / "DOE^JANE" / ".." / "other"])) == 1


def test_the_name_of_a_job_tells_nothing_of_the_folder(archive: Path) -> None:
    first, second = (job_name(source) for source in named_folders(folders_below(archive)))
    assert first != second and first.isalnum() and "doe" not in first


@pytest.mark.parametrize("change", ["content", "new", "gone", "renamed"])
def test_an_input_that_changed_has_another_fingerprint(change: str, archive: Path) -> None:
    source = FolderSource(archive / "other")
    before = source.fingerprint(10)
    assert source.fingerprint(10) == before
    image = archive / "other" / "series" / "1"
    match change:
        case "content":
            image.write_text("another image")
        case "new":
            (archive / "other" / "clinical.json").touch()
        case "gone":
            image.unlink()
        case "renamed":
            image.rename(image.with_name("2"))
    assert source.fingerprint(10) != before


def test_a_link_that_leads_nowhere_has_a_fingerprint_too(archive: Path) -> None:
    (archive / "other" / "link").symlink_to(archive / "absent")
    assert FolderSource(archive / "other").fingerprint(10)


def test_an_output_folder_inside_an_input_is_refused(archive: Path) -> None:
    with pytest.raises(BadConfiguration, match="inside a study folder"):
        refuse_overlap(named_folders([archive / "other"]), archive / "other" / "out")
