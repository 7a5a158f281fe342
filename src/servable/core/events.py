"""What happens to versions: a bus that tells it, and a monitor that remembers the last of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from servable.contracts import ServableId
from servable.core.clock import Clock, SystemClock
from servable.core.states import VersionState
from servable.errors import ServableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """A version has reached a state. Also serves as a `contracts.VersionStatus`.

    Attributes:
        error: why it ended, if it ended badly; beside START, why it is not complete yet;
            beside LOADING, why the last attempt failed.
        time: wall-clock seconds since 1970, to the microsecond at best.
    """

    id: ServableId
    state: VersionState
    error: ServableError | None
    time: float


Subscriber = Callable[[Event], None]


class EventBus:
    """Delivers events in the publishing thread, before `publish` returns.

    Subscribers are called one after the other in the order in which they came. They
    must be quick and must not wait for the manager. All methods may be called from
    any thread.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every event from now on."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)

    def publish(
        self, id: ServableId, state: VersionState, error: ServableError | None = None
    ) -> None:
        """Tell every subscriber, stamping the event with the present time."""
        event = Event(id, state, error, self._clock.wall())
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:
                # A broken listener must not stop a model from loading.
                log.exception("%s %d: a listener failed at %s", id.name, id.version, state)


class StateMonitor:
    """Keeps the last event of every version, for ever.

    Clients of TensorFlow Serving rely on seeing END for versions that are long gone.
    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, dict[int, Event]] = {}

    def record(self, event: Event) -> None:
        """Take note of an event; meant as a subscriber of a bus."""
        with self._lock:
            self._events.setdefault(event.id.name, {})[event.id.version] = event

    def versions(self, name: str) -> Sequence[Event]:
        """Return the last event of each version of `name`, highest version first."""
        with self._lock:
            known = self._events.get(name, {})
            return [known[version] for version in sorted(known, reverse=True)]

    def version(self, id: ServableId) -> Event | None:
        """Return the last event of one version."""
        with self._lock:
            return self._events.get(id.name, {}).get(id.version)

    def names(self) -> Sequence[str]:
        """Return the names that had an event, in ascending order."""
        with self._lock:
            return sorted(self._events)
