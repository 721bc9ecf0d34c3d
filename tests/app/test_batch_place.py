"""One batch at a time over an output folder, one process at a time over a job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.batch.place import Place, StillHeld, hold, whole_batch, write_whole
from pcr.reasons import BadConfiguration


def test_a_second_batch_over_the_same_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with (
        whole_batch(Place(tmp_path)),
        pytest.raises(BadConfiguration, match="another batch"),
        whole_batch(Place(tmp_path)),
    ):
        pass
    with whole_batch(Place(tmp_path)):
        pass


def test_an_output_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(BadConfiguration, match="can not be used"), whole_batch(Place(tmp_path / "out")):
        pass


def test_a_process_holds_the_lock_that_it_inherited_when_its_parent_lets_go(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with hold(lock, 0) as handle:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(handle,)
        )
    with pytest.raises(StillHeld), hold(lock, 0):
        pass
    child.communicate()
    with hold(lock, 0):
        pass


def test_a_text_replaces_another_as_a_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "text", "one\r\n")
    write_whole(tmp_path / "text", "two")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two"]
