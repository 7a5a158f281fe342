"""What becomes of versions: loads, how long they took, and which versions are available."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from servable.contracts import ServableId
from servable.core.events import Event
from servable.core.states import VersionState
from servable.errors import Code
from servable.metrics import table
from servable.metrics.families import AnyFamily, histograms, numbers


class Versions:
    """Counts what an event bus tells: `bus.subscribe(versions.note)`. Thread-safe.

    Args:
        gone: called with a version's name and number when it has ended.
    """

    def __init__(self, gone: Callable[[str, int], None]) -> None:
        self._gone = gone
        self._lock = threading.Lock()
        self._loading: dict[ServableId, float] = {}
        self._available: dict[str, set[int]] = {}
        self._loads = numbers(table.LOADS)
        self._seconds = histograms(table.LOAD_SECONDS)
        self._shown = numbers(table.AVAILABLE)
        self._swaps = numbers(table.SWAPS)

    def families(self) -> Sequence[AnyFamily]:
        """Return the families, up to date."""
        return self._loads, self._seconds, self._shown, self._swaps

    def note(self, event: Event) -> None:
        """Take note of an event."""
        id = event.id
        with self._lock:
            match event.state:
                case VersionState.LOADING:
                    self._loading.setdefault(id, event.time)
                case VersionState.AVAILABLE:
                    self._count(event, "OK")
                    self._show(id, available=True)
                case VersionState.UNLOADING:
                    self._show(id, available=False)
                case VersionState.END:
                    if event.error is not None and event.error.code is not Code.CANCELLED:
                        self._count(event, event.error.code.name)
                    self._loading.pop(id, None)
                    self._show(id, available=False)
                case VersionState.START:
                    pass
        if event.state is VersionState.END:
            self._gone(id.name, id.version)

    def _count(self, event: Event, outcome: str) -> None:
        name = event.id.name
        self._loads.at(name, outcome).add()
        began = self._loading.pop(event.id, None)
        if outcome == "OK" and began is not None:
            # By the wall clock, which may have been set back.
            self._seconds.at(name).add(np.array([max(0.0, event.time - began)]))

    def _show(self, id: ServableId, *, available: bool) -> None:
        versions = self._available.setdefault(id.name, set())
        before = max(versions, default=None)
        if available:
            versions.add(id.version)
            self._shown.at(id.name, str(id.version)).set(1)
        else:
            versions.discard(id.version)
            self._shown.forget(id.name, str(id.version))
        after = max(versions, default=None)
        if before is not None and after is not None and before != after:
            self._swaps.at(id.name).add()
