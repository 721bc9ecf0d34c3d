"""A phantom on disk: the DICOM study, its clinical record, and the truth beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from pydicom.dataset import Dataset

from phantom.dicom import Identity, StudyContext
from phantom.errors import require
from phantom.layouts import DEFAULT, find_layout
from phantom.randomness import stream
from phantom.spec import PhantomSpec
from phantom.voxels import Phantom, simulate


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStudy:
    """What was written where.

    Attributes:
        folder: The DICOM files and the clinical record: what the app gets to see.
        truth: The file with the truth, outside that folder.
        study_instance_uid: Of the study.
        files: The DICOM files, in no order that means anything.
        phantom: What the dynamic series shows: its grid and times may be the layout's own.
    """

    folder: Path
    truth: Path
    study_instance_uid: str
    files: tuple[Path, ...]
    phantom: Phantom


def write_study(
    phantom: Phantom,
    layout: str = DEFAULT,
    out: Path | str = Path(),
    *,
    identity: Identity | None = None,
    distractors: bool = True,
    clinical: bool = True,
) -> WrittenStudy:
    """Write `out/study/*.dcm`, `out/study/clinical.json` and `out/truth.json`.

    Args:
        phantom: The patient and the voxels; layouts with a grid or times of their own take her again.
        layout: Name of the layout.
        out: A folder that is empty, not there yet, or holds a phantom, which is replaced.
        identity: Whose study it is, where it shall not follow from the seed.
        distractors: Whether series other than the dynamic ones are written.
        clinical: Whether the clinical record is written.

    Raises:
        PhantomError: There is no such layout, or `out` holds something that is not a phantom's.
    """
    chosen = find_layout(layout)
    out = Path(out)
    check_free(out)
    views = tuple(_view(phantom, spec) for spec in chosen.views(phantom.spec, phantom.side))
    phantom = views[0]
    study = StudyContext.create(views, layout, chosen.equipment, identity or Identity())
    folder = out / "study"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    images = chosen.dynamic(study)
    if distractors:
        images = chain(images, chosen.others(study))
    encoded = (copy for image in images for copy in chosen.encoded(image))
    files = tuple(_save(encoded, folder, phantom.spec.seed))
    if clinical:
        record = {"study_instance_uid": study.study_instance_uid} | asdict(study.record)
        _write_json(folder / "clinical.json", {"records": [record]})
    truth = {
        "lesion": asdict(phantom.lesion) if phantom.lesion else None,
        "phases": [asdict(phase) for phase in phantom.phases],
        "layout": layout,
        "seed": phantom.spec.seed,
    }
    _write_json(out / "truth.json", truth)
    return WrittenStudy(
        folder=folder,
        truth=out / "truth.json",
        study_instance_uid=study.study_instance_uid,
        files=files,
        phantom=phantom,
    )


def _view(phantom: Phantom, spec: PhantomSpec) -> Phantom:
    """The same patient as this spec would have her."""
    return phantom if spec == phantom.spec else simulate(spec)


def check_free(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier phantom.

    Raises:
        PhantomError: `out` is a file, or holds what this package did not write.
    """
    require(not out.exists() or out.is_dir(), f"{out} is not a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    strangers = {path.name for path in out.iterdir()} - {"study", "truth.json"}
    strangers |= {
        path.name for path in (out / "study").glob("*") if path.suffix != ".dcm" and path.name != "clinical.json"
    }
    require(
        (out / "truth.json").is_file() and not strangers,
        f"{out} is not empty and holds more than an earlier phantom: choose another folder, or empty this one",
    )


def _save(images: Iterator[Dataset], folder: Path, seed: int) -> Iterator[Path]:
    """Write each image under a name that says nothing about its place in the study."""
    names = stream(seed, "file names")
    for image in images:
        path = folder / f"{names.integers(2**48):012x}.dcm"
        image.save_as(path, enforce_file_format=True, overwrite=False)
        yield path


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
