"""Labels: when they are given, when they move, and when they are refused."""

from __future__ import annotations

import threading

import pytest
from lifecycle_stage import FakeLoader, Stage

from servable.contracts import ModelSpec, ServableId
from servable.core.events import Event
from servable.core.labels import LabelRule, Labels
from servable.core.states import VersionState
from servable.errors import FailedPrecondition, ServableError
from servable.handlers.resolve import acquire

WHEN_READY, READY_ONLY, NEW_ANYWHERE = LabelRule


class Desk:
    """Labels, and the versions that are available."""

    def __init__(self, *available: int) -> None:
        self.available = set(available)
        self.labels = Labels(lambda id: id.version in self.available)

    def becomes(self, version: int, state: VersionState = VersionState.AVAILABLE) -> None:
        if state is VersionState.AVAILABLE:
            self.available.add(version)
        self.labels.note(Event(ServableId("m", version), state, None, 0.0))

    def given(self) -> dict[str, int]:
        return dict(self.labels.given("m"))


@pytest.mark.parametrize(
    ("rule", "before", "wanted", "available", "given"),
    [
        (WHEN_READY, {}, {"a": 1}, [], {}),
        (WHEN_READY, {}, {"a": 1, "b": 2}, [2], {"b": 2}),
        (WHEN_READY, {"a": 1}, {"a": 2}, [1], {"a": 1}),
        (WHEN_READY, {"a": 1}, {"a": 2}, [1, 2], {"a": 2}),
        (WHEN_READY, {"a": 1}, {"a": 1}, [], {"a": 1}),
        (WHEN_READY, {"a": 1}, {}, [1], {}),
        (READY_ONLY, {"a": 1}, {"a": 2, "b": 1}, [1, 2], {"a": 2, "b": 1}),
        (READY_ONLY, {"a": 1}, {"b": 1}, [1], {"b": 1}),
        (READY_ONLY, {}, {"a": 1}, [], None),
        (READY_ONLY, {"a": 1}, {"a": 1}, [], None),
        (READY_ONLY, {"a": 1}, {"a": 1, "b": 3}, [1], None),
        (NEW_ANYWHERE, {}, {"a": 1}, [], {"a": 1}),
        (NEW_ANYWHERE, {"a": 1}, {"a": 1}, [], {"a": 1}),
        (NEW_ANYWHERE, {"a": 1}, {"a": 2}, [2], {"a": 2}),
        (NEW_ANYWHERE, {"a": 1}, {"a": 2}, [1], None),
    ],
)
def test_which_labels_are_given(
    rule: LabelRule,
    before: dict[str, int],
    wanted: dict[str, int],
    available: list[int],
    given: dict[str, int] | None,
) -> None:
    desk = Desk(*before.values())
    desk.labels.replace({"m": before, "other": {}}, READY_ONLY)
    desk.available = set(available)

    if given is None:
        with pytest.raises(FailedPrecondition):
            desk.labels.replace({"m": wanted}, rule)
    else:
        desk.labels.replace({"m": wanted}, rule)

    assert desk.given() == (before if given is None else given)


def test_the_peers_text_names_model_and_version() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        Desk().labels.replace({"m": {"stable": 7}}, READY_ONLY)

    assert caught.value.message == (
        "Request to assign label to version 7 of model m, which is not currently available for "
        "inference"
    )


def test_a_label_that_waits_is_given_when_its_version_is_available() -> None:
    desk = Desk(1)
    desk.labels.replace({"m": {"a": 2, "b": 3, "c": 1}}, WHEN_READY)
    for state in (VersionState.START, VersionState.LOADING, VersionState.END):
        desk.becomes(2, state)
    assert desk.given() == {"c": 1}

    desk.becomes(2)
    assert desk.given() == {"c": 1, "a": 2}

    desk.becomes(3)
    assert desk.given() == {"c": 1, "a": 2, "b": 3}


def test_a_label_does_not_come_back_to_a_version_that_it_was_taken_from() -> None:
    desk = Desk()
    desk.labels.replace({"m": {"a": 2}}, WHEN_READY)
    desk.labels.replace({"m": {"a": 3}}, WHEN_READY)
    desk.becomes(2)
    assert desk.given() == {}

    desk.becomes(3)
    desk.becomes(2)
    assert desk.given() == {"a": 3}


def test_labels_of_models_that_are_not_mentioned_vanish() -> None:
    desk = Desk(1)
    desk.labels.replace({"m": {"a": 1}}, READY_ONLY)
    desk.labels.replace({"other": {"a": 1}}, READY_ONLY)

    assert desk.given() == {}
    assert desk.labels.given("other") == {"a": 1}


def asked(stage: Stage, label: str) -> int | str:
    try:
        with acquire(stage.manager, ModelSpec("m", label=label)) as handle:
            return handle.id.version
    except ServableError as error:
        return error.message


def test_a_request_by_label_gets_that_version_and_no_other() -> None:
    stage = Stage()
    stage.manager.set_labels({"m": {"stable": 1, "canary": 2}}, WHEN_READY)
    assert asked(stage, "stable") == "Unrecognized servable version label: stable"

    stage.want("m", {1: FakeLoader(), 2: FakeLoader()})
    stage.settle()
    assert (asked(stage, "stable"), asked(stage, "canary")) == (1, 2)

    stage.want("m", {2: FakeLoader(), 3: FakeLoader()})
    stage.settle()
    assert asked(stage, "stable") == "Servable not found for request: Specific(m, 1)"
    assert asked(stage, "canary") == 2
    assert asked(stage, "") == "Unrecognized servable version label: "


class Moving:
    """Models whose label moves to version 2, version 1 being unloaded, when 1 is asked for."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.want("m", {1: FakeLoader()})
        self.stage.settle()
        self.stage.manager.set_labels({"m": {"stable": 1}}, READY_ONLY)
        self.status = self.stage.manager.status
        self.names = self.stage.manager.names
        self.labels = self.stage.manager.labels

    def acquire(self, name: str, version: int | None = None) -> object:
        if version == 1:
            self.stage.want("m", {2: FakeLoader()})
            self.stage.manager.set_labels({"m": {"stable": 2}}, WHEN_READY)
            self.stage.settle()
        return self.stage.manager.acquire(name, version)


def test_a_label_that_moves_while_it_is_looked_up_is_looked_up_again() -> None:
    models = Moving()

    with acquire(models, ModelSpec("m", label="stable")) as handle:  # type: ignore[arg-type]  # its acquire says less
        assert handle.id.version == 2


def test_a_label_that_moves_under_load_always_means_a_version() -> None:
    stage = Stage()
    stage.want("m", {1: FakeLoader()})
    stage.settle()
    stage.manager.set_labels({"m": {"stable": 1}}, READY_ONLY)
    seen: list[int | str] = []
    begun, done = threading.Event(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(asked(stage, "stable"))
            begun.set()

    reader = threading.Thread(target=ask)
    reader.start()
    assert begun.wait(60)
    for version in range(2, 60):
        stage.manager.set_labels({"m": {"stable": version}}, WHEN_READY)
        stage.want("m", {version: FakeLoader()})
        stage.settle()
    done.set()
    reader.join()

    assert asked(stage, "stable") == 59
    assert all(isinstance(version, int) for version in seen)
    assert seen == sorted(seen, key=int)
