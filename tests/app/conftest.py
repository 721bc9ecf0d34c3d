"""A small phantom study on disk, and the application as a function of folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileDataset

from app.__main__ import main
from phantom import GridSpec, Identity, LesionSpec, PhantomSpec, simulate, write_study

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
# Few slices and phases, at a spacing that the model accepts.
SMALL = GridSpec(slices=26, slice_spacing_mm=4.0)
TIMES_S = (0.0, 129.0, 219.0, 549.0)


def small_phantom(seed: int, lesion: LesionSpec | None) -> Any:
    """A phantom of few slices and four phases."""
    return simulate(PhantomSpec(seed=seed, grid=SMALL, lesion=lesion, phase_times_s=TIMES_S))


@pytest.fixture(scope="session")
def phantom_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `study` beside its `truth.json`: a lesion of 20 mm in the left breast, with a clinical record."""
    out = tmp_path_factory.mktemp("phantom")
    write_study(small_phantom(11, LesionSpec(side="left", diameter_mm=20, kinetics="washout")), out=out)
    return out / "study"


@pytest.fixture(scope="session")
def healthy_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of another patient, without a lesion."""
    out = tmp_path_factory.mktemp("healthy")
    identity = Identity(patient_id="SIM-HEALTHY")
    write_study(small_phantom(12, None), out=out, identity=identity, distractors=False)
    return out / "study"


@pytest.fixture
def study(phantom_study: Path, tmp_path: Path) -> Path:
    """A copy of the phantom's study that a test may spoil."""
    return Path(shutil.copytree(phantom_study, tmp_path / "in"))


@dataclass(frozen=True)
class Outcome:
    """What a run left: exit status, index, results by study, what it printed."""

    exit: int
    out: Path
    printed: str
    complained: str

    @property
    def index(self) -> dict[str, Any]:
        return json.loads((self.out / "result.json").read_text())

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads((self.out / s["path"] / "result.json").read_text()) for s in self.index["studies"]]

    @property
    def result(self) -> dict[str, Any]:
        (only,) = self.results
        return only

    def objects(self, kind: str) -> list[FileDataset]:
        return [pydicom.dcmread(path) for path in sorted(self.out.glob(f"*/{kind}/*.dcm"))]


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the application on a folder, in this process."""

    def run_app(source: Path, out: Path | None = None, models: Path = MODELS) -> Outcome:
        out = out or tmp_path / "out"
        status = main(["-i", str(source), "-o", str(out), "-m", str(models)])
        printed, complained = capfd.readouterr()
        return Outcome(status, out, printed, complained)

    return run_app


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files of a study folder, sorted."""
    return sorted(folder.rglob("*.dcm"))


def edit(paths: Iterable[Path], change: Callable[[FileDataset], object]) -> None:
    """Change data sets on disk."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)


def by_description(folder: Path) -> dict[str, list[Path]]:
    """The DICOM files of a study folder by series description, each in the order of slice positions."""
    found: dict[str, list[tuple[float, Path]]] = {}
    for path in dicom_files(folder):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        position = float(header.ImagePositionPatient[2])
        found.setdefault(header.SeriesDescription, []).append((position, path))
    return {description: [path for _, path in sorted(pairs)] for description, pairs in found.items()}
