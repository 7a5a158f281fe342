"""How long a model is waited for whose files are not fit to be loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from lifecycle_stage import FakeClock, FakeLoader

from servable.contracts import Loader, ServableData, ServableId
from servable.core.manager import Manager
from servable.errors import DataLoss, ServableError, Unavailable, Underway
from servable.server.outcomes import LEAST_PATIENCE_SECONDS, Outcomes

NOT_YET = Unavailable("INCOMPLETE: shard 1 missing")
PATIENCE = 300.0


class Waiting:
    """A manager whose rounds are made by hand, and somebody who waits for its models."""

    def __init__(self, patience_seconds: float = PATIENCE) -> None:
        self.clock = FakeClock()
        self.manager = Manager(load_threads=0, unload_threads=0, clock=self.clock)
        self.outcomes = Outcomes(self.manager, patience_seconds, self.clock.monotonic)

    def note(self, version: int, error: ServableError | None, name: str = "m") -> None:
        self.manager.note_incomplete(ServableId(name, version), error)
        self.settle()

    def offer(self, *versions: int, name: str = "m") -> None:
        listed: list[ServableData[Loader]] = [
            ServableData(ServableId(name, v), FakeLoader()) for v in versions
        ]
        self.manager.set_aspired_versions(name, listed)
        self.settle()

    def settle(self) -> None:
        while self.manager.tick():
            pass

    def over(self, *names: str, after: float = 0.0) -> bool:
        self.outcomes.wait(names or ["m"], 0)
        self.clock.now += after
        return self.outcomes.wait(names or ["m"], 0)

    def failed(self, *names: str) -> list[tuple[int, ServableError | None]]:
        return [(s.id.version, s.error) for s in self.outcomes.failures(names or ["m"])]


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.manager.stop()


def test_an_incomplete_version_is_given_as_long_as_retries_would_take(waiting: Waiting) -> None:
    waiting.note(3, NOT_YET)
    assert not waiting.over(after=PATIENCE - 1)
    assert waiting.failed() == []
    assert waiting.over(after=1)
    assert waiting.failed() == [(3, NOT_YET)]


def test_a_version_that_becomes_whole_in_time_is_a_success(waiting: Waiting) -> None:
    waiting.note(1, NOT_YET)
    assert not waiting.over(after=PATIENCE - 1)
    waiting.offer(1)
    assert waiting.over(after=PATIENCE)
    assert waiting.failed() == []


def test_a_version_that_becomes_whole_later_is_no_failure_any_more(waiting: Waiting) -> None:
    waiting.note(1, NOT_YET)
    assert waiting.over(after=PATIENCE)
    waiting.offer(1)
    assert waiting.failed() == []


def test_a_lower_version_that_can_be_served_makes_up_for_a_broken_one(waiting: Waiting) -> None:
    waiting.note(2, DataLoss("checksum"))
    waiting.offer(1)
    assert waiting.over(after=2 * PATIENCE)
    assert waiting.failed() == []


def test_the_highest_of_several_broken_versions_is_named(waiting: Waiting) -> None:
    damaged = DataLoss("checksum")
    waiting.note(1, NOT_YET)
    waiting.note(2, damaged)
    assert waiting.over(after=PATIENCE)
    assert waiting.failed() == [(2, damaged)]


def test_a_model_without_versions_is_waited_for(waiting: Waiting) -> None:
    assert not waiting.over(after=10 * PATIENCE)
    waiting.note(1, NOT_YET)
    waiting.note(1, None)  # it is gone again
    assert not waiting.over(after=10 * PATIENCE)


def test_time_counts_from_when_the_version_was_first_seen_broken(waiting: Waiting) -> None:
    assert not waiting.over(after=PATIENCE)
    waiting.note(1, NOT_YET)
    assert not waiting.over(after=PATIENCE - 1)
    waiting.note(1, DataLoss("checksum"))  # another reason, the same wait
    assert waiting.over(after=1)


def test_nothing_is_over_until_every_model_has_an_outcome(waiting: Waiting) -> None:
    waiting.note(1, NOT_YET, name="broken")
    assert not waiting.over("broken", "good", after=PATIENCE)
    waiting.offer(1, name="good")
    assert waiting.over("broken", "good")
    assert waiting.failed("broken", "good") == [(1, NOT_YET)]


def test_without_retries_there_is_still_time_to_offer_a_lower_version() -> None:
    waiting = Waiting(patience_seconds=0)
    waiting.note(2, NOT_YET)
    assert not waiting.over()
    waiting.offer(1)
    assert waiting.over(after=LEAST_PATIENCE_SECONDS)
    assert waiting.failed() == []


def test_who_waits_without_a_limit_is_woken_when_the_model_is_there() -> None:
    manager = Manager(tick_seconds=0.01)
    manager.start()
    settled: list[bool] = []
    outcomes = Outcomes(manager, PATIENCE)
    waiter = threading.Thread(target=lambda: settled.append(outcomes.wait(["m"], None)))
    waiter.start()
    data: ServableData[Loader] = ServableData(ServableId("m", 1), FakeLoader())
    manager.set_aspired_versions("m", [data])
    waiter.join()
    manager.stop()
    assert settled == [True]


def test_a_version_that_is_being_fetched_is_waited_for(waiting: Waiting) -> None:
    waiting.note(1, Underway("It is being fetched."))
    assert not waiting.over(after=10 * PATIENCE)
    assert waiting.failed() == []


def test_attempts_to_fetch_a_version_do_not_begin_its_time_anew(waiting: Waiting) -> None:
    waiting.note(1, NOT_YET)
    assert not waiting.over(after=PATIENCE - 1)
    waiting.note(1, Underway("It is being fetched."))
    assert not waiting.over(after=1)
    waiting.note(1, NOT_YET)
    assert waiting.over()
