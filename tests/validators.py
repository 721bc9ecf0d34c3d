"""Other people's DICOM software: how each tool is found and run, what counts as a finding, what is a false alarm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk


class MissingTool(RuntimeError):
    """A tool is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarm:
    """What a tool says of objects that are right.

    Attributes:
        tool: who says it.
        pattern: a regular expression, found in the lines in question.
        reason: why it is no finding.
    """

    tool: str
    pattern: str
    reason: str


FALSE_ALARMS = (
    FalseAlarm(
        tool="dciodvfy",
        pattern=r"Unrecognized defined term = <99BPCR>$",
        reason="a private coding scheme is unknown to any tool; ours is declared (PS3.3 C.12.1.1.8)",
    ),
    FalseAlarm(
        tool="dciodvfy",
        pattern=r"</ProcedureCodeSequence\(0008,1032\).*CodingSchemeDesignator.* - Unrecognized defined term = <",
        reason="the procedure is taken over from the source as it is, in whatever scheme the hospital has",
    ),
    FalseAlarm(
        tool="dciodvfy",
        pattern=r"<.*> - Value dubious for this VR \[PN\] = <.*> - Retired Person Name form$",
        reason="the name is taken over from the source as it is, also one without a caret",
    ),
    FalseAlarm(
        tool="dciodvfy",
        pattern=r"</StudyID\(0020,0010\)> - Missing attribute or value that would be needed to build DICOMDIR$",
        reason="a study that has no ID in the source is not given one",
    ),
    FalseAlarm(
        tool="dcentvfy",
        pattern=r"^Warning - Different information entities for attribute - Element=<AccessionNumber>",
        reason="the accession number is an attribute of the study; in images with a Request Attributes Sequence the "
        "tool counts it to the series, and wavers from object to object",
    ),
)


def find_tool(name: str) -> str:
    """Path of a tool, from this environment or the system.

    Raises MissingTool.
    """
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise MissingTool(f"{name} is not installed")
    return found


def dciodvfy(path: Path) -> list[str]:
    """Errors and warnings that dicom3tools has for one object, false alarms left out."""
    done = _run("dciodvfy", "-new", path)
    found = _alarms("dciodvfy", done)
    # It ends with 1 where it has found an error, and can end with 0 all the same; anything else is a crash.
    return found if done.returncode in (0, 1) else [*found, f"dciodvfy ended with {done.returncode}"]


def dcentvfy(paths: Sequence[Path]) -> list[str]:
    """What dicom3tools finds to differ between objects of one study, false alarms left out."""
    done = _run("dcentvfy", *paths)
    found = _alarms("dcentvfy", done)
    return found if done.returncode == 0 else [*found, f"dcentvfy ended with {done.returncode}"]


def dsrdump(path: Path) -> list[str]:
    """Errors of DCMTK on a structured report or key object selection."""
    done = _run("dsrdump", path)
    found = [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]
    return found if done.returncode == 0 else [*found, f"dsrdump ended with {done.returncode}"]


def tid1500reader(path: Path) -> dict[str, Any]:
    """What dcmqi reads out of a structured report; it ends with 0 whatever it finds, so look at what it read."""
    with tempfile.TemporaryDirectory() as work:
        output = Path(work, "report.json")
        _run("tid1500reader", "--inputDICOM", path, "--outputMetadata", output)
        read: dict[str, Any] = json.loads(output.read_text("utf-8"))
        return read


def segimage2itkimage(path: Path) -> sitk.Image:
    """Segment 1 of a segmentation as dcmqi reads it, in its own geometry."""
    with tempfile.TemporaryDirectory() as work:
        _run("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", work, "-t", "nrrd")
        return sitk.ReadImage(Path(work, "1.nrrd"))


def _run(name: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [find_tool(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _alarms(tool: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))]
    explained = [alarm.pattern for alarm in FALSE_ALARMS if alarm.tool == tool]
    return [line for line in lines if not any(re.search(pattern, line) for pattern in explained)]
