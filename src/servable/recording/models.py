"""Models whose requests are logged."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType

from servable.contracts import (
    ModelProvider,
    ModelRepository,
    Servable,
    ServableHandle,
    ServableId,
    lane_of,
)
from servable.errors import Code, ServableError
from servable.metrics.requests import CURRENT
from servable.recording.messages import Run, messages
from servable.recording.prediction_log import Kind
from servable.recording.request_log import RequestLog, RequestLogs
from servable.tensors import Array, Signature

log = logging.getLogger(__name__)

_MESSAGES: Mapping[str, Kind] = {
    "predict": Kind.PREDICT,
    "classify": Kind.CLASSIFY,
    "regress": Kind.REGRESS,
    "multi_inference": Kind.MULTI_INFERENCE,
}
"""What is logged as it came and went, being a message over gRPC."""

_ARRAYS: Mapping[str, Kind] = {
    "predict": Kind.PREDICT,
    "model_infer": Kind.PREDICT,
    "classify": Kind.CLASSIFY,
    "regress": Kind.REGRESS,
}
"""What came in other forms: the message that would have had the same meaning is made."""


class LoggedModels:
    """A `contracts.ModelProvider` around another one. As thread-safe as that one is.

    It finds out through `CURRENT` which request it is asked for.
    """

    def __init__(self, models: ModelProvider, logs: RequestLogs) -> None:
        self._models = models
        self._logs = logs
        self.labels = models.labels
        self.status = models.status
        self.names = models.names
        # They are found by looking for the methods, so they must be here only if they are there.
        if hasattr(models, "reload"):
            self.reload = models.reload
        if hasattr(models, "traffic"):
            self.traffic = models.traffic
        if isinstance(models, ModelRepository):
            self.load_model = models.load_model
            self.unload_model = models.unload_model

    def acquire(self, name: str, version: int | None = None) -> ServableHandle:
        """Return a handle on a version; raises as the inner provider does."""
        handle = self._models.acquire(name, version)
        request_log = self._logs.of(name)
        seen = CURRENT.observation
        if request_log is None or seen is None:
            return handle
        if seen.transport == "grpc" and seen.api in _MESSAGES:
            if request_log.chosen():
                seen.answered = partial(request_log.keep, name, _MESSAGES[seen.api])
        elif seen.api in _ARRAYS and request_log.chosen():
            return _Handle(handle, request_log, _ARRAYS[seen.api])
        return handle


class _Handle:
    """A handle that logs what was run when it is given back, unless something failed."""

    __slots__ = ("_handle", "_kind", "_log", "id", "servable")

    def __init__(self, handle: ServableHandle, request_log: RequestLog, kind: Kind) -> None:
        self._handle = handle
        self._log = request_log
        self._kind = kind
        self.id: ServableId = handle.id
        self.servable = _Seen(handle.servable)

    def __enter__(self) -> _Handle:
        self._handle.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for run in self.servable.runs:
                    self._keep(run)
        finally:
            self._handle.__exit__(kind, error, trace)

    def _keep(self, run: Run) -> None:
        name = self.id.name
        try:
            request, response = messages(self._kind, self.id, run)
        except ServableError as error:
            self._log.drop(name, error.code)
        except Exception:
            # Only a fault of ours comes here. The request was answered well.
            log.exception("a request could not be logged")
            self._log.drop(name, Code.INTERNAL)
        else:
            self._log.keep(name, self._kind, request, response)


class _Seen:
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
        outputs = self._servable.run(signature, inputs, fetches)
        self.runs.append(Run(signature, self.signatures[signature], inputs, outputs))
        return outputs
