"""What the integration tests share: one patient in every layout, and different patients, each processed once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.layouts import PATIENT, PATIENTS, different_patients
from phantom import simulate
from phantom.layouts import DEFAULT, LAYOUTS
from tests.checks.examined import EVERYTHING, Examined, examine

_EVERY_LAYOUT = {"layouts", "patients", "on_subtraction"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the work: what takes up all layouts goes to one of them, so that they are made once."""
    for item in items:
        shared = not _EVERY_LAYOUT.isdisjoint(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("layouts" if shared else item.path.stem))


@pytest.fixture(scope="session")
def layouts() -> Mapping[str, Examined]:
    """One patient in each layout."""
    phantom = simulate(PATIENT)
    return {name: examine(phantom, name) for name in LAYOUTS}


@pytest.fixture(scope="session")
def on_subtraction() -> Examined:
    """The patient with overlays on the subtraction."""
    settings = EVERYTHING.model_copy(
        update={"report": EVERYTHING.report.model_copy(update={"background": "subtraction"})}
    )
    return examine(simulate(PATIENT), DEFAULT, settings)


@pytest.fixture(scope="session")
def patients() -> Mapping[str, Examined]:
    """Different patients in one layout."""
    return {f"seed {spec.seed}": examine(simulate(spec), DEFAULT) for spec in different_patients(PATIENTS)}
