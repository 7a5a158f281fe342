"""What the process that measures and those that make the load tell each other.

All of it is plain data that can be pickled, and imports nothing: load processes start fast.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from servable.bench.histogram import Histogram

Protocol = Literal["grpc", "rest"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, encoded once and sent many times.

    Attributes:
        path: gRPC's full method, or the path of a URL.
        headers: lines of an HTTP head, each ended by CRLF; b"" over gRPC.
        body: the serialized message, or the body.
        rows: how many rows it asks about.
        signature: the signature that is run; answers are read by it.
    """

    path: str
    headers: bytes
    body: bytes
    rows: int
    signature: str


class Completion(NamedTuple):
    """How one request ended.

    Attributes:
        slot: the number under which it was sent.
        error: "" if it was answered well; a code such as RESOURCE_EXHAUSTED or `HTTP 429`.
        text: what the server said about an error.
        data: the answer's bytes.
        lost: whether there was no server to answer.
        head: what came around the answer, in the carrier's own form.
    """

    slot: int
    error: str
    text: str
    data: bytes
    lost: bool
    head: object


@dataclass(frozen=True, slots=True)
class Target:
    """A server and what it is asked.

    Attributes:
        address: `host:port`, or `unix:PATH` over gRPC.
        protocol: how it is spoken to.
        timeout: seconds after which a request counts as failed.
    """

    address: str
    protocol: Protocol
    timeout: float


@dataclass(frozen=True, slots=True)
class Load:
    """What one process does in one phase.

    Attributes:
        target: index of the server.
        clients: how many ask at once, one request each; in the open loop, how many
            requests may be under way.
        connections: over how many connections (gRPC).
        rate: requests in a second that are due; 0 for the closed loop.
        seconds: when to stop sending; None to stop after `requests`.
        requests: how many to send; None to stop after `seconds`.
        seed: of the arrivals.
        first: index of the request to begin with.
    """

    target: int
    clients: int
    connections: int
    rate: float
    seconds: float | None
    requests: int | None
    seed: int
    first: int


class Sample(NamedTuple):
    """An answer that was kept, to be decoded afterwards; `number` is its request's."""

    number: int
    data: bytes
    content_type: str


@dataclass(slots=True)
class Batches:
    """What the server told about how requests were merged, on the answers that were looked at.

    Attributes:
        told: how many answers told anything.
        sizes: rows in the batch -> answers.
        reasons: why a batch was closed -> answers.
        padded: rows of padding, summed over these answers.
        queue: nanoseconds in the queue.
    """

    told: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    padded: int = 0
    queue: Histogram = field(default_factory=Histogram)

    @property
    def mean_size(self) -> float:
        """Rows in a batch on average; 0 if nothing was told.

        A batch of n rows is told of by as many answers as it has requests: it counts once.
        """
        batches = sum(count / size for size, count in self.sizes.items())
        return self.sizes.total() / batches if batches else 0.0

    @property
    def largest_size(self) -> int:
        """Rows in the largest batch; 0 if nothing was told."""
        return max(self.sizes, default=0)

    def __add__(self, other: Batches) -> Batches:
        return Batches(
            self.told + other.told,
            self.sizes + other.sizes,
            self.reasons + other.reasons,
            self.padded + other.padded,
            self.queue + other.queue,
        )


@dataclass(slots=True)
class Tally:
    """What was measured, by one thread or by all of them.

    Attributes:
        latency: of the requests that were answered well, in nanoseconds.
        late: how long after they were due requests were sent (open loop only).
        rows: rows of these requests.
        received: bytes of their answers.
        errors: code -> requests.
        texts: code -> what the server said the first time.
        unsent: requests that were due and not sent when time was up.
        lost: whether the load was given up because the server had gone.
        seconds: from the first request to the last answer.
        cpu_seconds: of the processes, summed.
        busiest: the largest share of a core that one process used.
        samples: a few answers.
        batches: see `Batches`.
    """

    latency: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    rows: int = 0
    received: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    texts: dict[str, str] = field(default_factory=dict)
    unsent: int = 0
    lost: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    busiest: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    batches: Batches = field(default_factory=Batches)

    @property
    def ended(self) -> int:
        """How many requests have ended, well or not."""
        return self.latency.count + self.errors.total()

    def beside(self, other: Tally) -> Tally:
        """Return both together, measured at the same time."""
        sum = self._with(other)
        sum.seconds = max(self.seconds, other.seconds)
        return sum

    def then(self, other: Tally) -> Tally:
        """Return both together, measured one after the other."""
        sum = self._with(other)
        sum.seconds = self.seconds + other.seconds
        return sum

    def _with(self, other: Tally) -> Tally:
        return Tally(
            self.latency + other.latency,
            self.late + other.late,
            self.rows + other.rows,
            self.received + other.received,
            self.errors + other.errors,
            {**other.texts, **self.texts},
            self.unsent + other.unsent,
            self.lost or other.lost,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            busiest=max(self.busiest, other.busiest),
            samples=self.samples + other.samples,
            batches=self.batches + other.batches,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """What a load process gets at its start: whom to ask, and what.

    Attributes:
        requests: for each target the requests that it gets, in turn; never empty.
    """

    targets: tuple[Target, ...]
    requests: tuple[tuple[Request, ...], ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Send no more requests in this phase."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many requests have ended in this phase so far."""

    ended: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A load process could not go on; `text` says why."""

    text: str
