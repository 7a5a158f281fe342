"""Models that note, for the request at hand, which version answered and how long it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

from servable.contracts import (
    ModelProvider,
    ModelRepository,
    Servable,
    ServableHandle,
    ServableId,
    VersionStatus,
    lane_of,
)
from servable.errors import Cancelled
from servable.metrics.batches import BatchNote
from servable.metrics.requests import CURRENT, Observation

if TYPE_CHECKING:
    from servable.tensors import Array, Signature


@contextmanager
def about_no_model() -> Iterator[None]:
    """While inside, models that are looked at are not noted: the request is about all of them."""
    seen, CURRENT.observation = CURRENT.observation, None
    try:
        yield
    finally:
        CURRENT.observation = seen


class MeteredModels:
    """A `contracts.ModelProvider` around another one. As thread-safe as that one is."""

    def __init__(self, models: ModelProvider) -> None:
        self._models = models
        # Some models can be replaced by a request. That is found out by looking for the
        # method, so it must be here only if it is there.
        if hasattr(models, "reload"):
            self.reload = models.reload
        if hasattr(models, "traffic"):
            self.traffic = models.traffic
        if isinstance(models, ModelRepository):
            self.load_model = models.load_model
            self.unload_model = models.unload_model

    def acquire(self, name: str, version: int | None = None) -> ServableHandle:
        """Return a handle on a version; raises as the inner provider does.

        Its servable refuses to run, with Cancelled, once the request is not wanted.
        """
        seen = CURRENT.observation
        if seen is None:
            return self._models.acquire(name, version)
        seen.model = name
        handle = self._models.acquire(name, version)
        seen.version = handle.id.version
        return _Metered(handle, seen)

    def labels(self, name: str) -> Mapping[str, int]:
        """Label -> version, at this moment."""
        return self._models.labels(name)

    def status(self, name: str, version: int | None = None) -> Sequence[VersionStatus]:
        """Every version ever managed under this name, highest first; [] if none."""
        seen = CURRENT.observation
        if seen is not None and not seen.model:
            seen.model = name
        return self._models.status(name, version)

    def names(self) -> Sequence[str]:
        """Every name ever managed, ascending."""
        return self._models.names()


class _Metered:
    """A handle and its servable at once: one object less to make for each request."""

    __slots__ = ("_handle", "_seen", "_servable", "id")

    def __init__(self, handle: ServableHandle, seen: Observation) -> None:
        self._handle = handle
        self._seen = seen
        self._servable = handle.servable
        self.id: ServableId = handle.id

    def __enter__(self) -> _Metered:
        self._handle.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.__exit__(kind, error, trace)

    @property
    def servable(self) -> Servable:
        return self

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self._servable.signatures

    def lane(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> object | None:
        return lane_of(self._servable, signature, inputs, fetches)

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        seen = self._seen
        if seen.wanted is not None and not seen.wanted():
            raise Cancelled("The client does not wait for an answer any more.")
        # A request may run several times, and not each time in a batch.
        seen.batch = None
        began = perf_counter()
        outputs = self._servable.run(signature, inputs, fetches)
        ended = seen.run_ended = perf_counter()
        note = _noted(seen)
        if note is not None and note.ahead:
            # It was computed before it was asked for.
            began -= note.ahead
        elif note is not None:
            seen.waited += note.waited
            seen.run_seconds -= note.waited
        seen.run_began = seen.run_began or began
        seen.run_seconds += ended - began
        return outputs


def _noted(seen: Observation) -> BatchNote | None:
    """The batch that whatever ran has noted meanwhile."""
    return seen.batch
