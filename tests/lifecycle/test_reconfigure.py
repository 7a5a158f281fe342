"""Changing what a server serves while it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lifecycle_stage import FakeLoader

from servable.config.models import ModelConfig
from servable.contracts import Loader, ServableId
from servable.core.adapter import LoaderAdapter
from servable.core.events import Event, EventBus
from servable.core.labels import LabelRule
from servable.core.manager import Manager
from servable.core.states import VersionState
from servable.errors import (
    Cancelled,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ServableError,
    Unavailable,
    UnknownError,
)
from servable.metrics.requests import CURRENT, Observation
from servable.server.config import BareModel, Model
from servable.server.models import ServedModels
from servable.sources.filesystem import FileSystemSource, WatchedModel
from servable.sources.versions import All, Specific

PATIENCE = 60.0


class Heard:
    """What the manager told, to wait for."""

    def __init__(self, bus: EventBus) -> None:
        self._events: set[tuple[ServableId, VersionState]] = set()
        self._changed = threading.Condition()
        bus.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        with self._changed:
            self._events.add((event.id, event.state))
            self._changed.notify_all()

    def wait_for(self, name: str, version: int, state: VersionState) -> None:
        with self._changed:
            assert self._changed.wait_for(
                lambda: (ServableId(name, version), state) in self._events, PATIENCE
            )


class Town:
    """A manager and a source at work, over folders without files, and what they serve."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loaded: list[Path] = []
        self.broken: set[str] = set()
        bus = EventBus()
        self.heard = Heard(bus)
        self.manager = Manager(max_load_retries=0, tick_seconds=0.01, bus=bus)
        adapter = LoaderAdapter(self._make_loader, self.manager)
        self.source = FileSystemSource((), poll_seconds=PATIENCE)
        self.source.connect(adapter)
        self.models = ServedModels(self.manager, self.source, adapter)

    def start(self) -> None:
        self.manager.start()
        self.source.start()

    def stop(self) -> None:
        self.models.close()
        self.source.stop()
        self.manager.stop()

    def put(self, *paths: str) -> None:
        for path in paths:
            (self.root / path).mkdir(parents=True)

    def watched(self, name: str, folder: str = "") -> WatchedModel:
        return WatchedModel(name, self.root / (folder or name))

    def config(self, name: str, folder: str = "", **labels: int) -> ModelConfig:
        return ModelConfig(name, str(self.root / (folder or name)), labels=labels)

    def serve(self, *models: Model) -> None:
        self.models.reconfigure(models, {})
        assert self.manager.wait_until_settled([m.name for m in models], PATIENCE)

    def served(self, name: str) -> int | None:
        try:
            with self.models.acquire(name) as handle:
                return handle.id.version
        except NotFound:
            return None

    def _make_loader(self, _id: ServableId, path: Path) -> Loader:
        self.loaded.append(path.relative_to(self.root))
        if path.parent.name in self.broken:
            return FakeLoader(DataLoss("checksum of shard 0"))
        return FakeLoader()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    town.start()
    try:
        yield town
    finally:
        town.stop()


def test_models_are_added_and_dropped_while_others_stay_untouched(town: Town) -> None:
    town.put("a/1", "b/1", "c/1")
    town.serve(town.watched("a"), town.watched("b"))
    assert (town.served("a"), town.served("b")) == (1, 1)

    town.serve(town.watched("b"), town.watched("c"))
    town.heard.wait_for("a", 1, VersionState.END)

    assert (town.served("a"), town.served("b"), town.served("c")) == (None, 1, 1)
    assert sorted(map(str, town.loaded)) == ["a/1", "b/1", "c/1"]
    assert list(town.models.configured()) == ["b", "c"]


def test_another_base_path_takes_over_when_its_version_is_ready(town: Town) -> None:
    town.put("here/5", "there/2")
    town.serve(town.watched("m", "here"))

    town.serve(town.watched("m", "there"))
    town.heard.wait_for("m", 5, VersionState.END)

    assert town.served("m") == 2


def test_another_policy_loads_and_unloads_what_it_says(town: Town) -> None:
    town.put("m/1", "m/2", "m/3")
    town.serve(town.watched("m"))

    town.serve(WatchedModel("m", town.root / "m", All()))
    town.heard.wait_for("m", 1, VersionState.AVAILABLE)
    town.heard.wait_for("m", 2, VersionState.AVAILABLE)

    town.serve(WatchedModel("m", town.root / "m", Specific((1,))))
    town.heard.wait_for("m", 3, VersionState.END)
    assert town.served("m") == 1


def test_a_model_without_version_folders_comes_and_goes(town: Town) -> None:
    town.put("one", "two")
    town.serve(BareModel("m", town.root / "one", 7))
    assert town.served("m") == 7

    town.serve(BareModel("m", town.root / "two", 8))
    town.heard.wait_for("m", 7, VersionState.END)
    assert town.served("m") == 8

    town.serve()
    town.heard.wait_for("m", 8, VersionState.END)
    assert town.served("m") is None


def refusal(call: Callable[[], object], kind: type[ServableError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.message


def test_a_list_that_breaks_a_rule_changes_nothing(town: Town) -> None:
    town.put("a/1", "b/1")
    town.serve(town.watched("a"))
    town.models.reconfigure([town.watched("a")], {"a": {"stable": 1}})
    b = town.config("b")
    for configs, kind in [
        ([b, b], InvalidArgument),
        ([b, ModelConfig("c", "relative")], InvalidArgument),
        ([b, ModelConfig("a", "/a", "onnx")], InvalidArgument),
        ([b, town.config("a", stable=2)], FailedPrecondition),
    ]:
        refusal(lambda configs=configs: town.models.reload(configs), kind)  # type: ignore[misc]  # mypy has no type for it

    assert list(town.models.configured()) == ["a"]
    assert town.models.labels("a") == {"stable": 1}
    assert town.served("a") == 1
    assert refusal(
        lambda: town.models.reconfigure([town.watched("a"), BareModel("a", town.root)], {}),
        InvalidArgument,
    ) == ("two models are called a")


def test_a_reload_returns_when_its_new_models_are_available(town: Town) -> None:
    town.put("a/1", "b/3")

    town.models.reload([town.config("a"), town.config("b")])

    assert (town.served("a"), town.served("b")) == (1, 3)


def test_a_model_that_comes_back_is_waited_for_again(town: Town) -> None:
    town.put("a/1")
    for _ in range(5):
        town.models.reload([town.config("a")])
        assert town.served("a") == 1
        town.models.reload([])
        assert not town.models.configured()


def test_a_new_model_that_fails_is_told_and_stays_in_the_list(town: Town) -> None:
    town.put("a/1", "bad/4")
    town.broken.add("bad")
    configs = [town.config("a"), town.config("bad")]

    assert refusal(lambda: town.models.reload(configs), UnknownError) == (
        "1 model(s) did not become available: {{name: bad version: 4} due to error: "
        "DATA_LOSS: checksum of shard 0}, }"
    )
    assert town.served("a") == 1

    town.models.reload(configs)  # nothing is new now, so nothing is waited for
    assert list(town.models.configured()) == ["a", "bad"]


def test_labels_by_reload_need_versions_that_are_available(town: Town) -> None:
    town.put("m/1")
    assert refusal(
        lambda: town.models.reload([town.config("m", stable=1)]), FailedPrecondition
    ) == (
        "Request to assign label to version 1 of model m, which is not currently available for "
        "inference"
    )
    assert not town.models.configured()

    town.models.reload([town.config("m")])
    town.models.reload([town.config("m", stable=1)])
    assert town.models.labels("m") == {"stable": 1}

    town.models.reload([town.config("m")])
    assert town.models.labels("m") == {}


class Waiting:
    """A reload that waits for a model without versions, in a thread of its own."""

    def __init__(self, town: Town, *names: str) -> None:
        self.error: ServableError | None = None
        configs = [town.config(name) for name in names]
        self._thread = threading.Thread(target=self._run, args=(town.models, configs))
        self._thread.start()

    def _run(self, models: ServedModels, configs: list[ModelConfig]) -> None:
        try:
            models.reload(configs)
        except ServableError as error:
            self.error = error

    def ended(self) -> ServableError | None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.error


def until_configured(town: Town, *names: str) -> None:
    pause = threading.Event()
    while list(town.models.configured()) != list(names):
        pause.wait(0.001)


def test_nobody_waits_behind_somebody_who_waits_and_not_too_many_wait(town: Town) -> None:
    town.put("x", "y", "z", "good/1")
    first = Waiting(town, "x")
    until_configured(town, "x")
    second = Waiting(town, "x", "y")
    until_configured(town, "x", "y")

    town.models.reload([town.config("good"), town.config("x"), town.config("y")])
    assert town.served("good") == 1
    third = Waiting(town, "good", "x", "y", "z")
    assert isinstance(first.ended(), Unavailable)
    assert "Too many reloads" in str(first.error)

    town.models.reload([town.config("good")])  # now they wait for nothing any more
    assert second.ended() is None or isinstance(second.error, Unavailable)
    assert third.ended() is None or isinstance(third.error, Unavailable)


def test_a_stop_ends_the_waiting(town: Town) -> None:
    town.put("x")
    waiting = Waiting(town, "x")
    until_configured(town, "x")

    town.models.close()

    assert str(waiting.ended()) == "The server is stopping."


def test_a_client_that_is_gone_is_not_waited_for(town: Town) -> None:
    town.put("x")
    CURRENT.observation = Observation("reload", "grpc", wanted=lambda: False)
    try:
        with pytest.raises(Cancelled):
            town.models.reload([town.config("x")])
    finally:
        CURRENT.observation = None

    assert list(town.models.configured()) == ["x"]


def test_requests_for_a_model_that_stays_never_fail_while_others_come_and_go(town: Town) -> None:
    town.put("stays/1", "a/1", "b/1")
    town.serve(town.watched("stays"))
    answers: list[int | None] = []
    begun, done = threading.Event(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(town.served("stays"))
            begun.set()

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert begun.wait(PATIENCE)
    for name in ("a", "b", "a", "b"):
        town.models.reload([town.config("stays"), town.config(name)])
        assert town.served(name) == 1
    done.set()
    for reader in readers:
        reader.join()

    assert set(answers) == {1}


def test_what_is_fixed_stays_beside_a_list(town: Town) -> None:
    town.put("fixed/1", "a/1", "b/1")
    fixed = [town.watched("fixed")]
    for name in ("a", "b"):
        town.models.configure(
            [town.config(name)],
            LabelRule.WHEN_READY,
            fixed=fixed,
            fixed_labels={"fixed": {"stable": 1}},
        )
        town.heard.wait_for(name, 1, VersionState.AVAILABLE)
        town.heard.wait_for("fixed", 1, VersionState.AVAILABLE)
        assert list(town.models.configured()) == ["fixed", name]
        assert town.models.labels("fixed") == {"stable": 1}
