"""Where the studies of one job come from: a folder, or a study that an Orthanc server holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from pcr.reasons import BadConfiguration

_NAME_DIGITS = 20


class Source(Protocol):
    """One job's input; it travels to a worker, so it holds values only."""

    @property
    def location(self) -> str:
        """What tells it apart from all other sources; it may name a patient, as folders do."""

    def fingerprint(self, max_files: int) -> str:
        """Changes when what is to be scored changes.

        Raises OSError where it can not be looked at.
        """

    def as_folder(self, scratch: Path, max_files: int) -> AbstractContextManager[Path]:
        """The studies as a folder of files, for as long as the context lasts; what is fetched goes to `scratch`."""


def job_name(source: Source) -> str:
    """A name for the job of a source, fit for a folder: the same in every run, and silent about the patient."""
    return hashlib.sha256(source.location.encode()).hexdigest()[:_NAME_DIGITS]


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Files at any depth below a folder, given as an absolute path."""

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_absolute():
            raise ValueError(f"'{self.path}' must be absolute: workers may run in another folder")

    @property
    def location(self) -> str:
        return str(self.path)

    def fingerprint(self, max_files: int) -> str:
        """Of names, sizes and times of change of the first `max_files` files; contents are not read."""
        seen = hashlib.sha256()
        for path in islice(_files_below(self.path), max_files):
            # A link counts as what it leads to; one that leads nowhere as itself.
            state = path.stat() if path.exists() else path.lstat()
            seen.update(
                f"{path.relative_to(self.path)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode(errors="replace")
            )
        return seen.hexdigest()

    def as_folder(self, scratch: Path, max_files: int) -> AbstractContextManager[Path]:
        """The folder itself."""
        return nullcontext(self.path)


def named_folders(folders: Iterable[Path]) -> tuple[FolderSource, ...]:
    """Each folder as a source; one that is named twice is one."""
    return tuple(FolderSource(path) for path in dict.fromkeys(folder.resolve() for folder in folders))


def listed_folders(file: Path) -> tuple[Path, ...]:
    """The folders that a file names, one a line; blank lines are passed over.

    Raises:
        BadConfiguration: the file can not be read.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"the list {file} can not be read ({type(error).__name__})") from None
    return tuple(Path(line.strip()) for line in lines if line.strip())


def folders_below(folder: Path) -> tuple[Path, ...]:
    """The direct subfolders of an archive that hold a file at any depth, sorted; hidden ones are passed over.

    Raises:
        BadConfiguration: the folder can not be read, or holds files beside its subfolders, which nobody would look at.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise BadConfiguration(f"the archive {folder} can not be read: {error.strerror}") from None
    if loose := sum(not path.is_dir() for path in entries):
        raise BadConfiguration(
            f"the archive {folder} holds {loose} files beside its subfolders; each study belongs in a subfolder of its "
            "own, and a single study is named without --below"
        )
    return tuple(path for path in entries if any(_files_below(path)))


def refuse_overlap(sources: Sequence[FolderSource], out: Path) -> None:
    """Refuse an output folder that lies in a source: results would be taken for input.

    Raises BadConfiguration.
    """
    if any(out.resolve().is_relative_to(source.path) for source in sources):
        raise BadConfiguration("the output folder lies inside a study folder; name another one with -o")


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _raise(error: OSError) -> None:
    raise error
