"""The layouts by name. A new one is a function from a study to its images, and one line in its vendor's module."""

from __future__ import annotations

from types import MappingProxyType

from phantom.errors import PhantomError
from phantom.layouts import enhanced, ge, generic, ispy1, no_breast, odd_geometry, philips, siemens, syntaxes
from phantom.layouts.base import Layout

DEFAULT = "duke-siemens-series-per-phase"
LAYOUTS = MappingProxyType(
    {
        layout.name: layout
        for module in (siemens, ge, philips, ispy1, generic, enhanced, syntaxes, odd_geometry, no_breast)
        for layout in module.LAYOUTS
    }
)


def find_layout(name: str) -> Layout:
    """The layout of this name.

    Raises:
        PhantomError: There is none; the message lists those there are.
    """
    if name not in LAYOUTS:
        raise PhantomError(f"there is no layout {name!r}; choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
