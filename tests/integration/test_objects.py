"""The DICOM of every layout and of different patients: independent tools and our own checks find nothing wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from tests.checks.examined import Examined
from tests.checks.run import CHECKS

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_in_any_layout(layouts: Mapping[str, Examined], check: str) -> None:
    assert {name: examined.findings[check] for name, examined in layouts.items() if check in examined.findings} == {}


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_for_any_patient(patients: Mapping[str, Examined], check: str) -> None:
    assert {name: examined.findings[check] for name, examined in patients.items() if check in examined.findings} == {}


def test_nothing_is_wrong_with_overlays_on_the_subtraction(on_subtraction: Examined) -> None:
    assert on_subtraction.found.outcome == "read"
    # They show another picture than the early phase, and nothing else is to be found.
    assert on_subtraction.findings.keys() == {"each_overlay_shows_its_image"}


def test_every_study_has_its_objects(layouts: Mapping[str, Examined], patients: Mapping[str, Examined]) -> None:
    """Report, segmentation, map, key objects, a summary and some overlays; or a page that says why there are none."""
    for name, examined in {**layouts, **patients}.items():
        if examined.found.outcome == "read":
            assert examined.objects >= 8, name
        elif examined.found.outcome != "no_study":
            assert examined.objects == 1, name


def test_two_studies_have_no_uid_in_common(layouts: Mapping[str, Examined], patients: Mapping[str, Examined]) -> None:
    counted = Counter(uid for examined in (*layouts.values(), *patients.values()) for uid in examined.uids)
    assert counted and max(counted.values()) == 1
