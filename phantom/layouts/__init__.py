"""The layouts by name. A new one is a function from a study to its images, and one line in its vendor's module."""

from __future__ import annotations

from types import MappingProxyType

from phantom.errors import PhantomError
from phantom.layouts import ge, generic, siemens
from phantom.layouts.base import Layout

DEFAULT = "duke-siemens-series-per-phase"
LAYOUTS = MappingProxyType({layout.name: layout for layout in (*siemens.LAYOUTS, *ge.LAYOUTS, *generic.LAYOUTS)})


def find_layout(name: str) -> Layout:
    """The layout of this name.

    Raises:
        PhantomError: There is none; the message lists those there are.
    """
    if name not in LAYOUTS:
        raise PhantomError(f"there is no layout {name!r}; choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
