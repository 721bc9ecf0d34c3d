"""The folder that is written: the same bytes twice, the truth beside it, nobody's files lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from phantom_samples import TINY

from phantom import Identity, Phantom, PhantomError, PhantomSpec, simulate, write_study


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(tiny: Phantom, tmp_path: Path) -> None:
    write_study(tiny, out=tmp_path / "a")
    write_study(simulate(tiny.spec), out=tmp_path / "b")
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")


def test_other_content_has_other_uids(tiny: Phantom, tmp_path: Path) -> None:
    with_lesion = write_study(tiny, out=tmp_path / "a", distractors=False)
    without = write_study(simulate(replace(tiny.spec, lesion=None)), out=tmp_path / "b", distractors=False)
    assert with_lesion.study_instance_uid != without.study_instance_uid


def test_truth_lies_outside_the_study(tiny: Phantom, tmp_path: Path) -> None:
    written = write_study(tiny, out=tmp_path, distractors=False)
    truth = json.loads(written.truth.read_text())
    assert written.folder not in written.truth.parents
    assert tiny.lesion is not None
    assert truth["lesion"]["centroid_lps_mm"] == list(tiny.lesion.centroid_lps_mm)
    assert truth["lesion"].keys() == {"centroid_lps_mm", "volume_ml", "longest_diameter_mm"}
    assert truth["phases"][:2] == [{"time_s": 0.0, "role": "pre"}, {"time_s": 129.0, "role": "post"}]
    assert (truth["layout"], truth["seed"]) == ("duke-siemens-series-per-phase", 7)


def test_truth_without_a_lesion_is_null(tmp_path: Path) -> None:
    written = write_study(simulate(PhantomSpec(seed=2, grid=TINY, lesion=None)), out=tmp_path, distractors=False)
    assert json.loads(written.truth.read_text())["lesion"] is None


def test_clinical_record_is_that_of_the_study_and_can_be_left_out(tiny: Phantom, tmp_path: Path) -> None:
    written = write_study(tiny, out=tmp_path, distractors=False)
    (record,) = json.loads((written.folder / "clinical.json").read_text())["records"]
    assert record.keys() == {"study_instance_uid", "age", "menopausal_status", "hr", "her2"}
    assert record["study_instance_uid"] == written.study_instance_uid
    assert pydicom.dcmread(written.files[0]).PatientAge == f"{record['age']:03d}Y"
    write_study(tiny, out=tmp_path, distractors=False, clinical=False)
    assert not (written.folder / "clinical.json").exists()


def test_identity_can_be_given(tiny: Phantom, tmp_path: Path) -> None:
    identity = Identity(patient_id="X1", patient_name="Test^Jane", study_instance_uid="1.2.3", study_date="20210630")
    written = write_study(tiny, out=tmp_path, identity=identity, distractors=False)
    header = pydicom.dcmread(written.files[0])
    assert (header.PatientID, str(header.PatientName), header.StudyDate) == ("X1", "Test^Jane", "20210630")
    assert header.StudyInstanceUID == written.study_instance_uid == "1.2.3"
    with pytest.raises(PhantomError, match="20211399"):
        Identity(study_date="20211399")


def test_file_names_do_not_sort_as_the_images_do(tiny: Phantom, tmp_path: Path) -> None:
    written = write_study(tiny, out=tmp_path, distractors=False)
    assert list(written.files) != sorted(written.files)


def test_an_earlier_phantom_is_replaced(tiny: Phantom, tmp_path: Path) -> None:
    first = write_study(tiny, out=tmp_path)
    second = write_study(tiny, out=tmp_path, distractors=False)
    assert len(second.files) < len(first.files)
    assert set(second.folder.glob("*.dcm")) == set(second.files)


@pytest.mark.parametrize("stranger", ["notes.txt", "study/scan.nii", "study/sub/x.dcm"])
def test_a_folder_with_anything_else_in_it_is_left_alone(stranger: str, tiny: Phantom, tmp_path: Path) -> None:
    write_study(tiny, out=tmp_path, distractors=False)
    (tmp_path / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / stranger).write_text("mine")
    before = _contents(tmp_path)
    with pytest.raises(PhantomError, match="not empty"):
        write_study(tiny, out=tmp_path)
    assert _contents(tmp_path) == before


def test_a_single_phase_is_written_without_contrast(tmp_path: Path) -> None:
    phantom = simulate(PhantomSpec(seed=2, grid=TINY, lesion=None, phase_times_s=(0.0,)))
    headers = [pydicom.dcmread(path) for path in write_study(phantom, out=tmp_path).files]
    assert not any("ContrastBolusAgent" in header or header.ImageType[0] == "DERIVED" for header in headers)
