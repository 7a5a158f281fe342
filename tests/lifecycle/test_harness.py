"""The state machine of one version: which moves are legal, and what is said of the others."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest

from servable.contracts import Servable, ServableId
from servable.core.harness import Harness
from servable.core.states import HarnessState
from servable.errors import (
    DataLoss,
    FailedPrecondition,
    Internal,
    ServableError,
    Unavailable,
    UnknownError,
)
from servable.servables.echo import Echo, EchoLoader

ID = ServableId("digits", 2)
LIFE = [
    "new", "load-requested", "load-approved", "loading", "ready",
    "unload-requested", "quiescing", "quiesced", "unloading", "disabled",
]  # fmt: skip
LEGAL = {*itertools.pairwise(LIFE), *((state, "error") for state in LIFE[:-1])}
ALL = [(a.value, b.value) for a, b in itertools.product(HarnessState, HarnessState)]


def harness_in(state: str) -> Harness:
    harness = Harness(ID, EchoLoader())
    harness.state = HarnessState(state)
    return harness


@pytest.mark.parametrize(("source", "target"), sorted(LEGAL))
def test_a_legal_move_is_made(source: str, target: str) -> None:
    harness = harness_in(source)
    harness.move(HarnessState(target))
    assert harness.state == target


@pytest.mark.parametrize(
    ("source", "target"),
    [m for m in ALL if m not in LEGAL and m[1] not in ("load-requested", "unload-requested")],
)
def test_an_illegal_move_is_refused_and_ends_the_version(source: str, target: str) -> None:
    harness = harness_in(source)
    text = rf"^Illegal request to transition from state {source} to {target}$"
    with pytest.raises(Internal, match=text) as raised:
        harness.move(HarnessState(target))
    assert harness.state is HarnessState.ERROR
    assert harness.error is raised.value


@pytest.mark.parametrize("source", [s.value for s in HarnessState if s.value != "new"])
def test_a_second_load_request_is_refused_without_harm(source: str) -> None:
    harness = harness_in(source)
    with pytest.raises(FailedPrecondition, match=r"^Duplicate load request$"):
        harness.move(HarnessState.LOAD_REQUESTED)
    assert harness.state == source


@pytest.mark.parametrize("source", [s.value for s in HarnessState if s.value != "ready"])
def test_an_unload_request_needs_a_ready_version(source: str) -> None:
    harness = harness_in(source)
    text = r"^Servable not loaded, or unload already requested/ongoing$"
    with pytest.raises(FailedPrecondition, match=text):
        harness.move(HarnessState.UNLOAD_REQUESTED)
    assert harness.state == source


class FailingLoader:
    """Fails at everything, with what it is given."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def estimate_resources(self) -> int:
        raise self._error

    def load(self) -> None:
        raise self._error

    def unload(self) -> None:
        raise self._error

    def servable(self) -> Servable:
        raise self._error


def test_an_error_of_the_tree_is_kept_as_it_is() -> None:
    error = DataLoss("checksum does not match", hint="copy it again")
    assert Harness(ID, FailingLoader(error)).load() is error


@pytest.mark.parametrize("error", [ValueError("no such op"), SystemExit("no such op")])
def test_any_other_exception_becomes_unknown_with_its_text_and_is_logged_with_its_trace(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Harness(ID, FailingLoader(error)).load()
    assert isinstance(kept, UnknownError)
    assert kept.message == f"{type(error).__name__}: no such op"
    assert "Traceback" in caplog.text
    assert "raise self._error" in caplog.text


def test_a_failing_estimate_says_what_it_was_for() -> None:
    error = Harness(ID, FailingLoader(Unavailable("cannot list"))).estimate()
    assert isinstance(error, Unavailable)
    assert str(error) == (
        "Error while attempting to reserve resources to load servable "
        "{name: digits version: 2}: cannot list"
    )


class LeakyLoader(FailingLoader):
    """Has a big object in its frames when it fails, as a half-loaded model has."""

    def __init__(self) -> None:
        super().__init__(Unavailable("half-way"))
        self.refs: list[weakref.ref[Echo]] = []

    def load(self) -> None:
        model = Echo()
        self.refs.append(weakref.ref(model))
        try:
            raise KeyError(id(model))
        except KeyError as error:
            raise Unavailable("half-way") from error


def test_a_kept_error_does_not_keep_the_model_that_failed() -> None:
    loader = LeakyLoader()
    kept = Harness(ID, loader).load()
    gc.collect()
    assert isinstance(kept, ServableError)
    assert [ref() for ref in loader.refs] == [None]


def test_ending_badly_lets_go_of_the_loader() -> None:
    loader = EchoLoader()
    ref = weakref.ref(loader)
    harness = Harness(ID, loader)
    harness.fail(DataLoss("torn"))
    del loader
    gc.collect()
    assert ref() is None


def test_unloading_lets_go_of_loader_and_servable_even_if_it_fails() -> None:
    class Stubborn(EchoLoader):
        def unload(self) -> None:
            raise Unavailable("busy")

    loader = Stubborn()
    harness = Harness(ID, loader)
    assert harness.load() is None
    late_reader = harness.ready
    refs: list[weakref.ref[object]] = [weakref.ref(loader), weakref.ref(loader.servable())]
    del loader
    assert str(harness.unload()) == "busy"
    gc.collect()
    assert [ref() for ref in refs] == [None, None]
    assert late_reader.id == ID
