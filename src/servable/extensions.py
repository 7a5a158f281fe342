"""Finding what other packages add: sources and platforms, by entry point or by dotted path."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from servable.errors import InvalidArgument, NotFound

log = logging.getLogger(__name__)

PLATFORMS = "servable.platforms"
"""Group of entry points that make the loader of a version folder."""

SOURCES = "servable.sources"
"""Group of entry points that make a source."""


@functools.cache
def find(group: str, name: str) -> Callable[..., Any]:
    """Return what a package has registered under a name, or what `package.module:Name` is.

    Finding it imports, and so runs, that package.

    Raises:
        NotFound: nothing is registered under the name, or the module has no such member.
        InvalidArgument: two packages have registered it, it can not be imported, or it is
            nothing that can be called.
    """
    found = _imported(name) if ":" in name else _registered(group, name)
    if not callable(found):
        raise InvalidArgument(f"{name} can not be called: it is a {type(found).__name__}")
    made: Callable[..., Any] = found
    return made


def names(group: str) -> list[str]:
    """Return the names that packages have registered, in ascending order."""
    return sorted({point.name for point in entry_points(group=group)})


def _registered(group: str, name: str) -> Any:
    points = list(entry_points(group=group, name=name))
    if not points:
        known = ", ".join(names(group)) or "none"
        raise NotFound(
            f"nothing is called {name!r}",
            hint=f"Packages that are installed have registered: {known}. Or write "
            "package.module:Name.",
        )
    if len({point.value for point in points}) > 1:
        raise InvalidArgument(
            f"{name!r} is registered twice: {' and '.join(sorted(p.value for p in points))}",
            hint="Uninstall one of the packages, or write package.module:Name.",
        )
    return _loaded(name, points[0].load)


def _imported(name: str) -> Any:
    module, _, path = name.partition(":")
    found = _loaded(name, lambda: importlib.import_module(module))
    for part in path.split("."):
        if not hasattr(found, part):
            raise NotFound(f"{module} has no {path}", hint="Write package.module:Name.")
        found = getattr(found, part)
    return found


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        # Any code may run here, so anything may be raised.
        log.debug("%s could not be imported", name, exc_info=error)
        raise InvalidArgument(
            f"{name} could not be imported: {type(error).__name__}: {error}",
            hint="Is its package installed where Servable is?",
        ) from error
