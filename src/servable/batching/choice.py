"""How a server computes requests to the same version together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from servable.batching.natural import NaturallyBatched
from servable.batching.queues import BatchThreads
from servable.batching.scheduled import ScheduledServable
from servable.config.batching import BatchingParameters, check_threads, checked, of_version
from servable.contracts import Servable, ServableId

Batching: TypeAlias = Callable[[ServableId, Path, Servable], Servable]
"""Makes a servable of a version, in this folder, that computes requests together. It may
refuse with a ServableError, and the version is not loaded then."""


def natural(id: ServableId, _: Path, servable: Servable) -> Servable:
    """What has queued while the engine was busy goes next, together; a `Batching`."""
    return NaturallyBatched(servable, f"{id.name} {id.version}")


class Scheduled:
    """Batches that wait for more requests, as the peer's flags ask for; a `Batching`.

    Args:
        parameters: of all models, and the number of threads.
        per_model: only versions with a file of parameters are batched, by these.

    Raises:
        InvalidArgument: there are no threads.
    """

    def __init__(self, parameters: BatchingParameters, *, per_model: bool = False) -> None:
        check_threads(parameters)
        self._parameters = parameters
        self._per_model = per_model
        self._threads = BatchThreads(parameters.threads)

    def __call__(self, _: ServableId, path: Path, servable: Servable) -> Servable:
        """Return the servable that batches; raises ServableError for bad parameters."""
        parameters = of_version(path) if self._per_model else self._parameters
        if parameters is None:
            return servable
        return ScheduledServable(servable, checked(parameters), self._threads)
