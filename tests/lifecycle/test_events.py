"""What listeners and status pages get to know."""

from __future__ import annotations

import pytest
from lifecycle_stage import FakeClock

from servable.contracts import ServableId
from servable.core.events import Event, EventBus, StateMonitor
from servable.core.states import VersionState
from servable.errors import DataLoss

ONE = ServableId("digits", 1)
TWO = ServableId("digits", 2)


def test_listeners_hear_in_their_order_before_publish_returns_with_the_wall_time() -> None:
    clock = FakeClock()
    clock.now = 1000.25
    bus = EventBus(clock)
    heard: list[tuple[str, Event]] = []
    bus.subscribe(lambda event: heard.append(("first", event)))
    bus.subscribe(lambda event: heard.append(("second", event)))
    bus.publish(ONE, VersionState.START)
    event = Event(ONE, VersionState.START, None, 1000.25)
    assert heard == [("first", event), ("second", event)]


def test_a_broken_listener_is_logged_and_the_others_still_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = EventBus(FakeClock())
    heard: list[Event] = []

    def broken(_event: Event) -> None:
        raise RuntimeError("metrics are down")

    bus.subscribe(broken)
    bus.subscribe(heard.append)
    bus.publish(ONE, VersionState.AVAILABLE)
    assert [event.state for event in heard] == [VersionState.AVAILABLE]
    assert "metrics are down" in caplog.text


def test_the_monitor_keeps_the_last_event_of_each_version_highest_first() -> None:
    bus, monitor = EventBus(FakeClock()), StateMonitor()
    bus.subscribe(monitor.record)
    error = DataLoss("torn")
    bus.publish(ONE, VersionState.START)
    bus.publish(TWO, VersionState.START)
    bus.publish(ServableId("other", 7), VersionState.LOADING)
    bus.publish(ONE, VersionState.END, error)
    assert [(e.id.version, e.state, e.error) for e in monitor.versions("digits")] == [
        (2, "START", None),
        (1, "END", error),
    ]
    assert monitor.names() == ["digits", "other"]
    assert monitor.versions("nobody") == []
    assert monitor.version(ServableId("digits", 3)) is None
