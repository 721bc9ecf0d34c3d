"""A part of the fuzz run that every test run does."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.campaign import run
from tests.fuzz.elements import parse, written
from tests.fuzz.harness import read
from tests.fuzz.inputs import Seeds


def test_the_studies_that_are_mutated_are_valid_and_read_or_refused_by_themselves(seeds: Path) -> None:
    outcomes = {study.name: read(study / "study") for study in seeds.iterdir()}
    assert sum(outcome == "volume" for outcome in outcomes.values()) > len(outcomes) / 2


def test_a_tree_that_is_left_alone_is_the_file_again(seeds: Path) -> None:
    for study in seeds.iterdir():
        content = next((study / "study").iterdir()).read_bytes()
        again = written(parse(content))
        assert parse(again) == parse(content)


def test_mutants_are_the_same_every_time(seeds: Path) -> None:
    assert [Seeds(seeds).mutant(1, n) for n in range(20)] == [Seeds(seeds).mutant(1, n) for n in range(20)]


def test_mutated_files_are_read_or_refused_with_a_reason(seeds: Path) -> None:
    tally = run(seeds, seed=2, inputs=300, workers=2)
    assert tally.findings == []
    assert sum(tally.outcomes.values()) == 300 and tally.outcomes["volume"] > 50
