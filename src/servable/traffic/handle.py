"""A handle whose requests are copied, once they were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter
from types import TracebackType

from servable.contracts import Servable, ServableHandle, ServableId, lane_of
from servable.metrics.requests import CURRENT
from servable.tensors import Array, Signature
from servable.traffic.copies import Run
from servable.traffic.shadow import Shadow


class CopiedHandle:
    """A `contracts.ServableHandle` around another one: what it ran goes to a shadow.

    That happens when the request was answered, and not if anything failed.
    """

    __slots__ = ("_handle", "_shadow", "id", "servable")

    def __init__(self, handle: ServableHandle, shadow: Shadow) -> None:
        self._handle = handle
        self._shadow = shadow
        self.id: ServableId = handle.id
        self.servable = _Remembering(handle.servable)

    def __enter__(self) -> CopiedHandle:
        self._handle.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.__exit__(kind, error, trace)
        runs = self.servable.runs
        if kind is not None or not runs:
            return
        offer = partial(self._shadow.offer, self.id.version, runs)
        seen = CURRENT.observation
        if seen is not None:
            seen.done = offer
        else:
            offer()


class _Remembering:
    """A servable that remembers what it computed for the request at hand."""

    __slots__ = ("_servable", "runs")

    def __init__(self, servable: Servable) -> None:
        self._servable = servable
        self.runs: list[Run] = []

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
        began = perf_counter()
        outputs = self._servable.run(signature, inputs, fetches)
        seconds = perf_counter() - began + _ahead()
        self.runs.append(Run(signature, inputs, outputs, seconds))
        return outputs


def _ahead() -> float:
    """Seconds that this request's run took before it was asked for."""
    seen = CURRENT.observation
    return seen.batch.ahead if seen is not None and seen.batch is not None else 0.0
