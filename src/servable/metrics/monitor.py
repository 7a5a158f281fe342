"""All metrics of one server, and their pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from servable.core.events import Event
from servable.metrics import table
from servable.metrics.families import AnyFamily, Family, Number, numbers
from servable.metrics.merge import Snapshot, merged, snapshot
from servable.metrics.records import Records
from servable.metrics.requests import Requests
from servable.metrics.text import PEER, page
from servable.metrics.traffic import TrafficMetrics
from servable.metrics.versions import Versions

_NO_NAME = re.compile("[^A-Za-z0-9_]")
_STATM = Path("/proc/self/statm")


class Metrics:
    """Counts for one server; give it to both transports. All methods are thread-safe.

    Attributes:
        requests: what becomes of requests.
        shed: requests refused unread, by transport.
        broken: HTTP connections that were ended, by reason.
        records: requests that are replayed before a version is available, or logged.
        traffic: requests that are divided among versions, and their copies.
    """

    def __init__(self) -> None:
        self.requests = Requests()
        self.traffic = TrafficMetrics()
        self._versions = Versions(self._forget)
        self.shed = numbers(table.SHED)
        self.broken = numbers(table.BROKEN)
        self.records = Records()
        self._in_flight = numbers(table.IN_FLIGHT)
        self._watched: dict[str, Callable[[], int]] = {}
        self._cpu = _one(table.CPU_SECONDS)
        self._memory = numbers(table.MEMORY)
        self._start = _one(table.START_TIME)
        self._start.at().set(round(time.time(), 3))
        self._workers = _one(table.WORKERS)
        self._workers.at().set(1)
        self._worker = ""
        self._others: Callable[[], Sequence[Snapshot]] = tuple

    def note(self, event: Event) -> None:
        """Take note of what happens to versions; meant as a subscriber of the event bus."""
        self._versions.note(event)

    def watch_in_flight(self, transport: str, count: Callable[[], int]) -> None:
        """Ask `count` for the requests in flight of a transport whenever the page is made."""
        self._watched[transport] = count

    def value(self, name: str) -> int:
        """Return the first value of a counter or gauge, 0 for anything else.

        Args:
            name: as on a page, or as TensorFlow writes it, such as
                "/tensorflow/serving/request_count".
        """
        shown = _NO_NAME.sub(":", name)
        for family in (*self._own(), *self._peers()):
            if family.metric.name == shown:
                first = next((member for _, member in family.members()), None)
                return int(first.value) if isinstance(first, Number) else 0
        return 0

    @property
    def in_flight(self) -> int:
        """Requests that run or wait, of all transports."""
        return sum(count() for count in tuple(self._watched.values()))

    def share(self, worker: str, others: Callable[[], Sequence[Snapshot]]) -> None:
        """Show on every page the numbers of other processes too.

        Args:
            worker: what this one is called.
            others: returns what they have counted; may take a while, as a page may.
        """
        self._worker = worker
        self._others = others

    def snapshot(self) -> Snapshot:
        """Return everything that was counted here."""
        return snapshot([*self._own(), *self._peers()])

    def page(self) -> str:
        """Return our own metrics and then the peer's, in Prometheus' text format."""
        return page(merged([*self._own(), *self._peers()], self._others()))

    def peer_page(self) -> str:
        """Return what TensorFlow Serving would show, in its dialect."""
        return page(merged(self._peers(), self._others()), PEER)

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
        requests = self.requests.families()
        worker_requests = numbers(table.WORKER_REQUESTS)
        if self._worker:
            worker_requests.at(self._worker).set(self.requests.answered.value)
        return [
            *requests,
            self._in_flight,
            self.shed,
            self.broken,
            *self._versions.families(),
            *self.traffic.families(),
            self._cpu,
            self._memory,
            self._start,
            self._workers,
            worker_requests,
        ]

    def _forget(self, model: str, version: int) -> None:
        self.requests.forget(model, version)
        self.traffic.forget(model, version)


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
