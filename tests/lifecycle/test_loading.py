"""Loads that fail, are given up, or find no memory; step by step with a fake clock."""

from __future__ import annotations

import pytest
from lifecycle_stage import FakeLoader, MindChangingLoader, Stage

from servable.contracts import ServableData, ServableId
from servable.core.manager import Manager
from servable.core.policy import resource_preserving
from servable.errors import (
    Cancelled,
    DataLoss,
    Internal,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
)


def test_one_failure_is_shown_until_the_next_attempt_succeeds() -> None:
    stage = Stage()
    loader = FakeLoader(Unavailable("not yet"))
    stage.want("m", {1: loader})
    stage.settle()
    assert stage.states() == {1: "LOADING"}
    assert str(stage.error(1)) == "not yet"
    stage.wait(59)
    assert loader.calls == ["load"]
    stage.wait(1)
    assert stage.told(1) == ["START", "LOADING", "AVAILABLE"]
    assert stage.error(1) is None


def test_a_version_ends_with_its_last_error_after_all_attempts() -> None:
    stage = Stage()
    last = DataLoss("third")
    loader = FakeLoader(Unavailable("first"), ValueError("second"), last)
    stage.want("m", {1: loader})
    stage.settle()
    stage.wait(60)
    assert stage.states() == {1: "LOADING"}
    stage.wait(60)
    assert stage.told(1) == ["START", "LOADING", "END"]
    assert stage.error(1) is last
    stage.want("m", {1: FakeLoader()})
    stage.wait(1000)
    assert stage.states() == {1: "END"}
    assert loader.calls == ["load"] * 3


def test_what_no_further_attempt_can_mend_ends_at_once() -> None:
    stage = Stage()
    loader = FakeLoader(Unimplemented("an op outside the list"))
    stage.want("m", {1: loader})
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "END"]
    assert loader.calls == ["load"]


def test_a_version_that_ended_badly_is_loaded_again_after_it_went_away() -> None:
    stage = Stage()
    stage.want("m", {1: Internal("no")})
    stage.settle()
    stage.want("m", {})
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    assert stage.told(1) == ["END", "START", "LOADING", "AVAILABLE"]


@pytest.mark.parametrize("failures", [1, 3])  # one attempt, and all of them
def test_a_version_that_failed_is_tried_again_while_the_one_before_answers(failures: int) -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.want("m", {2: FakeLoader(*[DataLoss("damaged")] * failures)})
    stage.settle()
    for _ in range(failures - 1):
        stage.wait(60)
    assert str(stage.error(2)) == "damaged"
    assert stage.served() == 1

    id = ServableId("m", 2)
    stage.manager.set_aspired_versions("m", [ServableData(id, FakeLoader(), again=True)])
    stage.settle()
    assert stage.served() == 2
    assert stage.error(2) is None


def test_trying_again_leaves_what_is_loaded_alone() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    other = FakeLoader()
    stage.manager.set_aspired_versions("m", [ServableData(ServableId("m", 1), other, again=True)])
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "AVAILABLE"]
    assert other.calls == []


def test_a_pause_between_attempts_delays_nobody_else() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader(Unavailable("not yet"))})
    stage.want("n", {1: FakeLoader()})
    stage.settle()
    assert stage.served(name="n") == 1


def test_a_negative_pause_is_none() -> None:
    stage = Stage()
    stage.manager = Manager(
        load_threads=0, max_load_retries=1, load_retry_seconds=-1, clock=stage.clock
    )
    stage.want("m", {1: FakeLoader(Unavailable("not yet"))})
    stage.settle()
    assert stage.states() == {1: "AVAILABLE"}


def test_a_version_that_is_no_longer_wanted_is_not_tried_again() -> None:
    stage = Stage()
    error = Unavailable("not yet")
    loader = FakeLoader(error)
    stage.want("m", {1: loader})
    stage.settle()
    stage.want("m", {})
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "END"]
    assert stage.error(1) is error
    stage.wait(1000)
    assert loader.calls == ["load"]


def test_a_load_that_succeeds_too_late_is_undone_and_never_served() -> None:
    stage = Stage()

    loader = MindChangingLoader(lambda: stage.want("m", {}))
    stage.want("m", {1: loader})
    stage.settle()
    assert stage.told(1) == ["START", "LOADING", "END"]
    assert stage.error(1).__class__ is Cancelled
    assert str(stage.error(1)) == "Loading of servable cancelled"
    assert loader.calls == ["load", "unload"]


def test_a_version_that_is_dropped_before_its_load_is_never_loaded() -> None:
    stage = Stage()
    loader = FakeLoader()
    stage.want("m", {1: loader})
    stage.want("m", {})
    stage.settle()
    assert stage.told(1) == ["START", "END"]
    assert isinstance(stage.error(1), Cancelled)
    assert loader.calls == []


# Memory


def test_without_a_limit_no_estimate_is_asked_for() -> None:
    stage = Stage()
    loader = FakeLoader(size=10**30)
    stage.want("m", {1: loader})
    stage.settle()
    assert loader.calls == ["load"]


def test_a_version_that_does_not_fit_ends_without_loading() -> None:
    stage = Stage(memory_limit_bytes=10)
    stage.want("m", {1: FakeLoader(size=6)})
    stage.settle()
    loader = FakeLoader(size=5)
    stage.want("n", {1: loader})
    stage.settle()
    assert stage.told(1, "n") == ["START", "END"]
    error = stage.error(1, "n")
    assert isinstance(error, ResourceExhausted)
    assert str(error) == "Insufficient resources to load servable {name: n version: 1}"
    assert loader.calls == ["estimate"]


def test_memory_of_an_unloaded_version_is_free_again() -> None:
    stage = Stage(resource_preserving, memory_limit_bytes=10)
    for version in (1, 2, 3):
        stage.want("m", {version: FakeLoader(size=6)})
        stage.settle()
    assert stage.states() == {3: "AVAILABLE", 2: "END", 1: "END"}


def test_memory_of_a_version_that_ended_badly_is_free_again() -> None:
    stage = Stage(memory_limit_bytes=10)
    stage.want("m", {1: FakeLoader(*[DataLoss("torn")] * 3, size=6)})
    for _ in range(3):
        stage.wait(60)
    stage.want("m", {2: FakeLoader(size=6)})
    stage.settle()
    assert stage.states() == {2: "AVAILABLE", 1: "END"}


def test_a_version_waits_for_memory_that_an_unload_is_about_to_free() -> None:
    stage = Stage(memory_limit_bytes=10)
    stage.want("m", {1: FakeLoader(size=6)})
    stage.settle()
    with stage.manager.acquire("m"):
        stage.want("m", {})
        stage.want("n", {1: FakeLoader(size=6)})
        stage.settle()
        assert stage.states("n") == {1: "START"}
    stage.settle()
    assert stage.states("n") == {1: "AVAILABLE"}


def test_versions_do_not_wait_for_each_other_to_give_memory_back() -> None:
    stage = Stage(memory_limit_bytes=10)
    stage.want("m", {1: FakeLoader(size=6)})
    stage.settle()
    stage.want("n", {1: FakeLoader(size=6)})
    stage.want("o", {1: FakeLoader(size=6)})
    stage.settle()
    assert (stage.states("n"), stage.states("o")) == ({1: "END"}, {1: "END"})


def test_an_estimate_that_fails_is_tried_again() -> None:
    class Unsure(FakeLoader):
        def estimate_resources(self) -> int:
            if super().estimate_resources() and len(self.calls) == 1:
                raise Unavailable("cannot list")
            return 1

    stage = Stage(memory_limit_bytes=10)
    loader = Unsure()
    stage.want("m", {1: loader})
    stage.settle()
    assert stage.states() == {1: "START"}
    stage.wait(60)
    assert loader.calls == ["estimate", "estimate", "load"]
    assert stage.states() == {1: "AVAILABLE"}
