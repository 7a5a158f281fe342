"""The two kinds of load: clients that wait for answers, and arrivals that wait for nothing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, takewhile

from servable.bench.arrivals import poisson
from servable.bench.carrier import Carrier
from servable.bench.messages import Completion, Load, Request, Sample, Tally

MOST_SAMPLES = 4
SAMPLE_EVERY = 16
"""Of this many answers one is looked at for what it tells about batches."""

GIVEN_UP_AFTER = 100
"""Requests in a row that found no server."""

_PATIENCE = 0.1
_MOST_CODES = 50
_MOST_KINDS = 1000

Clock = Callable[[], int]
"""Nanoseconds, never going back."""


class Recorder:
    """Puts what one thread sees of its requests into its tally.

    Args:
        carrier: reads heads.
        requests: what is sent, in turn.
        stop: is set when nothing more shall be sent.
        first: index of the request to begin with.
    """

    def __init__(
        self, carrier: Carrier, requests: Sequence[Request], stop: threading.Event, first: int
    ) -> None:
        self.tally = Tally()
        self.stop = stop
        self._carrier = carrier
        self._requests = requests
        self._next = first % len(requests)
        self._lost_in_a_row = 0
        self._asked: dict[int, tuple[int, int]] = {}

    def send(self, slot: int, due: int) -> None:
        """Send the next request; it counts from `due` nanoseconds on."""
        index = self._next
        self._next = index + 1 if index + 1 < len(self._requests) else 0
        self._asked[slot] = (due, index)
        self._carrier.send(slot, self._requests[index])

    def receive(self, clock: Clock) -> int:
        """Wait until a request has ended, record it and return its slot."""
        done = self._carrier.receive()
        now = clock()
        due, index = self._asked.pop(done.slot)
        tally = self.tally
        if done.error:
            self._count_error(done)
            return done.slot
        self._lost_in_a_row = 0
        tally.latency.record(now - due)
        tally.rows += self._requests[index].rows
        tally.received += len(done.data)
        if tally.latency.count % SAMPLE_EVERY == 1:
            self._look_at(done, index)
        return done.slot

    def _count_error(self, done: Completion) -> None:
        tally = self.tally
        known = done.error in tally.errors or len(tally.errors) < _MOST_CODES
        code = done.error if known else "other"
        tally.errors[code] += 1
        tally.texts.setdefault(code, done.text)
        self._lost_in_a_row = self._lost_in_a_row + 1 if done.lost else 0
        if self._lost_in_a_row >= GIVEN_UP_AFTER:
            tally.lost = True
            self.stop.set()

    def _look_at(self, done: Completion, index: int) -> None:
        tally = self.tally
        if len(tally.samples) < MOST_SAMPLES:
            tally.samples.append(Sample(index, done.data, self._carrier.content_type(done)))
        note = self._carrier.batch_note(done)
        if note is None:
            return
        batches = tally.batches
        batches.told += 1
        batches.padded += note.padded
        batches.queue.record(note.queue_us * 1000)
        if note.size in batches.sizes or len(batches.sizes) < _MOST_KINDS:
            batches.sizes[note.size] += 1
        if note.reason in batches.reasons or len(batches.reasons) < _MOST_CODES:
            batches.reasons[note.reason] += 1


def closed(recorder: Recorder, load: Load, clock: Clock = time.perf_counter_ns) -> None:
    """Have each client ask again as soon as it has its answer; return after the last one.

    A client that waits sends nothing, so a slow server gets less load, and requests that
    would have come in the meantime are not counted: that is what `opened` is for.
    """
    begin = clock()
    end = None if load.seconds is None else begin + round(load.seconds * 1e9)
    left = load.requests
    under_way = load.clients if left is None else min(load.clients, left)
    for slot in range(under_way):
        recorder.send(slot, clock())
    left = None if left is None else left - under_way
    while under_way:
        slot = recorder.receive(clock)
        now = clock()
        if recorder.stop.is_set() or left == 0 or (end is not None and now >= end):
            under_way -= 1
            continue
        if left is not None:
            left -= 1
        recorder.send(slot, now)
    recorder.tally.seconds = (clock() - begin) / 1e9


def opened(recorder: Recorder, load: Load, clock: Clock = time.perf_counter_ns) -> None:
    """Send requests when they are due, whether or not others were answered; see `poisson`.

    Latency counts from when a request was due: if it had to wait because the server, the
    connections or this process were busy, that is part of it. A second thread sends.
    """
    begin = clock()
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(load.clients):
        free.put(slot)
    under_way: queue.SimpleQueue[bool] = queue.SimpleQueue()
    sender = threading.Thread(
        target=_send_when_due, args=(recorder, load, begin, clock, free, under_way)
    )
    sender.start()
    while under_way.get():
        free.put(recorder.receive(clock))
    sender.join()
    recorder.tally.seconds = (clock() - begin) / 1e9


def arrivals(load: Load) -> Iterator[float]:
    """Yield the seconds after the start at which the requests of an open load are due."""
    times = poisson(load.rate, load.seed)
    if load.seconds is not None:
        seconds = load.seconds
        times = takewhile(lambda at: at < seconds, times)
    return islice(times, load.requests)


def _send_when_due(
    recorder: Recorder,
    load: Load,
    begin: int,
    clock: Clock,
    free: queue.SimpleQueue[int],
    under_way: queue.SimpleQueue[bool],
) -> None:
    end = None if load.seconds is None else begin + round(load.seconds * 1e9)
    times = arrivals(load)
    try:
        for at in times:
            due = begin + round(at * 1e9)
            slot = _slot_at(due, end, recorder.stop, clock, free)
            if slot is None:
                if not recorder.stop.is_set():
                    recorder.tally.unsent = 1 + sum(1 for _ in times)
                return
            recorder.tally.late.record(clock() - due)
            recorder.send(slot, due)
            under_way.put(True)
    finally:
        under_way.put(False)


def _slot_at(
    due: int,
    end: int | None,
    stop: threading.Event,
    clock: Clock,
    free: queue.SimpleQueue[int],
) -> int | None:
    """Wait until a request is due and a slot is free; None if time is up or it shall stop."""
    while (wait := due - clock()) > 0:
        if stop.wait(wait / 1e9):
            return None
    while not stop.is_set() and (end is None or clock() < end):
        with suppress(queue.Empty):
            return free.get(timeout=_PATIENCE)
    return None
