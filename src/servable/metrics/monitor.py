"""All metrics of one server, and their pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from servable.core.events import Event
from servable.metrics import table
from servable.metrics.families import AnyFamily, Family, Number, numbers
from servable.metrics.records import Records
from servable.metrics.requests import Requests
from servable.metrics.text import PEER, page
from servable.metrics.versions import Versions

_STATM = Path("/proc/self/statm")


class Metrics:
    """Counts for one server; give it to both transports. All methods are thread-safe.

    Attributes:
        requests: what becomes of requests.
        shed: requests refused unread, by transport.
        broken: HTTP connections that were ended, by reason.
        records: requests that are replayed before a version is available, or logged.
    """

    def __init__(self) -> None:
        self.requests = Requests()
        self._versions = Versions(self.requests.forget)
        self.shed = numbers(table.SHED)
        self.broken = numbers(table.BROKEN)
        self.records = Records()
        self._in_flight = numbers(table.IN_FLIGHT)
        self._watched: dict[str, Callable[[], int]] = {}
        self._cpu = _one(table.CPU_SECONDS)
        self._memory = numbers(table.MEMORY)
        self._start = _one(table.START_TIME)
        self._start.at().set(round(time.time(), 3))

    def note(self, event: Event) -> None:
        """Take note of what happens to versions; meant as a subscriber of the event bus."""
        self._versions.note(event)

    def watch_in_flight(self, transport: str, count: Callable[[], int]) -> None:
        """Ask `count` for the requests in flight of a transport whenever the page is made."""
        self._watched[transport] = count

    def page(self) -> str:
        """Return our own metrics and then the peer's, in Prometheus' text format."""
        return page([*self._own(), *self._peers()])

    def peer_page(self) -> str:
        """Return what TensorFlow Serving would show, in its dialect."""
        return page(self._peers(), PEER)

    def _peers(self) -> list[AnyFamily]:
        """In the order of `table.PEER`, which is the alphabet's, as the peer shows them."""
        families = [
            *self.requests.peer_families(),
            *self.records.warmup,
            self.records.logged,
        ]
        return sorted(families, key=lambda family: family.metric.name)

    def _own(self) -> list[AnyFamily]:
        for transport, count in self._watched.items():
            self._in_flight.at(transport).set(count())
        self._cpu.at().set(time.process_time())
        if (resident := _resident_bytes()) is not None:
            self._memory.at().set(resident)
        return [
            *self.requests.families(),
            self._in_flight,
            self.shed,
            self.broken,
            *self._versions.families(),
            self._cpu,
            self._memory,
            self._start,
        ]


def _one(metric: table.Metric) -> Family[Number]:
    """Return a family of one member, which has no labels."""
    family = numbers(metric)
    family.at()
    return family


def _resident_bytes() -> int | None:
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return None
    import resource  # not on Windows, where there is no such file either

    return pages * resource.getpagesize()
