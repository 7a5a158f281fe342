"""The manager with its own threads: nothing waits for what is not its business."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from lifecycle_stage import FakeClock, FakeLoader

from servable.contracts import Loader, Servable, ServableData, ServableId
from servable.core.events import Event, EventBus
from servable.core.manager import Manager
from servable.core.policy import Action, Snapshot, availability_preserving
from servable.errors import Cancelled, FailedPrecondition, Internal, Unavailable
from servable.servables.echo import Echo

PATIENCE = 60.0  # seconds until a test that hangs gives up; none comes near


class Landmarks:
    """Lets a test wait for a state of a version."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[Event] = []

    def hear(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def wait(self, name: str, version: int, state: str) -> Event:
        def find() -> Event | None:
            wanted = (ServableId(name, version), state)
            return next((e for e in self._events if (e.id, e.state) == wanted), None)

        with self._changed:
            found = self._changed.wait_for(find, PATIENCE)
        assert found, f"{name} {version} never came to {state}"
        return found


class GateLoader(FakeLoader):
    """Loads only when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()

    def load(self) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        super().load()


class Live:
    """A running manager and what it tells."""

    def __init__(self, load_threads: int = 2) -> None:
        self.clock = FakeClock()
        self.rounds = 0
        self.landmarks = Landmarks()
        bus = EventBus()
        bus.subscribe(self.landmarks.hear)
        self.manager = Manager(
            load_threads=load_threads,
            load_retry_seconds=3600.0,
            tick_seconds=0.005,
            clock=self.clock,
            bus=bus,
        )
        self.manager.start()

    def want(self, name: str, versions: Mapping[int, Loader]) -> None:
        data = [ServableData(ServableId(name, v), loader) for v, loader in versions.items()]
        self.manager.set_aspired_versions(name, data)

    def go_round(self) -> None:
        """Return when the manager has noticed all that was said and done before."""
        for _ in range(2):
            self.rounds += 1
            id = ServableId("round", self.rounds)
            self.manager.note_incomplete(id, Unavailable("just passing"))
            self.landmarks.wait(id.name, id.version, "START")

    def state(self, name: str, version: int) -> str:
        (status,) = self.manager.status(name, version)
        return status.state


@pytest.fixture
def start() -> Iterator[Callable[..., Live]]:
    """Starts managers, and stops them after the test."""
    running: list[Live] = []

    def make(load_threads: int = 2) -> Live:
        running.append(Live(load_threads))
        return running[-1]

    yield make
    for live in running:
        live.manager.stop()


def test_a_slow_load_does_not_delay_another_model(start: Callable[..., Live]) -> None:
    live = start(2)
    slow = GateLoader()
    live.want("slow", {1: slow})
    assert slow.entered.wait(PATIENCE)
    live.want("quick", {1: FakeLoader()})
    assert live.manager.wait_until_settled(["quick"], PATIENCE)
    assert live.state("slow", 1) == "LOADING"
    slow.gate.set()
    assert live.manager.wait_until_settled(["slow"], PATIENCE)
    assert live.state("slow", 1) == "AVAILABLE"


def test_no_more_loads_run_at_once_than_allowed(start: Callable[..., Live]) -> None:
    live = start(1)
    first, second = GateLoader(), GateLoader()
    live.want("m", {2: first, 1: second})
    assert first.entered.wait(PATIENCE)
    live.go_round()
    assert not second.entered.is_set()
    assert live.state("m", 1) == "START"
    first.gate.set()
    live.landmarks.wait("m", 2, "AVAILABLE")
    assert second.entered.wait(PATIENCE)
    second.gate.set()
    live.landmarks.wait("m", 1, "AVAILABLE")


def test_a_retry_that_is_due_waits_for_a_free_thread(start: Callable[..., Live]) -> None:
    live = start(1)
    failing, blocking = FakeLoader(Unavailable("not yet")), GateLoader()
    live.want("m", {1: failing})
    live.landmarks.wait("m", 1, "LOADING")
    live.want("n", {1: blocking})
    assert blocking.entered.wait(PATIENCE)
    live.clock.now += 3600
    live.go_round()
    assert failing.calls == ["load"]
    blocking.gate.set()
    live.landmarks.wait("m", 1, "AVAILABLE")
    assert failing.calls == ["load", "load"]


def test_dropping_a_version_that_waits_for_a_thread_ends_it_at_once(
    start: Callable[..., Live],
) -> None:
    live = start(1)
    blocking, waiting = GateLoader(), FakeLoader()
    live.want("m", {1: blocking})
    assert blocking.entered.wait(PATIENCE)
    live.want("n", {1: waiting})
    live.go_round()
    live.want("n", {})
    assert isinstance(live.landmarks.wait("n", 1, "END").error, Cancelled)
    assert live.state("m", 1) == "LOADING"
    assert waiting.calls == []
    blocking.gate.set()


def test_who_waits_hears_of_a_version_that_ends_without_ever_starting(
    start: Callable[..., Live],
) -> None:
    live = start()
    settled: list[bool] = []
    waiter = threading.Thread(
        target=lambda: settled.append(live.manager.wait_until_settled(["m"], PATIENCE))
    )
    waiter.start()
    bad: ServableData[Loader] = ServableData(ServableId("m", 1), error=Internal("no platform"))
    live.manager.set_aspired_versions("m", [bad])
    waiter.join()
    assert settled == [True]


def test_dropping_a_version_while_it_loads_undoes_the_load(start: Callable[..., Live]) -> None:
    live = start()
    loader = GateLoader()
    live.want("m", {1: loader})
    assert loader.entered.wait(PATIENCE)
    live.want("m", {})
    loader.gate.set()
    assert isinstance(live.landmarks.wait("m", 1, "END").error, Cancelled)
    assert loader.calls == ["load", "unload"]


def test_dropping_a_version_ends_an_hour_long_pause(start: Callable[..., Live]) -> None:
    live = start()
    error = Unavailable("not yet")
    live.want("m", {1: FakeLoader(error)})
    live.landmarks.wait("m", 1, "LOADING")
    live.want("m", {})
    assert live.landmarks.wait("m", 1, "END").error is error


def test_a_servable_is_destroyed_on_a_thread_of_the_manager(start: Callable[..., Live]) -> None:
    live = start()
    destroyed_on: list[str] = []

    class Model(Echo):
        pass

    class ModelLoader(FakeLoader):
        def load(self) -> None:
            self.model: Model | None = Model()
            weakref.finalize(
                self.model, lambda: destroyed_on.append(threading.current_thread().name)
            )

        def unload(self) -> None:
            self.model = None

        def servable(self) -> Servable:
            assert self.model is not None
            return self.model

    live.want("m", {1: ModelLoader()})
    live.landmarks.wait("m", 1, "AVAILABLE")
    with live.manager.acquire("m"):
        live.want("m", {})
        live.landmarks.wait("m", 1, "UNLOADING")
        assert destroyed_on == []
    live.landmarks.wait("m", 1, "END")
    assert destroyed_on == ["unload m 1"]


def test_stopping_waits_for_a_load_and_leaves_no_thread(start: Callable[..., Live]) -> None:
    before = set(threading.enumerate())
    live = start()
    loader = GateLoader()
    live.want("m", {1: loader, 2: FakeLoader()})
    live.landmarks.wait("m", 2, "AVAILABLE")
    assert loader.entered.wait(PATIENCE)
    stopper = threading.Thread(target=live.manager.stop)
    stopper.start()
    live.landmarks.wait("m", 2, "END")
    loader.gate.set()
    stopper.join(PATIENCE)
    assert loader.calls == ["load", "unload"]
    assert set(threading.enumerate()) == before


def test_a_manager_starts_once(start: Callable[..., Live]) -> None:
    live = start()
    with pytest.raises(FailedPrecondition):
        live.manager.start()
    live.manager.stop()
    with pytest.raises(FailedPrecondition):
        live.manager.start()


def test_a_fault_in_one_round_does_not_end_the_manager(caplog: pytest.LogCaptureFixture) -> None:
    faults = [RuntimeError("a bug")]

    def policy(versions: Sequence[Snapshot]) -> Action | None:
        if faults:
            raise faults.pop()
        return availability_preserving(versions)

    manager = Manager(policy=policy, tick_seconds=0.005)
    manager.start()
    manager.set_aspired_versions("m", [ServableData(ServableId("m", 1), FakeLoader())])
    assert manager.wait_until_settled(["m"], PATIENCE)
    manager.stop()
    assert "a bug" in caplog.text


class Mortal(Echo):
    """Knows whether it has been unloaded."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = True


class MortalLoader(FakeLoader):
    def __init__(self) -> None:
        super().__init__()
        self._mortal = Mortal()

    def unload(self) -> None:
        self._mortal.alive = False

    def servable(self) -> Servable:
        return self._mortal


@pytest.fixture
def nervous_interpreter() -> Iterator[None]:
    """Switches threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("nervous_interpreter")
def test_no_request_fails_or_meets_an_unloaded_servable_while_versions_swap(
    start: Callable[..., Live],
) -> None:
    live = start()
    live.want("m", {0: MortalLoader()})
    live.landmarks.wait("m", 0, "AVAILABLE")
    done = threading.Event()
    faults: list[str] = []
    seen: set[int] = set()

    def ask() -> None:
        while not done.is_set():
            try:
                with live.manager.acquire("m") as handle:
                    servable = handle.servable
                    seen.add(handle.id.version)
                    if not (isinstance(servable, Mortal) and servable.alive):
                        faults.append(f"{handle.id} was dead on arrival")
                    handle.servable.signatures  # noqa: B018  so that the request takes a while
                    if not (isinstance(servable, Mortal) and servable.alive):
                        faults.append(f"{handle.id} died under a request")
            except Exception as error:
                faults.append(repr(error))
                raise

    readers = [threading.Thread(target=ask) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for version in range(1, 61):
            live.want("m", {version: MortalLoader()})
            live.landmarks.wait("m", version, "AVAILABLE")
            live.landmarks.wait("m", version - 1, "END")
    finally:
        done.set()
        for reader in readers:
            reader.join(PATIENCE)
    gc.collect()
    assert faults == []
    assert len(seen) > 1
