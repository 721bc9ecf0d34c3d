"""What operators need to be made and called by hand."""

from __future__ import annotations

import pytest
from monai.deploy.core import Application

import app  # noqa: F401  makes ready what Holoscan needs


class _Nothing(Application):
    def compose(self) -> None:
        """No flow: the operators are called by hand."""


@pytest.fixture
def fragment() -> Application:
    """A graph without flows, which operators can belong to."""
    return _Nothing(["python", "test"])
