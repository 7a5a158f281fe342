"""Where requests that name no version are sent, and what came of copies of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from servable.metrics import table
from servable.metrics.families import AnyFamily, Family, Number, histograms, numbers

_PENDING = 512  # requests that wait to be added up


class TrafficMetrics:
    """Counts for one server. All methods are thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._routed = numbers(table.TRAFFIC_REQUESTS)
        self._copies = numbers(table.SHADOW_REQUESTS)
        self._rows = numbers(table.SHADOW_ROWS)
        self._seconds = histograms(table.SHADOW_SECONDS)
        self._difference = histograms(table.SHADOW_DIFFERENCE)
        self._compared: Sequence[AnyFamily] = (
            self._copies,
            self._rows,
            self._seconds,
            self._difference,
        )

    def note_routed(self, model: str, version: int) -> None:
        """Count a request that was sent to a version. Takes no lock but once in hundreds."""
        tally = self._tallies.get((model, version)) or self._begin(model, version)
        tally.add()

    def routed(self, model: str) -> Mapping[int, int]:
        """Return version -> requests that were sent to it, ascending."""
        self._settle()
        return dict(
            sorted(
                (int(version), int(member.value))
                for (name, version), member in self._routed.members()
                if name == model
            )
        )

    def note_copy(self, model: str, shadow: int, version: int, outcome: str) -> None:
        """Count a copy by what became of it.

        Args:
            model: its name.
            shadow: the version that was to run it.
            version: the one that had answered.
            outcome: compared, failed, dropped or unavailable.
        """
        self._copies.at(model, str(shadow), str(version), outcome).add()

    def note_compared(
        self,
        model: str,
        shadow: int,
        version: int,
        *,
        rows: int,
        differ: int,
        largest: float,
        seconds: tuple[float, float],
    ) -> None:
        """Count what comparing two answers gave.

        Args:
            model, shadow, version: see `note_copy`.
            rows: rows of all outputs.
            differ: those of them that differ.
            largest: the largest difference, finite.
            seconds: how long the version that answered took, and how long the shadow.
        """
        labels = (model, str(shadow), str(version))
        self._rows.at(*labels, "agree").add(rows - differ)
        self._rows.at(*labels, "differ").add(differ)
        self._difference.at(*labels).add(np.array([largest]))
        for role, took in zip(("answer", "shadow"), seconds, strict=True):
            self._seconds.at(*labels, role).add(np.array([took]))

    def forget(self, model: str, version: int) -> None:
        """Drop what is counted about a version that is gone, and its comparisons."""
        with self._lock:
            self._tallies.pop((model, version), None)
        gone = str(version)
        self._routed.forget(model, gone)
        for family in self._compared:
            for labels, _ in family.members():
                if labels[0] == model and gone in labels[1:3]:
                    family.forget(*labels)

    def families(self) -> Sequence[AnyFamily]:
        """Return the families, up to date."""
        self._settle()
        return self._routed, *self._compared

    def _begin(self, model: str, version: int) -> _Tally:
        with self._lock:
            return self._tallies.setdefault(
                (model, version), _Tally(self._routed, model, str(version))
            )

    def _settle(self) -> None:
        with self._lock:
            tallies = list(self._tallies.values())
        for tally in tallies:
            tally.settle()


class _Tally:
    """Counts without a lock; hands on what it has counted hundreds at a time."""

    def __init__(self, family: Family[Number], *labels: str) -> None:
        self._family = family
        self._labels = labels
        self._settling = threading.Lock()
        # A deque because its append and popleft are documented to be thread-safe.
        self._pending: deque[None] = deque()

    def add(self) -> None:
        self._pending.append(None)
        if len(self._pending) >= _PENDING:
            self.settle()

    def settle(self) -> None:
        with self._settling:
            count = len(self._pending)
            for _ in range(count):
                self._pending.popleft()
        if count:
            self._family.at(*self._labels).add(count)
