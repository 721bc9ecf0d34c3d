"""The valid studies that are mutated, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.inputs import write_seeds


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each layout."""
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(folder)
    return folder
