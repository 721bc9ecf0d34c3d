"""Results reach the output folder all or nothing: staged beside their place, checked, then renamed.

Whatever moment the program is killed at, the folder of a study is either not there or complete, and the index of the
run is written when everything that it names is there. What a killed run left is cleared by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pcr.reasons import BadConfiguration
from pcr.report.result import RunResult, StudyResult

RESULT_NAME = "result.json"
_STAGED = ".partial-new-"
_REPLACED = ".partial-old-"


@contextmanager
def output_folder(out: Path) -> Iterator[None]:
    """Hold the output folder for one run: nobody else writes to it, and what a killed run left is cleared.

    Raises:
        BadConfiguration: the folder can not be made or written, or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(error) from None
    try:
        _lock(handle)
        try:
            _clear(out)
            # Written and taken away again: permissions alone do not tell of a read-only mount or a full disk.
            _write_text(out / (_STAGED + "probe"), "")
            _remove(out / (_STAGED + "probe"))
        except OSError as error:
            raise _unusable(error) from None
        yield
    finally:
        os.close(handle)


def _unusable(error: OSError) -> BadConfiguration:
    return BadConfiguration(f"the output folder can not be used: {error.strerror}")


def publish_study(out: Path, result: StudyResult, objects: Mapping[str, Sequence[Dataset]]) -> Path:
    """Write the folder of one study: DICOM objects by kind (`SR`, `SEG`, ...) and result.json.

    `result.outputs` must name the files, as `object_paths` gives them. An earlier result of the study is replaced.
    """
    uid = result.study_instance_uid
    staged, final, replaced = out / (_STAGED + uid), out / uid, out / (_REPLACED + uid)
    _remove(staged)
    staged.mkdir()
    datasets = [dataset for kind in objects.values() for dataset in kind]
    for path, dataset in zip(object_paths(objects), datasets, strict=True):
        target = staged / path
        target.parent.mkdir(exist_ok=True)
        dataset.save_as(target, enforce_file_format=True)
        _check_written(target, dataset)
        sync(target)
    _write_text(staged / RESULT_NAME, result.model_dump_json(indent=2))
    for folder in (*sorted(p for p in staged.iterdir() if p.is_dir()), staged):
        sync(folder)
    if os.path.lexists(final):
        final.rename(replaced)
    staged.rename(final)
    sync(out)
    _remove(replaced)
    return final


def publish_run(out: Path, result: RunResult) -> None:
    """Write the index of the run, the last of all files."""
    staged = out / (_STAGED + RESULT_NAME)
    _write_text(staged, result.model_dump_json(indent=2))
    staged.rename(out / RESULT_NAME)
    sync(out)


def object_paths(objects: Mapping[str, Sequence[Dataset]]) -> tuple[str, ...]:
    """Where each object goes below the folder of its study, in the order of the mapping."""
    return tuple(f"{kind}/{dataset.SOPInstanceUID}.dcm" for kind, datasets in objects.items() for dataset in datasets)


def find_objects(out: Path, kind: str) -> list[Path]:
    """The published objects of one kind (`SR`, `SEG`, ...) of all studies below an output folder."""
    return sorted(path for path in out.glob(f"*/{kind}/*.dcm") if not path.parts[-3].startswith("."))


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadConfiguration("another run writes to the output folder; wait for it, or name another one") from None


def _clear(out: Path) -> None:
    """Undo what a killed run left half done: bring back what it was replacing, drop what it was staging."""
    _remove(out / RESULT_NAME)
    for replaced in out.glob(_REPLACED + "*"):
        final = out / replaced.name.removeprefix(_REPLACED)
        if os.path.lexists(final):
            _remove(replaced)
        else:
            replaced.rename(final)
    for staged in out.glob(_STAGED + "*"):
        _remove(staged)


def _remove(path: Path) -> None:
    """Remove whatever is there, a folder with all in it; a link goes, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_written(path: Path, dataset: Dataset) -> None:
    """Read a file back: what a full disk or a broken encoder cut short must not be published."""
    try:
        complete = pydicom.dcmread(path).keys() == dataset.keys()
    except (OSError, EOFError, InvalidDicomError):
        complete = False
    if not complete:
        raise OSError(f"{path.name} was not written completely")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", "utf-8")
    sync(path)


def sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
