"""The two loops, with a carrier and a clock of the test's own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

import pytest

from servable.bench.batch_note import BatchNote
from servable.bench.load import GIVEN_UP_AFTER, MOST_SAMPLES, Recorder, closed, opened
from servable.bench.messages import Completion, Load, Request

SECOND = 10**9


def asked(rows: int = 1) -> Request:
    return Request("/path", b"", b"body", rows, "serving_default")


class FakeCarrier:
    """Ends requests in the order in which they were sent; `end` says how."""

    def __init__(self, end: Callable[[int, int], Completion] | None = None) -> None:
        self.sent: list[tuple[int, Request]] = []
        self.most_under_way = 0
        self._end = end or good
        self._under_way: queue.SimpleQueue[int] = queue.SimpleQueue()

    def send(self, slot: int, request: Request) -> None:
        self.sent.append((slot, request))
        self._under_way.put(slot)
        self.most_under_way = max(self.most_under_way, self._under_way.qsize())

    def receive(self) -> Completion:
        return self._end(self._under_way.get(timeout=30), len(self.sent))

    def batch_note(self, completion: Completion) -> BatchNote | None:  # noqa: ARG002
        return BatchNote(80, 8, 1, "full")

    def hint(self, completion: Completion) -> str:  # noqa: ARG002
        return ""

    def content_type(self, completion: Completion) -> str:  # noqa: ARG002
        return ""

    def close(self) -> None: ...


class Clock:
    """Every look at it takes a millisecond."""

    def __init__(self, step: int = SECOND // 1000) -> None:
        self.now = 0
        self._step = step

    def __call__(self) -> int:
        self.now += self._step
        return self.now


def good(slot: int, _number: int) -> Completion:
    return Completion(slot, "", "", b"answer", False, None)


def load(clients: int = 4, **given: float | int | None) -> Load:
    defaults = {"rate": 0.0, "seconds": None, "requests": None, "seed": 1, "first": 0}
    return Load(0, clients, 1, **{**defaults, **given})  # type: ignore[arg-type]  # by name


def recorder(carrier: FakeCarrier, requests: Sequence[Request] = (asked(),)) -> Recorder:
    return Recorder(carrier, requests, threading.Event(), 0)


def test_clients_have_one_request_each_under_way_until_the_number_is_reached() -> None:
    carrier = FakeCarrier()
    seen = recorder(carrier)
    closed(seen, load(requests=50), Clock())
    assert len(carrier.sent) == seen.tally.latency.count == 50
    assert carrier.most_under_way == 4
    assert {slot for slot, _ in carrier.sent} == {0, 1, 2, 3}


def test_fewer_requests_than_clients_are_not_exceeded() -> None:
    carrier = FakeCarrier()
    closed(recorder(carrier), load(clients=8, requests=3), Clock())
    assert len(carrier.sent) == 3


def test_a_closed_load_ends_with_its_time_and_waits_for_the_last_answers() -> None:
    carrier = FakeCarrier()
    seen = recorder(carrier)
    closed(seen, load(seconds=1.0), Clock())
    assert seen.tally.latency.count == len(carrier.sent) > 100
    assert seen.tally.seconds >= 1.0


def test_requests_are_sent_in_turn_and_their_rows_counted() -> None:
    carrier = FakeCarrier()
    requests = [asked(1), asked(10), asked(100)]
    seen = Recorder(carrier, requests, threading.Event(), first=4)
    closed(seen, load(clients=1, requests=4), Clock())
    assert [request.rows for _, request in carrier.sent] == [10, 100, 1, 10]
    assert seen.tally.rows == 121
    assert seen.tally.received == 4 * len(b"answer")


def test_an_open_load_counts_from_when_a_request_was_due_not_from_when_it_was_sent() -> None:
    """All requests are due in the first second, and the process only wakes up in the tenth."""
    looks = iter([0])
    seen = recorder(FakeCarrier())
    opened(seen, load(rate=100.0, requests=50, clients=100), lambda: next(looks, 10 * SECOND))
    assert seen.tally.latency.count == 50
    assert seen.tally.latency.smallest > 9 * SECOND
    assert seen.tally.latency.largest > seen.tally.latency.smallest
    assert seen.tally.late == seen.tally.latency


def test_requests_that_were_due_and_never_sent_are_told() -> None:
    """One slot, and an answer that takes longer than the load."""
    times = iter([0, SECOND, SECOND])
    seen = recorder(FakeCarrier())
    opened(seen, load(rate=100.0, seconds=5.0, clients=1), lambda: next(times, 6 * SECOND))
    tally = seen.tally
    assert tally.latency.count >= 1
    assert tally.unsent > 300
    assert tally.unsent + tally.latency.count == pytest.approx(500, rel=0.2)


def test_a_stopped_load_sends_no_more_and_keeps_what_it_has() -> None:
    stop = threading.Event()

    def stopping(slot: int, number: int) -> Completion:
        if number >= 10:
            stop.set()
        return good(slot, number)

    seen = Recorder(FakeCarrier(stopping), [asked()], stop, 0)
    closed(seen, load(clients=2, seconds=1e6), Clock())
    assert 10 <= seen.tally.latency.count <= 12


def test_a_stopped_open_load_has_no_unsent_requests() -> None:
    stop = threading.Event()
    stop.set()
    seen = Recorder(FakeCarrier(), [asked()], stop, 0)
    opened(seen, load(rate=10.0, seconds=1e6), Clock())
    assert (seen.tally.unsent, seen.tally.latency.count) == (0, 0)


def test_errors_are_counted_by_code_with_the_first_text_and_no_latency() -> None:
    def refusing(slot: int, number: int) -> Completion:
        if number % 2:
            return Completion(slot, "HTTP 429", f"full {number}", b"", False, None)
        return good(slot, number)

    seen = recorder(FakeCarrier(refusing))
    closed(seen, load(clients=1, requests=10), Clock())
    assert seen.tally.errors == {"HTTP 429": 5}
    assert seen.tally.texts == {"HTTP 429": "full 1"}
    assert (seen.tally.latency.count, seen.tally.ended) == (5, 10)
    assert not seen.tally.lost


def test_a_server_that_has_gone_ends_the_load() -> None:
    def nobody(slot: int, _number: int) -> Completion:
        return Completion(slot, "no connection", "refused", b"", True, None)

    seen = recorder(FakeCarrier(nobody))
    closed(seen, load(clients=1, seconds=1e9), Clock())
    assert seen.tally.lost
    assert seen.tally.errors.total() == GIVEN_UP_AFTER


def test_the_number_of_codes_that_are_kept_is_bounded() -> None:
    def inventive(slot: int, number: int) -> Completion:
        return Completion(slot, f"HTTP {number}", "", b"", False, None)

    seen = recorder(FakeCarrier(inventive))
    closed(seen, load(clients=1, requests=500), Clock())
    assert seen.tally.errors.total() == 500
    assert len(seen.tally.errors) < 60


def test_a_few_answers_are_kept_and_their_batches_read() -> None:
    seen = recorder(FakeCarrier())
    closed(seen, load(clients=1, requests=1000), Clock())
    assert len(seen.tally.samples) == MOST_SAMPLES
    batches = seen.tally.batches
    assert batches.told == batches.sizes[8] == batches.padded == batches.reasons["full"]
    assert 10 < batches.told < 100
    assert batches.queue.quantile(0.5) == pytest.approx(80_000, rel=0.01)
