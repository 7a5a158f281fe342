"""How the loading of models turned out, and when to stop waiting for one that can not succeed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from servable.contracts import VersionStatus
from servable.core.manager import Manager
from servable.errors import Underway

LEAST_PATIENCE_SECONDS = 2.0
"""A source may first find a version incomplete and then offer a lower one; this is time for it."""

_LOOK_SECONDS = 0.1


class Outcomes:
    """Waits for models, but not for ever for one whose files are not fit to be loaded.

    TensorFlow Serving loads an incomplete, damaged or unreadable version like any other and
    fails when its retries are used up. Here such a version is not loaded but waited for, so
    a model that has no other one gets as long as those retries would take, from when it was
    first seen like that, and then counts as failed. A model without any version, or without
    a base path, is waited for, as by TensorFlow Serving.

    Used by one thread.

    Args:
        manager: loads them.
        patience_seconds: how long those retries take.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        manager: Manager,
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._patience = max(patience_seconds, LEAST_PATIENCE_SECONDS)
        self._clock = clock
        self._since: dict[str, float] = {}

    def wait(self, names: Collection[str], timeout: float | None) -> bool:
        """Wait until each model has a version that is available, or has failed.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            False if the time ran out.
        """
        deadline = None if timeout is None else self._clock() + timeout
        while True:
            given_up = {status.id.name for status in self._given_up(names)}
            rest = [name for name in names if name not in given_up]
            left = _LOOK_SECONDS if deadline is None else deadline - self._clock()
            if self._manager.wait_until_settled(rest, min(max(left, 0.0), _LOOK_SECONDS)):
                return True
            if deadline is not None and self._clock() >= deadline:
                return False

    def failures(self, names: Collection[str]) -> Sequence[VersionStatus]:
        """Return, for each model that has failed, the version that decided it."""
        return [*self._manager.failures(names), *self._given_up(names)]

    def _given_up(self, names: Collection[str]) -> list[VersionStatus]:
        now = self._clock()
        found: list[VersionStatus] = []
        for name in names:
            unfit = self._manager.unfit(name)
            if unfit is None:
                self._since.pop(name, None)
            elif isinstance(unfit.error, Underway):
                continue  # another attempt; the time that earlier ones took still counts
            elif now - self._since.setdefault(name, now) >= self._patience:
                found.append(unfit)
        return found
