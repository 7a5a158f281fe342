"""Several processes change what requests find together: what one of them does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from lifecycle_stage import FakeLoader, Stage

from servable.contracts import ServableId
from servable.core.agreement import Change, Verb
from servable.core.manager import Manager

SERVE_1, SERVE_2, DROP_1 = (
    Change.of(verb, ServableId("m", version))
    for verb, version in ((Verb.SERVE, 1), (Verb.SERVE, 2), (Verb.DROP, 1))
)


class Others:
    """An agreement that the test decides about."""

    def __init__(self) -> None:
        self.agreed: set[Change] = set()
        self.log: list[tuple[str, Change]] = []
        self.held_up: list[str] = []
        self.at_made: Callable[[], None] = lambda: None

    def connect(self, wake: Callable[[], None]) -> None:
        del wake

    def may(self, change: Change, /) -> bool:
        return change in self.agreed

    def made(self, change: Change, /) -> None:
        self.log.append(("made", change))
        self.at_made()

    def withdraw(self, change: Change, /) -> bool:
        self.log.append(("withdraw", change))
        return change not in self.agreed

    def wait(self, model: str) -> None:
        self.held_up.append(model)

    @contextmanager
    def together(self, change: Change, /) -> Iterator[None]:
        yield
        self.made(change)

    def close(self) -> None:
        self.agreed.clear()


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.fixture
def stage(others: Others) -> Stage:
    stage = Stage()
    stage.manager = Manager(load_threads=0, unload_threads=0, clock=stage.clock, agreement=others)
    return stage


def test_a_loaded_version_is_found_when_the_others_have_it_too(
    stage: Stage, others: Others
) -> None:
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    assert (loader.calls, stage.served(), stage.states()) == (["load"], None, {1: "LOADING"})

    others.agreed.add(SERVE_1)
    stage.settle()
    assert (stage.served(), stage.states()) == (1, {1: "AVAILABLE"})
    assert others.log == [("made", SERVE_1)]


def test_the_old_version_is_served_until_the_others_drop_it(stage: Stage, others: Others) -> None:
    others.agreed |= {SERVE_1, SERVE_2}
    old = FakeLoader()
    stage.want("m", {1: old})
    stage.settle()
    stage.want("m", {2: FakeLoader()})
    stage.settle()
    assert (stage.served(), stage.served(1)) == (2, 1)

    others.agreed.add(DROP_1)
    stage.settle()
    assert stage.served(1) is None
    assert old.calls == ["load", "unload"]


def test_the_old_version_stays_while_the_new_one_waits(stage: Stage, others: Others) -> None:
    others.agreed |= {SERVE_1, DROP_1}
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {2: FakeLoader()})
    stage.settle()

    assert stage.served() == 1


def test_a_version_that_is_not_wanted_any_more_is_taken_back(stage: Stage, others: Others) -> None:
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    stage.want("m", {})
    stage.settle()

    assert others.log == [("withdraw", SERVE_1)]
    assert loader.calls == ["load", "unload"]
    assert stage.states() == {1: "END"}


def test_what_can_not_be_taken_back_is_served_and_then_dropped(
    stage: Stage, others: Others
) -> None:
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    others.agreed |= {SERVE_1, DROP_1}
    stage.want("m", {})
    stage.settle()

    assert others.log == [("withdraw", SERVE_1), ("made", SERVE_1), ("made", DROP_1)]
    assert loader.calls == ["load", "unload"]


def test_a_change_is_reported_when_requests_notice_it(stage: Stage, others: Others) -> None:
    seen: list[int | None] = []
    others.at_made = lambda: seen.append(stage.served(1))
    others.agreed |= {SERVE_1, DROP_1}
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {})
    stage.settle()

    assert seen == [1, None]


def test_only_requests_that_name_no_version_are_held_up(stage: Stage, others: Others) -> None:
    others.agreed.add(SERVE_1)
    stage.want("m", {1: FakeLoader()})
    stage.settle()

    stage.served(1)
    assert others.held_up == []
    stage.served()
    stage.manager.labels("m")
    assert others.held_up == ["m", "m"]
