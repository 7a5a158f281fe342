"""Workers change what requests find together, whatever the order in which they say things."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.core.agreement import Change, Verb
from servable.workers.barrier import HOLD_SECONDS, Barrier, Order, Verdict

PATIENCE = 100.0
CONFIGURED = Change(Verb.CONFIGURE, "", "first")


def serve(version: int) -> Change:
    return Change(Verb.SERVE, "m", str(version))


def drop(version: int) -> Change:
    return Change(Verb.DROP, "m", str(version))


def told(orders: Sequence[Order], verdict: Verdict) -> set[object]:
    return {order.worker for order in orders if order.verdict is verdict}


def in_service(*workers: str, versions: Sequence[int] = ()) -> Barrier:
    """A barrier of workers that take requests, and find these versions."""
    barrier = Barrier(PATIENCE)
    for worker in workers:
        barrier.came(worker, 0)
        barrier.ready(worker, CONFIGURED, 0)
        assert told(barrier.made(worker, CONFIGURED, 0), Verdict.LISTEN) == {worker}
    for version in versions:
        for worker in workers:
            barrier.ready(worker, serve(version), 0)
        for worker in workers:
            barrier.held(worker, serve(version), 0)
    return barrier


def test_requests_are_held_when_all_have_loaded_and_let_go_when_all_hold_them() -> None:
    barrier = in_service("a", "b")

    assert not barrier.ready("a", serve(1), 0)
    assert told(barrier.ready("b", serve(1), 0), Verdict.HOLD) == {"a", "b"}
    assert not barrier.held("a", serve(1), 0)
    assert told(barrier.held("b", serve(1), 0), Verdict.SWITCH) == {"a", "b"}
    assert barrier.versions == {("m", "1")}


@pytest.mark.parametrize("change", [serve(2), drop(1), Change(Verb.CONFIGURE, "", "second")])
def test_every_kind_of_change_waits_for_all(change: Change) -> None:
    barrier = in_service("a", "b", versions=[1])

    assert not barrier.ready("a", change, 0)
    assert told(barrier.ready("b", change, 0), Verdict.HOLD) == {"a", "b"}


def test_one_change_is_made_at_a_time() -> None:
    barrier = in_service("a", "b")
    for worker in ("a", "b"):
        barrier.ready(worker, serve(1), 0)
    for worker in ("a", "b"):
        assert not barrier.ready(worker, serve(2), 0)
    barrier.held("a", serve(1), 0)

    orders = barrier.held("b", serve(1), 0)

    assert [order.verdict for order in orders] == [Verdict.SWITCH] * 2 + [Verdict.HOLD] * 2
    assert orders[-1].change == serve(2)


def test_others_go_on_when_one_dies_that_they_waited_for() -> None:
    barrier = in_service("a", "b")
    barrier.ready("a", serve(1), 0)
    assert told(barrier.left("b", 0), Verdict.HOLD) == {"a"}

    barrier = in_service("a", "b")
    for worker in ("a", "b"):
        barrier.ready(worker, serve(1), 0)
    barrier.held("a", serve(1), 0)
    assert told(barrier.left("b", 0), Verdict.SWITCH) == {"a"}


def test_who_does_not_hold_in_time_is_replaced() -> None:
    barrier = in_service("a", "b")
    for worker in ("a", "b"):
        barrier.ready(worker, serve(1), 0)
    barrier.held("a", serve(1), 0)

    assert not barrier.passed(HOLD_SECONDS - 1)
    assert told(barrier.passed(HOLD_SECONDS), Verdict.REPLACE) == {"b"}


@pytest.mark.parametrize(("change", "replaced"), [(serve(2), {"b", "c"}), (drop(1), {"a"})])
def test_patience_ends_with_who_does_not_load_or_alone_wants_to_drop(
    change: Change, replaced: set[object]
) -> None:
    barrier = in_service("a", "b", "c", versions=[1])
    barrier.ready("a", change, 10)

    assert not barrier.passed(9 + PATIENCE)
    assert told(barrier.passed(10 + PATIENCE), Verdict.REPLACE) == replaced


def test_a_successor_listens_when_it_has_what_the_others_serve() -> None:
    barrier = in_service("a", versions=[1, 2])
    barrier.came("b", 0)
    barrier.ready("b", CONFIGURED, 0)
    barrier.made("b", CONFIGURED, 0)
    for version in (1, 2):
        assert told(barrier.ready("b", serve(version), 0), Verdict.SWITCH) == {"b"}
        assert barrier.in_service == {"a"}
        orders = barrier.made("b", serve(version), 0)

    assert told(orders, Verdict.LISTEN) == {"b"}


def test_a_successor_does_not_serve_what_the_others_do_not() -> None:
    barrier = in_service("a", versions=[1])
    barrier.came("b", 0)
    barrier.ready("b", CONFIGURED, 0)
    barrier.made("b", CONFIGURED, 0)

    assert not barrier.ready("b", serve(2), 0)
    barrier.ready("b", serve(1), 0)
    assert told(barrier.made("b", serve(1), 0), Verdict.LISTEN) == {"b"}
    assert told(barrier.ready("a", serve(2), 0), Verdict.HOLD) == {"a", "b"}


def test_a_successor_waits_until_a_change_that_has_begun_is_made() -> None:
    barrier = in_service("a", versions=[1])
    barrier.came("b", 0)
    barrier.ready("b", CONFIGURED, 0)
    barrier.made("b", CONFIGURED, 0)
    barrier.ready("b", serve(1), 0)
    barrier.ready("a", serve(2), 0)

    assert not barrier.made("b", serve(1), 0)
    orders = barrier.held("a", serve(2), 0)

    assert told(orders, Verdict.SWITCH) == {"a"}
    assert barrier.in_service == {"a"}


def test_a_change_that_one_takes_back_in_time_is_not_made() -> None:
    barrier = in_service("a", "b")
    for worker in ("a", "b"):
        barrier.ready(worker, serve(1), 0)
    barrier.held("a", serve(1), 0)

    assert told(barrier.withdrew("b", serve(1), 0), Verdict.RELEASE) == {"a", "b"}
    assert not barrier.held("b", serve(1), 0)
    assert not barrier.versions


def test_who_takes_it_back_too_late_is_replaced() -> None:
    barrier = in_service("a", "b", versions=[1])

    assert told(barrier.withdrew("b", serve(1), 0), Verdict.REPLACE) == {"b"}


def test_when_all_have_died_successors_serve_what_was_served_or_after_a_while_anything() -> None:
    barrier = in_service("a", versions=[1, 2])
    barrier.left("a", 0)
    barrier.came("b", 1)
    barrier.ready("b", CONFIGURED, 1)
    barrier.made("b", CONFIGURED, 1)
    barrier.ready("b", serve(1), 1)
    assert not barrier.made("b", serve(1), 1)

    assert told(barrier.passed(PATIENCE), Verdict.LISTEN) == {"b"}
    assert barrier.versions == {("m", "1")}


class Worker:
    """A worker as simple as can be: loads versions in any order, and does what it is told."""

    def __init__(self) -> None:
        self.inbox: deque[Order] = deque()
        self.outbox: deque[tuple[str, Change]] = deque([("ready", CONFIGURED)])
        self.listens = False
        self.asked: set[Change] = set()
        self.holds: set[Change] = set()
        self.versions: set[int] = set()

    def load(self, version: int) -> None:
        if serve(version) not in self.asked:
            self.asked.add(serve(version))
            self.outbox.append(("ready", serve(version)))

    def hear(self) -> None:
        order = self.inbox.popleft()
        if order.change is None:
            self.listens = True
            return
        if order.verdict is Verdict.HOLD:
            self.holds.add(order.change)
            self.outbox.append(("held", order.change))
        if order.verdict is Verdict.SWITCH:
            self.holds.discard(order.change)
            if order.change.verb is Verb.SERVE:
                self.versions.add(int(order.change.detail))
            self.outbox.append(("made", order.change))


class Cluster:
    """Workers, and messages that take any time on the way, but arrive in order."""

    def __init__(self) -> None:
        self.barrier = Barrier(PATIENCE)
        self.workers: dict[int, Worker] = {}
        self.started = 0
        self.latest_answer = 0

    @classmethod
    def of(cls, count: int) -> Cluster:
        """Workers that take requests, and have loaded nothing."""
        cluster = cls()
        for _ in range(count):
            cluster.start()
        cluster.settle()
        return cluster

    def settle(self) -> None:
        """Deliver everything."""
        while any(worker.inbox or worker.outbox for worker in self.workers.values()):
            for number, worker in self.workers.items():
                while worker.outbox:
                    self.speak(number)
                while worker.inbox:
                    worker.hear()

    def start(self) -> None:
        self.started += 1
        self.workers[self.started] = Worker()
        self.give(self.barrier.came(self.started, 0))

    def crash(self, number: int) -> None:
        del self.workers[number]
        self.give(self.barrier.left(number, 0))

    def speak(self, number: int) -> None:
        what, change = self.workers[number].outbox.popleft()
        self.give(getattr(self.barrier, what)(number, change, 0))

    def give(self, orders: Sequence[Order]) -> None:
        for order in orders:
            assert isinstance(order.worker, int)
            worker = self.workers[order.worker]
            change = order.change
            if order.verdict is Verdict.SWITCH and change is not None and worker.listens:
                assert all(change in w.asked | {CONFIGURED} for w in self.serving())
            worker.inbox.append(order)

    def serving(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.listens]

    def ask_all(self) -> None:
        """A client asks each worker that would answer now, one after the other."""
        for worker in self.serving():
            if not worker.holds:
                answer = max(worker.versions, default=0)
                assert answer >= self.latest_answer, "a version went back"
                self.latest_answer = answer


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["load", "speak", "hear", "speak", "hear", "crash", "start"]),
        st.integers(0, 7),
        st.integers(1, 2),
    ),
    min_size=40,
    max_size=120,
)


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_no_client_sees_a_version_go_back_whatever_is_said_and_whoever_dies(
    steps: list[tuple[str, int, int]],
) -> None:
    cluster = Cluster.of(3)
    for step, which, version in steps:
        if step == "start":
            if len(cluster.workers) < 4:
                cluster.start()
            continue
        if not cluster.workers:
            continue
        number = sorted(cluster.workers)[which % len(cluster.workers)]
        worker = cluster.workers[number]
        if step == "load":
            worker.load(version)
        elif step == "crash" and which == 0:
            cluster.crash(number)
        elif step == "speak" and worker.outbox:
            cluster.speak(number)
        elif step == "hear" and worker.inbox:
            worker.hear()
        cluster.ask_all()


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_in_the_end_all_serve_what_all_have_loaded(steps: list[tuple[str, int, int]]) -> None:
    cluster = Cluster.of(3)
    for step, which, version in steps:
        number = sorted(cluster.workers)[which % len(cluster.workers)]
        worker = cluster.workers[number]
        if step == "crash" and which == 0:
            cluster.crash(number)
            cluster.start()
        elif step == "load":
            worker.load(version)
        elif step == "speak" and worker.outbox:
            cluster.speak(number)
        elif step == "hear" and worker.inbox:
            worker.hear()

    for worker in cluster.workers.values():
        for version in (1, 2):
            worker.load(version)
    cluster.settle()

    assert len(cluster.serving()) == 3
    assert all(worker.versions == {1, 2} for worker in cluster.workers.values())
    assert not any(worker.holds for worker in cluster.workers.values())
