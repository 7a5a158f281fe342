"""Libraries that only some models need, installed by extras of this package."""

from __future__ import annotations

import importlib.util

from servable.errors import FailedPrecondition


class MissingExtra(FailedPrecondition):
    """A library that was asked for is not installed.

    Args:
        library: its name, for people.
        extra: the extra of this package that installs it.
        reason: what the import said, if it was tried.
    """

    def __init__(self, library: str, extra: str, reason: object = "") -> None:
        super().__init__(
            f"{library} is not installed; it comes with the extra servable[{extra}]"
            + (f" ({reason})" if reason else ""),
            hint=install(extra),
        )


def install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'servable[{extra}]'"


def installed(module: str) -> bool:
    """Whether a top-level module can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # barred, or half imported
        return False
