"""What a model folder says of itself is complete and makes sense, or the folder is refused and told why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pcr.manifest import Range, read_metadata
from pcr.reasons import BadModel

Write = Callable[..., Path]


def complaint(folder: Path) -> str:
    with pytest.raises(BadModel) as caught:
        read_metadata(folder)
    return caught.value.message


def test_a_manifest_is_read_with_its_name_and_version(model_folder: Write) -> None:
    read = read_metadata(model_folder())
    assert (read.name, read.version) == ("tiny", "0.0.1")
    assert (read.manifest.crop.early_target_s, read.manifest.crop.late_target_s) == (120, 440)
    assert [variable.name for variable in read.manifest.clinical] == ["age", "hr", "her2"]
    assert [variable.name for variable in read.manifest.lesion] == ["box_diameter"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"contract_version": 1}, "contract_version"),
        ({"crop.grid": 4}, "crop.grid"),
        ({"crop.slices": 0}, "crop.slices"),
        ({"crop.window_mm": None}, "crop.window_mm"),
        ({"crop.phases": [{"role": "pre"}]}, "pre, early, late in this order"),
        (
            {"crop.phases": [{"role": r, "target_after_injection_s": 100} for r in ("pre", "early", "late")]},
            "early before late",
        ),
        ({"crop.phases": [{"role": role} for role in ("pre", "early", "late")]}, "need target times"),
        ({"onnx.sha256": "abc"}, "onnx.sha256"),
        ({"domain.age_years": {"low": 90, "high": 18}}, "low (90.0) must be <= high (18.0)"),
        ({"threshold.value": 1.5}, "threshold.value"),
        ({"threshold.requires": ["menopausal_status"]}, "does not read: ['menopausal_status']"),
        ({"clinical": [{"name": "shoe size"}]}, "clinical.0.name"),
        ({"lesion": [{"name": "shoe size"}]}, "lesion.0.name"),
        ({"lesion": [{"name": "box_diameter", "longest_side_mm": 80, "scale": 0}]}, "lesion.0.scale"),
        ({"lesion": None}, "lesion"),
        ({"normalisation.high_percentile": 101}, "normalisation.high_percentile"),
        ({"surprise": 1}, "surprise"),
        ({"figures": None}, "figures"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_manifest_that_makes_no_sense_is_refused_with_the_entry_that_is_wrong(
    model_folder: Write, changes: dict[str, object], named: str
) -> None:
    assert named in complaint(model_folder(changes=changes))


def test_a_folder_without_metadata_says_where_to_point(tmp_path: Path) -> None:
    assert "point -m at" in complaint(tmp_path)


@pytest.mark.parametrize("content", ["{", "\ufeff[]", '"text"', "[]", '{"name": "another bundle"}'])
def test_metadata_that_is_not_ours_is_refused(model_folder: Write, content: str) -> None:
    folder = model_folder()
    (folder / "configs/metadata.json").write_text(content)
    assert "configs/metadata.json" in complaint(folder)


@pytest.mark.parametrize("field", ["name", "version"])
def test_a_model_without_name_or_version_is_refused(model_folder: Write, field: str) -> None:
    path = model_folder() / "configs/metadata.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != field}))
    assert field in complaint(path.parent.parent)


def test_the_borders_of_a_range_belong_to_it() -> None:
    allowed = Range(low=1, high=2)
    assert [allowed.holds(value) for value in (0.999, 1, 1.5, 2, 2.001, float("nan"))] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_manifest_can_not_be_changed_once_read(model_folder: Write) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read_metadata(model_folder()).manifest.threshold.value = 0.9
