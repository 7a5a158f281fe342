"""The manager, step by step: what is wanted, served, told and waited for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from lifecycle_stage import FakeLoader, Stage

from servable.contracts import ServableId
from servable.core.events import EventBus
from servable.core.handle import Handle, ReadyVersion
from servable.core.manager import Manager
from servable.core.policy import Action, Snapshot, availability_preserving, resource_preserving
from servable.errors import DataLoss, FailedPrecondition, Internal, NotFound, Unavailable


def test_a_healthy_life_is_told_in_order() -> None:
    stage = Stage()
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    assert stage.served() == 1
    stage.want("m", {})
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
    assert [event.error for event in stage.events] == [None] * 5
    assert loader.calls == ["load", "unload"]
    assert stage.served() is None


def test_who_reads_available_can_send_a_request_until_unloading_is_told() -> None:
    stage = Stage()
    served: dict[str, int | None] = {}
    bus = EventBus(stage.clock)
    bus.subscribe(lambda event: served.update({event.state: stage.served()}))
    stage.manager = Manager(load_threads=0, unload_threads=0, clock=stage.clock, bus=bus)
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {})
    stage.settle()
    assert served == {"START": None, "LOADING": None, "AVAILABLE": 1, "UNLOADING": 1, "END": None}


@pytest.mark.parametrize(
    ("name", "version", "wanted", "hint"),
    [
        ("nobody", None, "Latest(nobody)", "Models ready here: m."),
        ("nobody", 3, "Specific(nobody, 3)", "Models ready here: m."),
        ("m", 7, "Specific(m, 7)", "Versions of m: 1 is AVAILABLE."),
    ],
)
def test_an_unknown_name_or_version_is_not_found(
    name: str, version: int | None, wanted: str, hint: str
) -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    with pytest.raises(NotFound) as raised:
        stage.manager.acquire(name, version)
    assert str(raised.value) == f"Servable not found for request: {wanted}"
    assert raised.value.hint == hint


def test_latest_is_the_highest_ready_version_and_zero_is_a_version() -> None:
    stage = Stage()
    stage.want("m", {0: FakeLoader()})
    stage.settle()
    assert (stage.served(), stage.served(0)) == (0, 0)
    stage.want("m", {0: FakeLoader(), 10: FakeLoader(), -1: FakeLoader(), 9: FakeLoader()})
    stage.settle()
    assert stage.served() == 10
    stage.want("m", {-1: FakeLoader()})
    stage.settle()
    assert (stage.served(), stage.served(10)) == (-1, None)


def test_removing_some_versions_unloads_only_those() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader(), 2: FakeLoader(), 3: FakeLoader()})
    stage.settle()
    stage.want("m", {2: FakeLoader()})
    stage.settle()
    assert stage.states() == {3: "END", 2: "AVAILABLE", 1: "END"}


def test_going_back_to_a_smaller_number_works() -> None:
    stage = Stage()
    stage.want("m", {2: FakeLoader()})
    stage.settle()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    assert stage.states() == {2: "END", 1: "AVAILABLE"}
    assert stage.served() == 1


def test_a_version_that_comes_with_an_error_ends_at_once_and_is_never_loaded() -> None:
    stage = Stage()
    error = Internal("No platform found for model")
    stage.want("m", {1: error, 2: FakeLoader()})
    stage.settle()
    assert stage.told(1) == ["END"]
    assert stage.error(1) is error
    assert stage.served(1) is None
    assert stage.served() == 2


def test_a_wanted_version_is_left_alone_when_it_is_offered_again() -> None:
    stage = Stage()
    first, again = FakeLoader(), FakeLoader()
    stage.want("m", {1: first})
    stage.settle()
    stage.want("m", {1: again})
    stage.settle()
    assert (first.calls, again.calls) == (["load"], [])


def test_the_old_version_serves_until_the_new_one_is_ready() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {2: FakeLoader(Unavailable("not yet"))})
    stage.settle()
    assert stage.states() == {2: "LOADING", 1: "AVAILABLE"}
    assert stage.served() == 1
    stage.wait(60)
    assert stage.states() == {2: "AVAILABLE", 1: "END"}


def test_a_version_that_fails_for_good_does_not_evict_the_last_old_one() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader(), 2: FakeLoader()})
    stage.settle()
    stage.want("m", {3: FakeLoader(*[DataLoss("torn")] * 3)})
    stage.settle()
    stage.wait(60)
    stage.wait(60)
    assert stage.states() == {3: "END", 2: "AVAILABLE", 1: "END"}
    stage.want("m", {4: FakeLoader()})
    stage.settle()
    assert stage.states() == {4: "AVAILABLE", 3: "END", 2: "END", 1: "END"}


def test_resource_preserving_unloads_first() -> None:
    stage = Stage(resource_preserving)
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {2: FakeLoader()})
    stage.settle()
    order = [(e.id.version, str(e.state)) for e in stage.events]
    assert order.index((1, "END")) < order.index((2, "LOADING"))


def test_unloads_come_before_loads_of_other_models() -> None:
    stage = Stage()
    stage.want("z", {1: FakeLoader()})
    stage.settle()
    stage.want("a", {1: FakeLoader()})
    stage.want("z", {})
    stage.settle()
    order = [(e.id.name, str(e.state)) for e in stage.events]
    assert order.index(("z", "UNLOADING")) < order.index(("a", "LOADING"))


def test_the_policy_sees_versions_that_have_ended() -> None:
    seen: set[tuple[int, str, bool]] = set()

    def spy(versions: Sequence[Snapshot]) -> Action | None:
        seen.update((v.id.version, str(v.state), v.aspired) for v in versions)
        return availability_preserving(versions)

    stage = Stage(spy)
    stage.want("m", {1: FakeLoader(), 2: Internal("no")})
    stage.settle()
    stage.want("m", {})
    stage.settle()
    assert {(1, "new", True), (2, "error", True), (2, "error", False), (1, "ready", False)} <= seen


# A version that is wanted again while its earlier instance is on its way out


def test_wanted_again_while_serving() -> None:
    stage = Stage()
    old, new, other = FakeLoader(), FakeLoader(), FakeLoader()
    stage.want("m", {1: old})
    stage.settle()
    with stage.manager.acquire("m") as handle:
        stage.want("m", {})
        stage.settle()
        stage.want("m", {1: new, 2: other})
        stage.settle()
        # The list waits as a whole until the last request on the old instance is done.
        assert handle.servable is old.servable()
        assert stage.states() == {1: "UNLOADING"}
        assert (old.calls, new.calls, other.calls) == (["load"], [], [])
    stage.settle()
    assert (old.calls, new.calls, other.calls) == (["load", "unload"], ["load"], ["load"])
    assert stage.states() == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_wanted_again_while_loading() -> None:
    stage = Stage()
    old, new = FakeLoader(Unavailable("not yet")), FakeLoader()
    stage.want("m", {1: old})
    stage.settle()
    stage.want("m", {})
    stage.want("m", {1: new})
    stage.settle()
    assert (old.calls, new.calls) == (["load"], ["load"])
    assert stage.told(1) == ["START", "LOADING", "END", "START", "LOADING", "AVAILABLE"]


def test_wanted_again_before_it_was_loaded() -> None:
    stage = Stage()
    old, new = FakeLoader(), FakeLoader()
    stage.want("m", {1: old})
    stage.want("m", {})
    stage.want("m", {1: new})
    stage.settle()
    assert (old.calls, new.calls) == ([], ["load"])


def test_only_the_latest_list_counts_when_lists_have_to_wait() -> None:
    stage = Stage()
    never = FakeLoader()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    with stage.manager.acquire("m"):
        stage.want("m", {})
        stage.settle()
        stage.want("m", {1: FakeLoader(), 5: never})
        stage.settle()
        stage.want("m", {1: FakeLoader(), 6: FakeLoader()})
        stage.settle()
    stage.settle()
    assert stage.states() == {6: "AVAILABLE", 1: "AVAILABLE"}
    assert never.calls == []


# Handles


def test_a_version_is_unloaded_after_its_last_handle_and_delays_no_other() -> None:
    stage = Stage()
    old = FakeLoader()
    stage.want("m", {1: old})
    stage.want("n", {1: FakeLoader()})
    stage.settle()
    with stage.manager.acquire("m"):
        stage.want("m", {2: FakeLoader()})
        stage.want("n", {2: FakeLoader()})
        stage.settle()
        assert stage.states("m") == {2: "AVAILABLE", 1: "UNLOADING"}
        assert stage.states("n") == {2: "AVAILABLE", 1: "END"}
        assert stage.served(1) is None
        assert old.calls == ["load"]
    stage.settle()
    assert old.calls == ["load", "unload"]
    assert stage.states("m") == {2: "AVAILABLE", 1: "END"}


def test_a_request_that_found_a_version_just_before_its_unloading_gets_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    old = FakeLoader()
    stage.want("m", {1: old})
    stage.settle()
    pin = ReadyVersion.pin

    def late_pin(version: ReadyVersion) -> Handle | None:
        monkeypatch.undo()
        stage.want("m", {2: FakeLoader()})
        stage.settle()
        assert old.calls == ["load", "unload"]
        return pin(version)

    monkeypatch.setattr(ReadyVersion, "pin", late_pin)
    assert stage.served() == 2


# Versions that are not complete yet


def test_an_incomplete_version_is_shown_as_start_with_its_reason_until_it_is_wanted() -> None:
    stage = Stage()
    reason = DataLoss("missing shard")
    stage.manager.note_incomplete(ServableId("m", 2), reason)
    stage.settle()
    assert stage.states() == {2: "START"}
    assert stage.error(2) is reason
    stage.want("m", {2: FakeLoader()})
    stage.settle()
    assert stage.states() == {2: "AVAILABLE"}
    assert stage.error(2) is None


def test_an_incomplete_version_that_disappears_ends_with_its_reason() -> None:
    stage = Stage()
    reason = DataLoss("missing shard")
    stage.manager.note_incomplete(ServableId("m", 2), reason)
    stage.manager.note_incomplete(ServableId("m", 2), None)
    stage.settle()
    assert stage.states() == {2: "END"}
    assert stage.error(2) is reason


def test_a_version_that_has_ended_does_not_end_again() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {})
    stage.settle()
    told = stage.told(1)
    stage.manager.note_incomplete(ServableId("m", 1), None)
    stage.settle()
    assert stage.told(1) == told


def test_a_note_on_a_version_that_is_going_is_shown_when_it_has_gone() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    reason = DataLoss("torn")
    stage.want("m", {})
    stage.manager.note_incomplete(ServableId("m", 1), reason)
    stage.settle()
    assert stage.states() == {1: "START"}
    assert stage.error(1) is reason


def test_a_note_on_a_version_that_is_served_changes_nothing() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.manager.note_incomplete(ServableId("m", 1), DataLoss("torn"))
    stage.manager.note_incomplete(ServableId("m", 1), None)
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "AVAILABLE"]


# Waiting for models


def test_a_name_is_settled_when_a_wanted_version_is_available_or_has_ended() -> None:
    stage = Stage()
    manager = stage.manager
    error = Internal("No platform found for model")
    assert manager.wait_until_settled([], 0)
    assert not manager.wait_until_settled(["m"], 0)
    stage.want("m", {1: FakeLoader()})
    assert not manager.wait_until_settled(["m"], 0)
    stage.want("n", {1: FakeLoader(), 2: error})
    stage.settle()
    assert manager.wait_until_settled(["m", "n"], 0)
    assert not manager.wait_until_settled(["m", "n", "nobody"], 0)
    (failure,) = manager.failures(["m", "n", "nobody"])
    assert (failure.id, failure.error) == (ServableId("n", 2), error)


def test_the_end_of_an_earlier_life_does_not_settle_a_model_that_was_added_again() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader(), 2: Internal("no")})
    stage.settle()
    stage.want("m", {})
    stage.settle()
    assert not stage.manager.wait_until_settled(["m"], 0)
    assert stage.manager.failures(["m"]) == []
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    assert stage.manager.wait_until_settled(["m"], 0)
    assert stage.manager.failures(["m"]) == []


# Stopping


def test_stopping_unloads_everything_and_may_be_said_twice() -> None:
    stage = Stage()
    waiting, loaders = FakeLoader(Unavailable("not yet")), [FakeLoader(), FakeLoader()]
    stage.want("m", {1: loaders[0], 2: loaders[1]})
    stage.want("n", {1: waiting})
    stage.settle()
    stage.manager.stop()
    stage.manager.stop()
    assert [loader.calls for loader in loaders] == [["load", "unload"]] * 2
    assert waiting.calls == ["load"]
    assert stage.served() is None
    assert (stage.states("m"), stage.states("n")) == ({2: "END", 1: "END"}, {1: "END"})
    assert stage.manager.names() == ["m", "n"]


def test_a_manager_that_was_stopped_loads_nothing_more() -> None:
    stage = Stage()
    stage.manager.stop()
    with pytest.raises(FailedPrecondition):
        stage.manager.start()
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    assert loader.calls == []


def test_a_handle_that_never_comes_back_does_not_stop_the_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.settle()
    with stage.manager.acquire("m") as handle:
        stage.manager.stop(drain_seconds=0)
        assert handle.servable is loader.servable()
    assert loader.calls == ["load"]
    assert "m 1: still quiescing when the manager stopped" in caplog.text
