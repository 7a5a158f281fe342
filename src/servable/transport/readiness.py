"""Whether a server is fit to be sent requests: what probes and health services ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from servable.contracts import ModelProvider

AVAILABLE = "AVAILABLE"


@dataclass(frozen=True, slots=True)
class Report:
    """How ready a server was when it was asked.

    Attributes:
        ready: every model that was asked about has a version that is available, or one of
            them where that is enough, and the server does not stop.
        draining: it stops.
        models: each of these -> its versions that are available, highest first.
    """

    ready: bool
    draining: bool
    models: Mapping[str, Sequence[int]]


class Readiness:
    """Tells whether every model that is expected can be asked.

    All methods may be called from any thread.

    Args:
        models: what is served.
        expected: returns the names that must be available, or None as long as that is
            not known: then nothing is ready. By default every name ever managed: a model
            that was taken out of the configuration, or whose first version was not found
            yet, needs a better one.
    """

    def __init__(
        self, models: ModelProvider, expected: Callable[[], Collection[str] | None] | None = None
    ) -> None:
        self._models = models
        self._expected = expected or models.names
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether `drain` was called."""
        return self._draining

    def drain(self) -> None:
        """Say from now on that the server is not ready. The first step of a stop."""
        self._draining = True

    def available(self, name: str) -> Sequence[int]:
        """Return the versions of a model that can be asked, highest first."""
        return [s.id.version for s in self._models.status(name) if s.state == AVAILABLE]

    def knows(self, name: str) -> bool:
        """Whether a model of that name is expected, or was ever managed."""
        return name in (self._expected() or ()) or bool(self._models.status(name))

    def report(self, names: Collection[str] | None = None, any_is_enough: bool = False) -> Report:
        """Look at models.

        Args:
            names: whom to look at; None for every model that is expected. One that is not
                known is not available.
            any_is_enough: whether one of them has to be available, instead of all.
        """
        expected = self._expected()
        models = {
            name: self.available(name)
            for name in sorted(set(expected or ()) if names is None else set(names))
        }
        enough = any(models.values()) if any_is_enough else all(models.values())
        return Report(
            expected is not None and not self._draining and enough, self._draining, models
        )
