"""Fixtures of the core's tests: phantoms localised, and a tiny model on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lesion_phantoms import PHANTOMS, Found, localised
from tiny_model import write_model


@pytest.fixture(scope="session", params=list(PHANTOMS))
def found(request: pytest.FixtureRequest) -> Found:
    """Each phantom with its lesion found."""
    return localised(PHANTOMS[request.param])


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny model that keeps the contract, but for what is given to `write_model`."""

    def written(**differently: Any) -> Path:
        return write_model(tmp_path / "model", **differently)

    return written
