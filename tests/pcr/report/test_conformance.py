"""Other people's software finds nothing wrong with the objects and reads the facts out of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pcr.case import PredictedCase
from pcr.page import OverlayPage
from pcr.report.provenance import Provenance
from pcr.report.secondary_capture import make_secondary_captures
from pcr.report.seg import make_segmentation
from pcr.report.sr import make_report

# A private scheme is unknown to any validator; this is what declaring it is for.
EXPLAINED = "Unrecognized defined term = <99BPCR>"
# PS3.3 has the accession number in the Imaging Service Request of the study; the validator wavers.
WAVERING = "Different information entities for attribute - Element=<AccessionNumber>"


def tool(name: str) -> str:
    """A validator, from this environment or the system; the test is skipped where it is not installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a validator."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(
    case: PredictedCase, pages: tuple[OverlayPage, ...], made: Provenance, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """SEG, SR and a page, as files."""
    folder = tmp_path_factory.mktemp("results")
    segmentation = make_segmentation(case, made)
    (capture,) = make_secondary_captures(case, pages[:1], made)
    report = make_report(case, segmentation, made)
    for name, dataset in (("SEG", segmentation), ("SR", report), ("SC", capture)):
        dataset.save_as(folder / name, enforce_file_format=True)
    return {name: folder / name for name in ("SEG", "SR", "SC")}


@pytest.mark.parametrize("kind", ["SEG", "SR", "SC"])
def test_dciodvfy_finds_nothing(results: dict[str, Path], kind: str) -> None:
    done = run(tool("dciodvfy"), "-new", str(results[kind]))
    said = [line for line in done.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in said if EXPLAINED not in line] == []
    assert done.returncode in (0, 1)


def test_dcentvfy_finds_the_study_consistent(case: PredictedCase, results: dict[str, Path]) -> None:
    sources = [str(f.instance.path) for phase in case.volume.series.phases for f in phase.frames]
    done = run(tool("dcentvfy"), *sources, *map(str, results.values()))
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in said if WAVERING not in line] == []


def test_dcmqi_reads_the_probability(results: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / "sr.json"
    run(tool("tid1500reader"), "--inputDICOM", str(results["SR"]), "--outputMetadata", str(output))
    groups = {group["TrackingIdentifier"]: group for group in json.loads(output.read_text())["Measurements"]}
    values = {
        item["quantity"]["CodeValue"]: (item["value"], item["units"]["CodeValue"])
        for item in groups["pCR prediction"]["measurementItems"]
    }
    assert values["PCR_PROB"] == ("34.21", "%")


def test_dcmqi_reads_the_mask_at_its_place(case: PredictedCase, results: dict[str, Path], tmp_path: Path) -> None:
    run(
        tool("segimage2itkimage"), "--inputDICOM", str(results["SEG"]), "--outputDirectory", str(tmp_path), "-t", "nrrd"
    )
    image = sitk.ReadImage(tmp_path / "1.nrrd")
    found = np.argwhere(sitk.GetArrayFromImage(image))
    centre = np.mean([image.TransformIndexToPhysicalPoint(index[::-1].tolist()) for index in found], axis=0)
    assert len(found) == case.lesion.mask.sum()
    assert centre == pytest.approx(case.lesion.centroid_lps_mm, abs=0.02)


def test_dcmtk_reads_the_report(results: dict[str, Path]) -> None:
    done = run(tool("dsrdump"), str(results["SR"]))
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))] == []
