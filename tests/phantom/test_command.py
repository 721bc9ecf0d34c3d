"""The command line: `python -m phantom`."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.__main__ import main
from phantom.layouts import LAYOUTS


def test_list_names_each_layout_first_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(LAYOUTS)


def test_a_study_is_written_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lesion = ["--lesion.side", "left", "--lesion.diameter-mm", "20", "--lesion.kinetics", "plateau"]
    assert main([str(tmp_path / "out"), "--layout", "times-only", "--seed", "3", *lesion]) == 0
    assert "plateau in the left breast" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"study", "truth.json"}
    assert (tmp_path / "out" / "study" / "clinical.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the folder"),
        (["OUT", "--layout", "toshiba"], "no layout 'toshiba'"),
        (["OUT", "--seed", "-1"], "seed (-1)"),
        (["OUT", "--no-lesion", "--lesion.side", "left"], "exclude each other"),
        (["OUT", "--lesion.centre-lps-mm", "0", "0", "0"], "does not lie in a breast"),
        (["OUT", "--lesion.diameter-mm", "200"], "between 4 and 80"),
        (["OUT", "--lesion.margin", "fuzzy"], "invalid choice"),
        (["OUT", "--seed", "one"], "one"),
    ],
)
def test_a_wrong_request_ends_in_2_with_a_sentence_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    try:
        status = main([str(out) if argument == "OUT" else argument for argument in arguments])
    except SystemExit as left:  # tyro's own way out
        status = left.code
    error = capsys.readouterr().err
    assert status == 2
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert not out.exists()


def test_a_folder_that_is_not_a_phantoms_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert main([str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
