"""How requests hold on to a version without a lock, and how unloading waits for them.

A reader finds a version in a map that is never changed, only replaced, *pins* the
version, and then looks whether it was *closed* meanwhile. The unloading side goes
the other way: it takes the version out of the map, closes it, and then looks
whether there are pins. Whatever the interleaving, one side sees the other: either
the reader sees the closing, drops its pin unused and looks into the newer map, or
the unloading side sees the pin and waits. A pin that appears on a closed version
after it was seen without pins is dropped before its owner touches the servable.

Pins are counted for each version, so a long request delays the unloading of its own
version only.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from servable.contracts import Servable, ServableId
from servable.errors import FailedPrecondition

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger(__name__)

Serving = Mapping[str, Mapping[int | None, "ReadyVersion"]]
"""Name -> version -> what answers; the key None stands for the highest version."""


class ReadyVersion:
    """A version that can answer, with a pin for every handle that is out."""

    __slots__ = ("_closed", "_pins", "_servable", "id")

    def __init__(self, id: ServableId, servable: Servable) -> None:
        self.id = id
        self._servable = servable
        # A deque because its append and pop are documented to be thread-safe, which
        # `+= 1` is not; only its length means anything.
        self._pins: deque[None] = deque()
        self._closed = False

    def pin(self) -> Handle | None:
        """Return a handle, or None if the version has been closed. Takes no lock."""
        self._pins.append(None)
        if self._closed:
            self._pins.pop()
            return None
        return Handle(self.id, self._servable, self._pins)

    def close(self) -> None:
        """Refuse new handles. To be called after the version has left the serving map."""
        self._closed = True

    @property
    def drained(self) -> bool:
        """Whether the version is closed and its last handle has come back.

        Once this was true, no handle will come out any more. (It may waver while late
        readers pin and unpin.)
        """
        return self._closed and not self._pins

    def forget(self) -> None:
        """Drop the servable, once drained; this may be where its memory is freed."""
        del self._servable


class Handle:
    """What a request holds while it runs: a `contracts.ServableHandle`.

    Used by one thread at a time; it may be passed on to another thread.
    """

    __slots__ = ("_pins", "_servable", "id")

    def __init__(self, id: ServableId, servable: Servable, pins: deque[None]) -> None:
        self.id = id
        self._servable: Servable | None = servable
        self._pins = pins

    @property
    def servable(self) -> Servable:
        """The loaded model.

        Raises:
            FailedPrecondition: the handle was given back.
        """
        if self._servable is None:
            raise FailedPrecondition(f"The handle on {self.id} was given back already.")
        return self._servable

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._servable is not None:
            # Before the pin goes: the servable must not be freed in a request's thread.
            self._servable = None
            self._pins.pop()

    def __del__(self) -> None:
        if self._servable is not None:
            log.warning("%s %d: a handle was dropped unreturned", self.id.name, self.id.version)
            self.__exit__(None, None, None)


class ServingMap:
    """What is served at this moment. One thread changes it, all others read `models`."""

    __slots__ = ("models",)

    def __init__(self) -> None:
        self.models: Serving = {}

    def add(self, ready: ReadyVersion) -> None:
        """Make a version findable."""
        versions = dict(self.models.get(ready.id.name, {}))
        versions[ready.id.version] = ready
        self._publish(ready.id.name, versions)

    def remove(self, ready: ReadyVersion) -> None:
        """Make it unfindable; those who have found it keep what they have."""
        versions = dict(self.models[ready.id.name])
        del versions[ready.id.version]
        self._publish(ready.id.name, versions)

    def _publish(self, name: str, versions: dict[int | None, ReadyVersion]) -> None:
        models = dict(self.models)
        numbers = [version for version in versions if version is not None]
        if numbers:
            models[name] = {**versions, None: versions[max(numbers)]}
        else:
            del models[name]
        self.models = models
