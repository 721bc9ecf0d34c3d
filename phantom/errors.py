"""The one error that this package raises for a request that it cannot honour."""

from __future__ import annotations


class PhantomError(ValueError):
    """A phantom that cannot be made as asked; the message repeats the value and says what would do."""


def require(condition: bool, message: str) -> None:
    """Raise `PhantomError(message)` unless `condition` holds."""
    if not condition:
        raise PhantomError(message)
