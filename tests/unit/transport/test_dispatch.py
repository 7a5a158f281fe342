"""Quick requests are answered on the loop's thread, together; others in the pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pytest

from servable.batching import gathering
from servable.batching.gathering import HERE
from servable.batching.steps import Run, Steps
from servable.batching.tasks import Task
from servable.metrics.batches import BatchNote
from servable.tensors import Array, Signature
from servable.transport import dispatch
from servable.transport.dispatch import Dispatcher
from servable.transport.pool import RequestPool
from servable.transport.quick import FIRST_PENALTY, TRIES


class Loop:
    """Calls what it is told to when it is run, on the thread of the test."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []
        self._called = threading.Semaphore(0)

    def call(self, callback: Callable[[], object]) -> None:
        self._calls.append(callback)
        self._called.release()

    def run(self) -> None:
        assert self._called.acquire(timeout=5)
        self._calls.pop(0)()


@pytest.fixture
def pool() -> RequestPool:
    return RequestPool(1, 10, "test")


def answering(threads: list[str], *, waits: bool = False) -> Steps[str]:
    threads.append(threading.current_thread().name)
    HERE.waits = HERE.waits or waits
    yield from ()  # it asks no model
    return "answer"


class Waiting:
    """A servable that waits for more requests to come."""

    signatures: Mapping[str, Signature] = MappingProxyType({})

    def lane(self, *_: object) -> object:
        return gathering.ELSEWHERE

    def run(self, *_: object) -> dict[str, Array]:
        return {}


def waiting(threads: list[str], done: threading.Event) -> Steps[str]:
    threads.append(threading.current_thread().name)
    yield Run(Waiting(), "", {}, ())
    threads.append(threading.current_thread().name)
    done.set()
    return "answer"


class Server:
    def __init__(self, pool: RequestPool) -> None:
        self.loop = Loop()
        self.threads: list[str] = []
        self.answers: list[str] = []
        self.dispatcher: Dispatcher[str] = Dispatcher(pool, self.loop.call, self.loop.call)

    def submit(self, kind: str | None, *, waits: bool = False) -> None:
        steps = answering(self.threads, waits=waits)
        self.dispatcher.submit(kind, steps, self.answers.append)

    def asked(self, kind: str | None, *, waits: bool = False) -> str:
        """Answer one request; return the thread that it was answered on."""
        self.submit(kind, waits=waits)
        self.loop.run()
        return self.threads[-1]


HERE_NAME = threading.current_thread().name


def test_what_was_quick_time_after_time_is_answered_where_it_was_read(pool: RequestPool) -> None:
    server = Server(pool)
    assert [server.asked("a") for _ in range(TRIES)] == ["test_0"] * TRIES
    assert server.asked("a") == HERE_NAME
    assert server.asked("b") == "test_0"
    assert server.answers == ["answer"] * (TRIES + 2)


def test_what_has_no_kind_never_is(pool: RequestPool) -> None:
    server = Server(pool)
    assert {server.asked(None) for _ in range(3 * TRIES)} == {"test_0"}


def test_what_waits_for_more_requests_never_is(pool: RequestPool) -> None:
    server = Server(pool)
    assert {server.asked("a", waits=True) for _ in range(3 * TRIES)} == {"test_0"}


def test_what_begins_to_wait_goes_on_in_the_pool_and_is_tried_no_more(pool: RequestPool) -> None:
    server = Server(pool)
    for _ in range(TRIES):
        server.asked("a")
    done = threading.Event()
    dispatcher = server.dispatcher
    dispatcher.submit("a", waiting(server.threads, done), server.answers.append)
    server.loop.run()
    server.loop.run()
    assert server.threads[-2:] == [HERE_NAME, "test_0"]
    assert len(server.answers) == TRIES + 1
    assert server.asked("a") == "test_0"


def test_a_turn_ends_and_the_rest_goes_on_in_the_pool(
    pool: RequestPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(pool)
    for _ in range(TRIES):
        server.asked("a")
    monkeypatch.setattr(gathering, "TURN_SECONDS", -1.0)
    for _ in range(3):
        server.submit("a")
    for _ in range(4):
        if len(server.answers) < TRIES + 3:
            server.loop.run()
    assert server.threads[TRIES:] == ["test_0"] * 3
    assert len(server.answers) == TRIES + 3


def test_those_that_were_read_together_are_answered_in_one_turn(pool: RequestPool) -> None:
    server = Server(pool)
    for _ in range(TRIES):
        server.asked("a")
    for _ in range(5):
        server.submit("a")
    server.loop.run()
    assert server.threads[TRIES:] == [HERE_NAME] * 5
    assert len(server.answers) == TRIES + 5


@pytest.mark.parametrize(
    ("busy", "where"), [(0.005, "MainThread"), (0.0001, "test_0")], ids=["computes", "waits"]
)
def test_requests_that_take_long_side_by_side_are_tried_on_the_loop_if_they_compute(
    busy: float, where: str, pool: RequestPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"wall": 0.0, "thread": 0.0}
    monkeypatch.setattr(dispatch, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(dispatch, "thread_time", lambda: now["thread"])
    monkeypatch.setattr(RequestPool, "unfinished", property(lambda _: 32))
    server = Server(pool)

    def slow() -> Steps[str]:
        now["wall"] += 0.32
        now["thread"] += busy
        server.threads.append(threading.current_thread().name)
        yield from ()
        return "answer"

    for _ in range(TRIES + 1):
        server.dispatcher.submit("k", slow(), server.answers.append)
        server.loop.run()
    assert server.threads == ["test_0"] * TRIES + [where]


class Slow:
    """A servable of 30 ms a request, which could merge them and computes one at a time."""

    signatures: Mapping[str, Signature] = MappingProxyType({})

    def __init__(self, now: dict[str, float]) -> None:
        self._now = now

    def lane(self, *_: object) -> object:
        return self

    def compute(self, tasks: Sequence[Task], end: float) -> None:
        for task in tasks:
            if self._now["wall"] <= end:
                self._now["wall"] += 0.03
                task.outputs, task.took = {}, 0.03
                task.note = BatchNote(0.0, 1, 1)

    def run(self, *_: object) -> dict[str, Array]:
        self._now["wall"] += 0.03
        return {}


def test_a_model_that_became_slow_holds_up_the_loop_for_few_short_turns(
    pool: RequestPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"wall": 0.0}
    for module in (dispatch, gathering):
        monkeypatch.setattr(module, "perf_counter", lambda: now["wall"])
    server, slow = Server(pool), Slow(now)
    for _ in range(TRIES):
        server.asked("k")

    def asking() -> Steps[str]:
        server.threads.append(threading.current_thread().name)
        yield Run(slow, "", {}, ())
        return "answer"

    turns = 0
    for _ in range(2 * FIRST_PENALTY):
        first = len(server.threads)
        for _ in range(8):
            server.dispatcher.submit("k", asking(), server.answers.append)
        seen = len(server.answers)
        server.loop.run()
        turns += HERE_NAME in server.threads[first:]
        while len(server.answers) < seen + 8:
            server.loop.run()
    assert 0 < turns <= FIRST_PENALTY // 2
