"""What the collector is spared, and that it still finds garbage."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from servable.server.garbage import SetAside


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def aside() -> Iterator[SetAside]:
    aside = SetAside()
    yield aside
    aside.stop()


def test_what_lives_is_set_aside_and_left_again(aside: SetAside) -> None:
    aside.after_change()
    assert gc.get_freeze_count() > 0
    aside.stop()
    assert gc.get_freeze_count() == 0


def test_garbage_since_the_last_change_is_found(aside: SetAside) -> None:
    aside.after_change()
    cycle = weakref.ref(Cycle())
    aside.after_change()
    assert cycle() is None


def test_garbage_that_was_set_aside_is_found_when_much_has_come_since(aside: SetAside) -> None:
    aside.after_change()
    kept = Cycle()
    cycle = weakref.ref(kept)
    aside.after_change()
    del kept
    many = [[] for _ in range(gc.get_freeze_count())]  # type: list[list[int]]
    aside.after_change()  # sets many aside
    aside.after_change()  # notices how many there are
    assert len(many) > 0
    assert cycle() is None


def test_other_threads_go_on_making_tuples(aside: SetAside) -> None:
    stop = threading.Event()
    made: list[int] = []

    def work() -> None:
        while not stop.is_set():
            made.append(len(tuple(number for number in range(200))))

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work) for _ in range(4)]
        for _ in range(40):
            aside.after_change()
        stop.set()
    for future in working:
        future.result()
    assert set(made) == {200}
