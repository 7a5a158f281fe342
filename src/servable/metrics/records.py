"""What becomes of recorded requests: those that are replayed, and those that are logged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servable.errors import Code
from servable.metrics import table
from servable.metrics.families import AnyFamily, histograms, numbers

MAX_SERIES = 1000
"""Version folders that have names of their own on the page; further ones are under OTHER."""

OTHER = "(other)"


class Records:
    """Counts them. Thread-safe."""

    def __init__(self) -> None:
        self._latency = histograms(table.WARMUP_LATENCY)
        self._read = numbers(table.WARMUP_RECORDS)
        self._logged = numbers(table.REQUEST_LOG_COUNT)
        self._paths: set[tuple[str, str]] = set()

    def note_warmup(self, path: str, status: str, records: int, seconds: float) -> None:
        """Count one replay of a version's records.

        Args:
            path: the version folder.
            status: how it ended: OK, or a code and a text.
            records: how many were read.
            seconds: how long it took.
        """
        # Versions come and go for as long as a server runs, and these names stay.
        if len(self._paths) >= MAX_SERIES and (path, status) not in self._paths:
            path, status = OTHER, status.partition(":")[0]
        self._paths.add((path, status))
        self._latency.at(path, status).add(np.array([seconds * 1e6]))
        self._read.at(path, status).add(records)

    def note_logged(self, model: str, code: Code) -> None:
        """Count a request that was to be logged, by what became of it."""
        self._logged.at(model, code.name).add()

    @property
    def warmup(self) -> Sequence[AnyFamily]:
        """The families of replays."""
        return self._latency, self._read

    @property
    def logged(self) -> AnyFamily:
        """The family of logged requests."""
        return self._logged
