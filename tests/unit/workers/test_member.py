"""A worker's side: what it says, when it may change something, and which requests wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from servable.core.agreement import Change, Verb
from servable.errors import Cancelled, Unavailable
from servable.workers import member as module
from servable.workers.member import Member
from servable.workers.messages import Held, Made, Ready, ToSupervisor, Withdrawn

SERVE = Change(Verb.SERVE, "m", "1")
CONFIGURE = Change(Verb.CONFIGURE, "", "x")
PATIENCE = 60.0


class Said:
    """What a member says."""

    def __init__(self) -> None:
        self.messages: list[ToSupervisor] = []
        self.member = Member(self.messages.append)


@pytest.fixture
def said() -> Said:
    return Said()


def test_it_asks_once_and_may_when_it_is_told_to_switch(said: Said) -> None:
    woken = threading.Event()
    said.member.connect(woken.set)

    assert not said.member.may(SERVE)
    assert not said.member.may(SERVE)
    said.member.switch(SERVE)

    assert woken.is_set()
    assert said.member.may(SERVE)
    said.member.made(SERVE)
    assert said.messages == [Ready(SERVE), Made(SERVE)]


def test_it_can_withdraw_until_it_is_told_to_switch(said: Said) -> None:
    said.member.may(SERVE)
    assert said.member.withdraw(SERVE)
    assert said.messages == [Ready(SERVE), Withdrawn(SERVE)]

    said.member.may(SERVE)
    said.member.switch(SERVE)
    assert not said.member.withdraw(SERVE)


@pytest.mark.parametrize("change", [SERVE, CONFIGURE])
@pytest.mark.parametrize("end", ["made", "release", "close"])
def test_requests_to_the_model_wait_until_the_change_is_made_or_given_up(
    said: Said, change: Change, end: str
) -> None:
    said.member.may(change)
    said.member.hold(change)
    assert said.messages[-1] == Held(change)
    order: list[str] = []

    def ask() -> None:
        said.member.wait("m")
        order.append("answered")

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask)
        order.append("changed")
        if end == "close":
            said.member.close()
        else:
            getattr(said.member, end)(change)
        asked.result(PATIENCE)

    assert order == ["changed", "answered"]


def test_requests_to_other_models_do_not_wait(said: Said) -> None:
    said.member.may(SERVE)
    said.member.hold(SERVE)

    said.member.wait("another")


def test_requests_do_not_wait_for_ever(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_HELD_SECONDS", 0.0)
    said.member.may(SERVE)
    said.member.hold(SERVE)

    said.member.wait("m")


def test_a_configuration_that_others_do_not_have_is_not_applied(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOGETHER_SECONDS", 0.0)

    with pytest.raises(Unavailable, match="configuration"), said.member.together(CONFIGURE):
        raise AssertionError("it was applied")
    assert said.messages == [Ready(CONFIGURE), Withdrawn(CONFIGURE)]


def test_a_configuration_is_applied_when_all_have_it(said: Said) -> None:
    with ThreadPoolExecutor(1) as threads:
        said.member.may(CONFIGURE)
        threads.submit(said.member.switch, CONFIGURE)
        with said.member.together(CONFIGURE):
            assert Made(CONFIGURE) not in said.messages
    assert said.messages == [Ready(CONFIGURE), Made(CONFIGURE)]


def test_a_worker_that_stops_asks_nobody_serves_nothing_new_and_drops_all(said: Said) -> None:
    said.member.close()

    assert not said.member.may(SERVE)
    assert said.member.withdraw(SERVE)
    assert said.member.may(Change(Verb.DROP, "m", "1"))
    with pytest.raises(Cancelled), said.member.together(CONFIGURE):
        raise AssertionError("it was applied")
    assert said.messages == []


def test_a_worker_that_stops_does_not_blame_the_others_for_what_it_waited_for() -> None:
    member = Member(lambda message: member.close() if message == Ready(CONFIGURE) else None)

    with pytest.raises(Cancelled, match="stopping"), member.together(CONFIGURE):
        raise AssertionError("it was applied")
