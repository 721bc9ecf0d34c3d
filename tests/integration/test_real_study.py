"""The real study of ../shared/data, where it is at hand: the figures of the first issue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checks.run import CHECKS, findings
from tests.checks.study import StudyOnDisk, read_study_on_disk

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT.parent / "shared" / "data" / "study"
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not STUDY.is_dir(), reason="the real study in ../shared/data/study is not at hand"),
]


def _run(source: Path, out: Path, *command: str) -> Path:
    everything = {"BREAST_PCR_REPORT__PARAMETRIC_MAP": "true", "BREAST_PCR_REPORT__KEY_OBJECTS": "true"}
    call = [*command, "-i", str(source), "-o", str(out)]
    done = subprocess.run(call, cwd=ROOT, env=os.environ | everything, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (study,) = json.loads((out / "result.json").read_text())["studies"]
    return out / study["path"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _run(STUDY, tmp_path_factory.mktemp("real") / "out", sys.executable, "-m", "app")


@pytest.fixture(scope="module")
def result(results: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((results / "result.json").read_text())
    return facts


@pytest.fixture(scope="module")
def on_disk(results: Path) -> StudyOnDisk:
    return read_study_on_disk(STUDY.rglob("*.dcm"), results)


def test_five_phases_in_the_order_of_their_times(result: dict[str, Any]) -> None:
    assert [p["description"] for p in result["phases"]] == [
        "ax dyn pre",
        *(f"ax dyn {n} pass" for n in ("1st", "2nd", "3rd", "4th")),
    ]
    roles = {p["role"]: p["time_s"] for p in result["phases"] if p["role"] != "other"}
    assert list(roles) == ["pre", "early", "late"]
    assert result["pre_gap_s"] == pytest.approx(1371, abs=1)
    assert {r["description"] for r in result["selection"]["rejected"]} == {"ax t1 tse +c", "Segmentation"}


def test_the_tumour_is_found(result: dict[str, Any]) -> None:
    lesion = result["lesion"]
    assert np.linalg.norm(np.subtract(lesion["centroid_lps_mm"], (-93, -108, -41))) < 10
    assert 2 < lesion["volume_ml"] < 6
    assert (lesion["source"], lesion["laterality"]) == ("kinetic", "right")


def test_all_kinds_of_objects_are_there(on_disk: StudyOnDisk) -> None:
    assert {Path(made.filename).parent.name for made in on_disk.results} == {"SR", "SEG", "SC", "PM", "KO"}


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_with_the_objects(on_disk: StudyOnDisk, check: str) -> None:
    assert findings(on_disk, check) == []


def test_with_the_record_the_threshold_is_judged(tmp_path: Path, result: dict[str, Any]) -> None:
    folder = tmp_path / "in"
    shutil.copytree(STUDY, folder)
    record = {"study_instance_uid": result["study_instance_uid"], "age": 55, "hr": True, "her2": False}
    (folder / "clinical.json").write_text(json.dumps({"records": [record]}))
    judged = json.loads((_run(folder, tmp_path / "out", sys.executable, "-m", "app") / "result.json").read_text())
    assert judged["clinical"]["used"] == {"age": 55, "hr": 1, "her2": 0}
    assert judged["prediction"]["above_threshold"] is not None
    assert result["clinical"]["missing"] == ["hr", "her2"]
    assert result["prediction"]["above_threshold"] is None


def test_monai_deploy_exec_gives_the_same_numbers(result: dict[str, Any], tmp_path: Path) -> None:
    folder = _run(STUDY, tmp_path / "out", str(BIN / "monai-deploy"), "exec", "app")
    again = json.loads((folder / "result.json").read_text())
    assert {k: again[k] for k in ("prediction", "lesion", "phases")} == {
        k: result[k] for k in ("prediction", "lesion", "phases")
    }
