"""The files of a drop folder as they lie there: which count, whether one is still being written, what one holds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pcr.clinical_file import ClinicalFile, parse_clinical_file
from pcr.reasons import NotEvaluable

MAX_FILE_BYTES = 4 * 2**20
MAX_FILES = 10_000
_MAX_NAMES = 10 * MAX_FILES
_SUFFIXES = (".json", ".csv")
# Names that programs give to files which are not finished, or not for others.
_PASSED_OVER = (".", "~")
_BLOCKED_OPENING = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """What changes when a file does; the newer one is the greater."""

    modified_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """That of a file with this status."""
        return cls(status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """A file that was read, or a sentence on why it was not; the sentence holds nothing of its content."""

    signature: Signature
    content: ClinicalFile | None
    problem: str | None = None


def files_in(folder: Path) -> dict[str, Signature]:
    """The files that could hold records, by name, the newest first and no more than `MAX_FILES`.

    Links count as well: `judge` says what is wrong with them. Raises OSError where the folder can not be read.
    """
    found: dict[str, Signature] = {}
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= _MAX_NAMES:
                break
            if entry.name.lower().endswith(_SUFFIXES) and not entry.name.startswith(_PASSED_OVER):
                try:
                    found[entry.name] = Signature.of(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
    newest = sorted(found.items(), key=lambda item: (item[1], item[0]), reverse=True)
    return dict(newest[:MAX_FILES])


def judge(path: Path, signature: Signature) -> JudgedFile | None:
    """Read a file of this signature; None where it is another by now."""
    if signature.size > MAX_FILE_BYTES:
        return JudgedFile(signature, None, f"it is larger than {MAX_FILE_BYTES // 2**20} MiB; split it")
    try:
        content = _read(path, signature)
        if content is None:
            return None
        file = parse_clinical_file(content, path.suffix)
    except FileNotFoundError:
        return None
    except OSError as error:
        return JudgedFile(
            signature, None, f"it can not be read, or is no file but a link or a folder ({type(error).__name__})"
        )
    except NotEvaluable as error:
        return JudgedFile(signature, None, error.message)
    if not file.is_keyed:
        return JudgedFile(signature, None, "a record in it names no study, accession number or patient")
    return JudgedFile(signature, file)


def _read(path: Path, signature: Signature) -> bytes | None:
    """The bytes of a regular file, without waiting for what is a pipe and without following what is a link."""
    descriptor = os.open(path, os.O_RDONLY | _BLOCKED_OPENING)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IsADirectoryError
        content = file.read(MAX_FILE_BYTES + 1)
        return content if Signature.of(status) == signature == Signature.of(os.fstat(descriptor)) else None
