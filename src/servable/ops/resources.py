"""State that outlives a run: variables. One store for each loaded servable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from servable.errors import FailedPrecondition
from servable.tensors import Array

R = TypeVar("R")


class Variable:
    """A value that ops may replace. Reads take no lock; changes are one at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.value: Array | None = None

    def read(self) -> Array:
        """The current value; treat it as read-only.

        Raises:
            FailedPrecondition: nothing was ever assigned.
        """
        value = self.value
        if value is None:
            raise FailedPrecondition(
                f"Error while reading resource variable {self.name}"
                " from Container: localhost. This could mean that the"
                " variable was uninitialized."
            )
        return value

    def assign(self, value: Array) -> None:
        """Replace the value. The array is kept; nobody may write to it afterwards."""
        with self.lock:
            self.value = value

    def update(self, change: Callable[[Array], Array]) -> Array:
        """Replace the value by a function of it, and return the new one."""
        with self.lock:
            self.value = change(self.read())
            return self.value


class Resources:
    """Resources by kind and name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[type[Any], str], Any] = {}

    def get(self, kind: type[R], name: str, make: Callable[[], R]) -> R:
        """The resource of this name, made now if there is none yet."""
        with self._lock:
            found = self._found.get((kind, name))
            if found is None:
                found = self._found[(kind, name)] = make()
        resource: R = found
        return resource

    def variable(self, name: str) -> Variable:
        """The variable of this name."""
        return self.get(Variable, name, lambda: Variable(name))
