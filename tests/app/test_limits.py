"""A study beyond a limit is refused before its pixels are read, in a sentence that names the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, dicom_files


@pytest.fixture
def without_pixels(study: Path) -> Path:
    """The study with all files cut in their pixels, so that whoever reads them comes to know it."""
    for path in dicom_files(study):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    return study


@pytest.mark.parametrize(
    ("setting", "value"),
    [("max_files", 50), ("max_all_headers_mib", 1), ("max_voxels", 1_000_000), ("max_memory_mib", 3)],
)
def test_a_study_beyond_a_limit_is_refused_unread(
    setting: str, value: int, without_pixels: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"BREAST_PCR_LIMITS__{setting.upper()}", str(value))
    outcome = run(without_pixels)
    assert (outcome.exit, outcome.result["reason"]["code"]) == (3, "too_large")
    assert f"raise limits.{setting}" in outcome.result["reason"]["message"]


def test_within_the_limits_the_pixels_are_read(without_pixels: Path, run: Run) -> None:
    assert run(without_pixels).result["reason"]["code"] == "corrupt_pixels"


def test_an_input_of_too_many_files_is_refused(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_LIMITS__MAX_ALL_FILES", "50")
    outcome = run(study)
    assert (outcome.exit, outcome.index["reason"]["code"], outcome.index["studies"]) == (3, "too_large", [])


def test_a_header_beyond_the_limit_is_no_dicom(study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAST_PCR_LIMITS__MAX_HEADER_MIB", "1")
    padded = dicom_files(study)[0]
    content = padded.read_bytes()
    # A private element of 2 MiB right behind the file meta information, whose length stands at byte 140.
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    padding = b"\x07\x00\x01\x10UN\x00\x00" + (2 * 2**20).to_bytes(4, "little") + bytes(2 * 2**20)
    padded.write_bytes(content[:meta_end] + padding + content[meta_end:])
    outcome = run(study)
    assert outcome.index["passed_over"]["not_dicom"] == 1


@pytest.mark.parametrize(
    "setting", ["MAX_FILES", "MAX_ALL_FILES", "MAX_HEADER_MIB", "MAX_ALL_HEADERS_MIB", "MAX_VOXELS", "MAX_MEMORY_MIB"]
)
def test_a_limit_of_nothing_stops_the_run(setting: str, study: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BREAST_PCR_LIMITS__{setting}", "0")
    outcome = run(study)
    assert outcome.exit == 2 and f"limits.{setting.lower()}" in outcome.complained
