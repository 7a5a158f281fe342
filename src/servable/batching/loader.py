"""A loader whose servable computes requests together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from servable.contracts import Loader, Servable
from servable.errors import FailedPrecondition


@runtime_checkable
class Closing(Protocol):
    """Something that holds more than memory."""

    def close(self) -> None:
        """Give it back."""


class BatchingLoader:
    """A `contracts.Loader` around another one.

    Args:
        loader: loads the version.
        batched: makes the servable that batches of the one that was loaded; it may refuse.
    """

    def __init__(self, loader: Loader, batched: Callable[[Servable], Servable]) -> None:
        self._loader = loader
        self._batched = batched
        self._servable: Servable | None = None

    def estimate_resources(self) -> int:
        """What the inner loader estimates."""
        return self._loader.estimate_resources()

    def load(self) -> None:
        """Load; raises what the inner loader raises, or that it can not be batched as asked."""
        self._loader.load()
        try:
            self._servable = self._batched(self._loader.servable())
        except BaseException:
            self._loader.unload()
            raise

    def unload(self) -> None:
        """Have the inner loader unload."""
        servable: object = self._servable
        self._servable = None
        if isinstance(servable, Closing):
            servable.close()
        self._loader.unload()

    def servable(self) -> Servable:
        """The servable that batches.

        Raises:
            FailedPrecondition: `load` has not succeeded.
        """
        if self._servable is None:
            raise FailedPrecondition("the version is not loaded")
        return self._servable
