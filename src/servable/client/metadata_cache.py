"""What a REST client remembers of models, so that it need not ask before it can read an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from servable.client.api import Metadata

MOST_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Key:
    """Which version a request named: a number, a label, or neither for the newest."""

    model: str
    version: int | None
    label: str | None


class MetadataCache:
    """Metadata by what the request named. May be used from many threads at once.

    A version that is named by number never changes and is kept. A label may be moved
    and the newest version replaced, so these are kept for a short time only.

    Args:
        seconds: how long metadata of a label or of the newest version is believed.
        clock: seconds, never going back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[Key, tuple[float, Metadata]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Metadata | None:
        """Return what is known, or None if that is nothing or too old."""
        with self._lock:
            entry = self._entries.get(key)
        if entry is None:
            return None
        read_at, metadata = entry
        if key.version is None and self._clock() - read_at >= self._seconds:
            return None
        return metadata

    def put(self, key: Key, metadata: Metadata) -> None:
        """Remember metadata that was just read; the oldest is forgotten beyond 256 entries."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = (self._clock(), metadata)
            while len(self._entries) > MOST_ENTRIES:
                del self._entries[next(iter(self._entries))]
