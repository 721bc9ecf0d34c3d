"""A run that is killed leaves no half result, at whatever step of publishing it dies, and the next run clears up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from pcr.reasons import BadConfiguration
from pcr.report import publish
from pcr.report.publish import object_paths, output_folder, publish_run, publish_study
from pcr.report.result import ModelFacts, RunResult, StudyEntry, StudyResult

UID = "1.2.3"
OBJECTS = {"SR": 1, "SEG": 1, "SC": 2}
_EXIT = 86


def _object(number: int) -> Dataset:
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    made.SOPInstanceUID = f"1.2.3.{number}"
    return made


def _publish(out: Path, version: int) -> None:
    """One whole run of one study, as the application publishes it."""
    objects = {
        kind: [_object(1000 * version + 10 * place + n) for n in range(count)]
        for place, (kind, count) in enumerate(OBJECTS.items())
    }
    result = StudyResult(
        notice="",
        status="completed",
        study_instance_uid=UID,
        model=ModelFacts(name="pcr", version=str(version), sha256="0", provider="CPU"),
        outputs=object_paths(objects),
    )
    with output_folder(out):
        publish_study(out, result, objects)
        entry = StudyEntry(study_instance_uid=UID, status="completed", reason=None, path=UID)
        publish_run(out, RunResult(studies=(entry,)))


def _killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a child that dies, without any clean-up, at its n-th change of the file system."""
    child = os.fork()
    if child == 0:
        left = step

        def deadly(function: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(_EXIT)
                return function(*args, **kwargs)

            return call

        for name in ("mkdir", "rename", "unlink", "write_text"):
            setattr(Path, name, deadly(getattr(Path, name)))
        Dataset.save_as = deadly(Dataset.save_as)  # type: ignore[method-assign]
        publish.shutil.rmtree = deadly(publish.shutil.rmtree)  # type: ignore[assignment]
        publish.sync = deadly(publish.sync)  # type: ignore[assignment]
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _EXIT


def _visible(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if not path.name.startswith(".partial-")}


def _assert_complete(folder: Path) -> str:
    """The folder of a study holds exactly what its result says; gives back the version that made it."""
    result = StudyResult.model_validate_json((folder / "result.json").read_text())
    assert {str(p.relative_to(folder)) for p in folder.rglob("*.dcm")} == set(result.outputs)
    assert len(result.outputs) == sum(OBJECTS.values())
    return result.model.version


@pytest.mark.parametrize("earlier", [False, True], ids=["into an empty folder", "over an earlier result"])
def test_a_run_killed_at_any_step_leaves_no_half_study(earlier: bool, tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        out = tmp_path / str(step)
        out.mkdir()
        if earlier:
            _publish(out, version=1)
        killed = _killed_at(step, lambda out=out: _publish(out, version=2))  # type: ignore[misc]
        if UID in _visible(out):
            _assert_complete(out / UID)
        if "result.json" in _visible(out) and killed:
            # The index may be that of a run which ended before, never one that names what is not there.
            assert (out / UID).is_dir()
        _publish(out, version=3)
        assert _assert_complete(out / UID) == "3"
        assert {path.name for path in out.iterdir()} == {UID, "result.json"}
        step += 1
    assert step > 20


def test_a_result_that_was_being_replaced_comes_back(tmp_path: Path) -> None:
    _publish(tmp_path, version=1)
    (tmp_path / UID).rename(tmp_path / f".partial-old-{UID}")
    with output_folder(tmp_path):
        assert _assert_complete(tmp_path / UID) == "1"


def test_a_file_that_was_cut_short_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Dataset.save_as

    def cut(self: Dataset, path: Path, **kwargs: object) -> None:
        whole(self, path, **kwargs)  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes()[:-12])

    monkeypatch.setattr(Dataset, "save_as", cut)
    with pytest.raises(OSError, match="not written completely"):
        _publish(tmp_path, version=1)
    assert _visible(tmp_path) == set()


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with output_folder(tmp_path), pytest.raises(BadConfiguration, match="another run"), output_folder(tmp_path):
        pass


def test_an_output_that_is_a_file_is_bad_configuration(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(BadConfiguration), output_folder(tmp_path / "out"):
        pass
