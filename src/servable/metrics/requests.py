"""What becomes of requests: how many, how long each part took, how many bytes.

A request costs one short list operation; numbers are put into buckets many at a time,
when enough have come together or when the page is asked for.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import perf_counter

import numpy as np

from servable.contracts import ModelProvider
from servable.errors import Code
from servable.metrics import table
from servable.metrics.batches import BatchNote
from servable.metrics.families import AnyFamily, Histogram, Number, histograms, numbers
from servable.metrics.trace import Span, Tracing

UNKNOWN = "(unknown)"
"""How models are called that there never were: strangers would fill the memory with their names."""

PHASES = ("queue", "decode", "host", "island", "encode")
_PENDING = 512  # requests whose numbers wait to be sorted into buckets

_FIELDS = 8  # of a record

_Labels = tuple[str, int | None, str, str, int]
"""Model, version, api, transport, status code. As a plain int, that is quick to look up."""

PEER_APIS = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}
"""Our word for what the peer counts over gRPC -> its word."""


class Observation:
    """One request on its way; used by one thread at a time.

    Attributes:
        api, transport: what was asked for, and how.
        bytes_in: the length of the message or body.
        wanted: tells whether the client still waits for an answer.
        model: the name in the request; "" until it is known.
        version: the version that was found; None until it is.
        queued: seconds that the request waited for a thread.
        started: when a thread took it up, by `perf_counter`.
        run_began, run_ended: the first run of a model, and the last; 0.0 if there was none.
        run_seconds: all runs together, without waiting for others to be computed with.
        waited: seconds of that waiting.
        island_seconds: what compiled parts of the model took of that.
        examples: of a request that computes several things of them.
        batch: which batch it was computed in, if it waited for one.
        batches: those that are counted with it.
        answered: wants the message and the answer to it, once the answer is good.
        done: is called once the answer is made and good; never raises.
        header: returns the first header, or metadata, of that name; "" if there is none.
    """

    # Of the class: most are set once on the way of a request, or never.
    answered: Callable[[bytes, bytes], None] | None = None
    done: Callable[[], None] | None = None
    header: Callable[[str], str] | None = None
    version: int | None = None
    examples = 0
    run_began = 0.0
    run_ended = 0.0
    run_seconds = 0.0
    island_seconds = 0.0
    waited = 0.0
    batch: BatchNote | None = None
    batches: tuple[BatchNote, ...] = ()

    def __init__(
        self,
        api: str,
        transport: str,
        *,
        bytes_in: int = 0,
        model: str = "",
        wanted: Callable[[], bool] | None = None,
    ) -> None:
        self.api = api
        self.transport = transport
        self.bytes_in = bytes_in
        self.model = model
        self.wanted = wanted
        self.queued = CURRENT.queued
        self.started = perf_counter()


class Current(threading.local):
    """What this thread is at work on.

    Attributes:
        observation: a request, if it is at work on one.
        queued: for how many seconds that waited for the thread.
    """

    observation: Observation | None = None
    queued: float = 0.0


CURRENT = Current()


@dataclass(frozen=True, slots=True)
class _Key:
    model: str
    version: int | None
    api: str
    transport: str
    code: Code

    @property
    def labels(self) -> tuple[str, str, str, str]:
        version = "" if self.version is None else str(self.version)
        return self.model, version, self.api, self.transport


class Requests:
    """Counts requests for both pages. May be used from any thread.

    Attributes:
        tracing: gets every request as well.
        answered: how many there were, those to versions that are gone included.
    """

    def __init__(self) -> None:
        self.tracing = Tracing()
        self.answered = Number()
        self._lock = threading.Lock()
        self._providers: tuple[ModelProvider, ...] = ()
        self._series: dict[_Labels, _Series] = {}
        self.peer_count = numbers(table.REQUEST_COUNT)
        self.peer_latency = histograms(table.REQUEST_LATENCY)
        self.peer_runtime = histograms(table.RUNTIME_LATENCY)
        self.peer_examples = numbers(table.EXAMPLE_COUNT_TOTAL)
        self.peer_example_counts = histograms(table.EXAMPLE_COUNTS)
        self.total = numbers(table.REQUESTS)
        self.seconds = histograms(table.REQUEST_SECONDS)
        self.phases = histograms(table.PHASE_SECONDS)
        self.bytes_in = numbers(table.REQUEST_BYTES)
        self.bytes_out = numbers(table.RESPONSE_BYTES)
        self.batches = numbers(table.BATCHES)
        self.batch_rows = histograms(table.BATCH_ROWS)
        self.batch_padding = numbers(table.BATCH_PADDING)

    def know(self, models: ModelProvider) -> None:
        """Count models that these ever managed under their names, and all others as UNKNOWN.

        Until this is called, every name is taken as it is.
        """
        with self._lock:
            if models not in self._providers:
                self._providers = (*self._providers, models)

    def record(self, seen: Observation, code: Code, bytes_out: int) -> None:
        """Count a request that was just answered."""
        key = (seen.model, seen.version, seen.api, seen.transport, +code)
        series = self._series.get(key) or self._begin(key)
        now = perf_counter()
        seconds = now - seen.started + seen.queued
        if seen.run_began:
            record = (
                seconds,
                seen.bytes_in,
                bytes_out,
                seen.queued + seen.waited,
                seen.run_began - seen.started,
                seen.run_seconds,
                seen.island_seconds,
                now - seen.run_ended,
            )
            if seen.batches:
                series.batches.extend(seen.batches)
        else:
            record = (seconds, seen.bytes_in, bytes_out, -1, -1, -1, -1, -1)
        pending = series.pending
        pending.append(record)
        if len(pending) >= _PENDING:
            series.settle()
        if seen.examples and code is Code.OK:
            self.peer_examples.at(seen.model).add(seen.examples)
            self.peer_example_counts.at(seen.model).add(np.array([float(seen.examples)]))
        if self.tracing.active:
            self.tracing.add(_span(seen, code, now))
        if seen.done is not None and code is Code.OK:
            seen.done()

    def families(self) -> Sequence[AnyFamily]:
        """Return our own families, up to date."""
        self._settle()
        return self._families()

    def _families(self) -> Sequence[AnyFamily]:
        return (
            self.total,
            self.seconds,
            self.phases,
            self.bytes_in,
            self.bytes_out,
            self.batches,
            self.batch_rows,
            self.batch_padding,
        )

    def peer_families(self) -> Sequence[AnyFamily]:
        """Return the peer's families, up to date."""
        self._settle()
        return (
            self.peer_count,
            self.peer_examples,
            self.peer_example_counts,
            self.peer_latency,
            self.peer_runtime,
        )

    def forget(self, model: str, version: int) -> None:
        """Drop our own members of a version that is gone; the peer's have no versions."""
        with self._lock:
            gone = [key for key in self._series if key[:2] == (model, version)]
            series = [self._series.pop(key) for key in gone]
        for one in series:
            one.settle()
        for family in self._families():
            family.forget(model, str(version))

    def _begin(self, key: _Labels) -> _Series:
        if key[0] and not self._knows(key[0]):
            key = (UNKNOWN, None, *key[2:])
        with self._lock:
            if key not in self._series:
                self._series[key] = _Series(_Key(*key[:4], Code(key[4])), self)
            return self._series[key]

    def _knows(self, model: str) -> bool:
        providers = self._providers
        return not providers or any(models.status(model) for models in providers)

    def _settle(self) -> None:
        with self._lock:
            series = list(self._series.values())
        for one in series:
            one.settle()


def _span(seen: Observation, code: Code, ended: float) -> Span:
    return Span(
        threading.current_thread().name,
        seen.api,
        seen.transport,
        seen.model,
        "" if seen.version is None else str(seen.version),
        code,
        seen.queued,
        seen.started,
        seen.run_began,
        seen.run_ended,
        ended,
    )


class _Series:
    """Requests that have all labels in common.

    Attributes:
        pending: a record for each that is in no bucket yet: seconds, bytes in, bytes
            out, and waiting, decoding, run, the islands' share of it, and encoding, or -1.
            Any thread may append to it.
        batches: likewise, the batches that are counted with them.
    """

    def __init__(self, key: _Key, families: Requests) -> None:
        self._settling = threading.Lock()
        self.pending: deque[tuple[float, ...]] = deque()
        self.batches: deque[BatchNote] = deque()
        self._answered = families.answered
        self._total = families.total.at(*key.labels, key.code.name)
        self._seconds = families.seconds.at(*key.labels)
        # Most kinds of request never come as far as to a phase, and many models have no island.
        self._phases = {phase: partial(families.phases.at, *key.labels, phase) for phase in PHASES}
        self._batches = partial(families.batches.at, *key.labels[:2])
        self._rows = partial(families.batch_rows.at, *key.labels[:2])
        self._padding = partial(families.batch_padding.at, *key.labels[:2])
        self._bytes_in = families.bytes_in.at(*key.labels)
        self._bytes_out = families.bytes_out.at(*key.labels)
        self._peer = _Peer(key, families)

    def settle(self) -> None:
        """Sort what is pending into buckets."""
        with self._settling:
            # More may come in meanwhile, from threads that take no lock.
            records = [self.pending.popleft() for _ in range(len(self.pending))]
            batches = [self.batches.popleft() for _ in range(len(self.batches))]
        if not records:
            return
        flat = np.fromiter(chain.from_iterable(records), np.float64, len(records) * _FIELDS)
        columns = flat.reshape(-1, _FIELDS).T
        seconds, bytes_in, bytes_out = columns[:3]
        queue, decode, run, island, encode = columns[3:, columns[3] >= 0]
        self._answered.add(len(seconds))
        self._total.add(len(seconds))
        self._seconds.add(seconds)
        self._bytes_in.add(bytes_in.sum())
        self._bytes_out.add(bytes_out.sum())
        phases = (queue, decode, run - island, island[island > 0], encode)
        for phase, samples in zip(PHASES, phases, strict=True):
            if len(samples):
                self._phases[phase]().add(samples)
        if batches:
            self._rows().add(np.array([float(batch.rows) for batch in batches]))
            self._padding().add(sum(batch.padding for batch in batches))
            for reason, count in Counter(batch.reason for batch in batches).items():
                self._batches(reason).add(count)
        self._peer.add(seconds, run)


class _Peer:
    """What the peer would have counted of the same requests."""

    def __init__(self, key: _Key, families: Requests) -> None:
        self._count: Number | None = None
        self._latency: Histogram | None = None
        self._runtime: Histogram | None = None
        api = PEER_APIS.get(key.api)
        rest = key.transport == "rest"
        if not (api or rest):
            return
        self._count = families.peer_count.at(key.model, key.code.name)
        if key.code is Code.OK:
            shown = (key.api if api else "") if rest else (api or "")
            entry = "REST" if rest else "GRPC"
            self._latency = families.peer_latency.at(key.model, shown, entry)
        if api:
            self._runtime = families.peer_runtime.at(key.model, api, "TF1")

    def add(self, seconds: np.ndarray, run_seconds: np.ndarray) -> None:
        if self._count is not None:
            self._count.add(len(seconds))
        if self._latency is not None:
            self._latency.add(seconds * 1e6)
        if self._runtime is not None and len(run_seconds):
            self._runtime.add(run_seconds * 1e6)
