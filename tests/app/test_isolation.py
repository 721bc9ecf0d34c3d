"""Several studies in one input: each result holds its own study and nothing else, as if it had come alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise, zip_longest
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import generate_uid

from app.__main__ import main
from pcr.report.result_series import OVERLAY
from phantom import Identity, LesionSpec, write_study

from .conftest import MODELS, Outcome, Run, dicom_files, edit, small_phantom

# Two studies of one patient, and one of another; the first is sent twice.
SENT = {
    "first": (21, LesionSpec(side="left", diameter_mm=22, kinetics="washout"), Identity(patient_id="SIM-A")),
    "second": (
        22,
        LesionSpec(side="right", diameter_mm=26, kinetics="washout"),
        Identity(patient_id="SIM-A", study_date="20200707"),
    ),
    "other": (23, LesionSpec(side="left", diameter_mm=30, kinetics="plateau"), Identity(patient_id="SIM-B")),
}


@dataclass(frozen=True)
class Sent:
    """A study as it was sent, and what became of it among the others."""

    folder: Path
    result: dict[str, Any]
    results: Path

    @property
    def headers(self) -> list[FileDataset]:
        return [pydicom.dcmread(path, stop_before_pixels=True) for path in dicom_files(self.folder)]

    @property
    def truth(self) -> dict[str, Any]:
        return json.loads((self.folder.parent / "truth.json").read_text())["lesion"]

    def made(self, kind: str) -> list[FileDataset]:
        return [pydicom.dcmread(path) for path in sorted((self.results / kind).glob("*.dcm"))]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """All studies in one folder, their files taking turns in the order of names, and one run over it."""
    base = tmp_path_factory.mktemp("isolation")
    folders = {}
    for name, (seed, lesion, identity) in SENT.items():
        write_study(small_phantom(seed, lesion), out=base / name, identity=identity, distractors=name == "first")
        folders[name] = base / name / "study"
    inbox = base / "in"
    inbox.mkdir()
    numbers = count()
    for files in zip_longest(*map(dicom_files, (*folders.values(), folders["first"]))):
        for path in filter(None, files):
            shutil.copy(path, inbox / f"{next(numbers):05d}")
    records = [json.loads((folder / "clinical.json").read_text())["records"][0] for folder in folders.values()]
    (inbox / "clinical.json").write_text(json.dumps({"records": records}))
    assert main(["-i", str(inbox), "-o", str(base / "out"), "-m", str(MODELS)]) == 0
    uids = {name: pydicom.dcmread(dicom_files(folder)[0]).StudyInstanceUID for name, folder in folders.items()}
    out = Outcome(0, base / "out", "", "")
    results = {result["study_instance_uid"]: result for result in out.results}
    assert set(results) == set(uids.values())
    return {name: Sent(folders[name], results[uid], out.out / uid) for name, uid in uids.items()}


@pytest.mark.parametrize("name", SENT)
def test_a_result_refers_to_instances_of_its_own_study_only(name: str, sent: dict[str, Sent]) -> None:
    study = sent[name]
    own = {header.SOPInstanceUID for header in study.headers}
    own_series = {header.SeriesInstanceUID for header in study.headers}
    made = [dataset for kind in ("SR", "SEG", "SC", "KO") for dataset in study.made(kind)]
    own |= {dataset.SOPInstanceUID for dataset in made}
    own_series |= {dataset.SeriesInstanceUID for dataset in made}
    for dataset in made:
        found = list(_elements(dataset))
        assert {e.value for e in found if e.keyword == "ReferencedSOPInstanceUID"} <= own
        assert {e.value for e in found if e.keyword == "SeriesInstanceUID"} <= own_series
        assert {e.value for e in found if e.keyword == "StudyInstanceUID"} == {study.result["study_instance_uid"]}
    assert any(e.keyword == "ReferencedSOPInstanceUID" for d in study.made("SEG") for e in _elements(d))
    assert any(e.keyword == "ReferencedSOPInstanceUID" for d in study.made("SR") for e in _elements(d))


@pytest.mark.parametrize("name", SENT)
def test_a_result_is_of_its_own_patient_and_frame_of_reference(name: str, sent: dict[str, Sent]) -> None:
    study = sent[name]
    frames = {header.FrameOfReferenceUID for header in study.headers}
    for kind in ("SR", "SEG", "SC", "KO"):
        for made in study.made(kind):
            assert (made.PatientID, made.StudyDate) == (study.headers[0].PatientID, study.headers[0].StudyDate)
            stated = {e.value for e in _elements(made) if "FrameOfReferenceUID" in e.keyword}
            assert stated <= frames
    assert {made.FrameOfReferenceUID for made in study.made("SEG")} == frames


@pytest.mark.parametrize("name", SENT)
def test_the_mask_lies_on_the_lesion_of_its_own_study(name: str, sent: dict[str, Sent]) -> None:
    distances = {other: np.linalg.norm(_centroid(sent[name]) - sent[other].truth["centroid_lps_mm"]) for other in SENT}
    assert distances.pop(name) < 3
    assert min(distances.values()) > 10


def test_no_two_studies_have_an_overlay_in_common(sent: dict[str, Sent]) -> None:
    pages = [
        {made.PixelData for made in study.made("SC") if made.SeriesNumber == OVERLAY.number} for study in sent.values()
    ]
    assert all(own and not own & other for own, other in pairwise((*pages, pages[0])))


@pytest.mark.parametrize("name", ["first", "other"])
def test_the_result_is_that_of_the_study_alone(name: str, sent: dict[str, Sent], run: Run) -> None:
    together, alone = sent[name], run(sent[name].folder)
    assert alone.exit == 0
    for part in ("prediction", "lesion", "phases", "clinical", "selection"):
        assert alone.result[part] == together.result[part], part
    assert _pixels(alone.objects("SEG")) == _pixels(together.made("SEG"))
    assert _pixels(alone.objects("SC")) == _pixels(together.made("SC"))


def test_the_same_images_under_new_uids_are_refused_as_two_of_one_moment(study: Path, run: Run) -> None:
    again = [Path(shutil.copy(path, path.with_name(f"again-{path.name}"))) for path in dicom_files(study)]

    def renew(dataset: Dataset, *keywords: str) -> None:
        for keyword in keywords:
            setattr(dataset, keyword, generate_uid(entropy_srcs=[dataset[keyword].value, "again"]))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    edit(again, lambda dataset: renew(dataset, "SOPInstanceUID"))
    assert run(study).result["reason"]["code"] == "no_dce_series"
    edit(again, lambda dataset: renew(dataset, "SeriesInstanceUID"))
    assert run(study).result["reason"]["code"] == "no_dce_series"


def _elements(dataset: Dataset) -> Iterator[pydicom.DataElement]:
    return (element for element in dataset.iterall() if element.VR != "SQ")


def _pixels(made: list[FileDataset]) -> list[bytes]:
    return sorted(dataset.PixelData for dataset in made)


def _centroid(study: Sent) -> Any:
    """Mean position of the mask's voxels, LPS in mm."""
    (path,) = (study.results / "SEG").glob("*.dcm")
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    return volume.map_indices_to_reference(np.argwhere(volume.array)).mean(axis=0)
