"""A phantom that the whole program has been through, and what the checks find in all that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.settings import Report, Settings
from benchmarks.layouts import Found, processed
from phantom import Phantom
from tests.checks.belonging import uids_made_for
from tests.checks.run import CHECKS, findings
from tests.checks.study import read_study_on_disk

EVERYTHING = Settings(report=Report(parametric_map=True, key_objects=True, not_evaluable_page=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What came of a study, with all objects asked for.

    Attributes:
        found: what the program made of it.
        objects: how many it wrote.
        uids: what it named: instances, series, things.
        findings: sentences by check; those that found nothing are left out.
    """

    found: Found
    objects: int = 0
    uids: frozenset[str] = frozenset()
    findings: Mapping[str, list[str]]


def examine(phantom: Phantom, layout: str, settings: Settings = EVERYTHING) -> Examined:
    """Process a phantom in a layout and check all that comes out; the files are gone afterwards."""
    with processed(phantom, layout, settings) as done:
        if done.results is None:
            return Examined(found=done.found, findings={})
        study = read_study_on_disk(done.study.rglob("*"), done.results)
        found = {name: findings(study, name) for name in CHECKS}
        return Examined(
            found=done.found,
            objects=len(study.results),
            uids=frozenset(uids_made_for(study)),
            findings={name: sentences for name, sentences in found.items() if sentences},
        )
