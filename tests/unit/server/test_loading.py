"""How a server loads versions: whose loader, whose word, and how much memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from lifecycle_stage import FakeLoader

from servable.contracts import ServableData, ServableId
from servable.errors import InvalidArgument, ResourceExhausted
from servable.recording.warmup import WarmingLoader
from servable.servables.echo import EchoLoader
from servable.server.assemble import Server
from servable.server.config import BareModel, Loading, Model, ServerConfig
from servable.server.loading import Gate, LoaderMaker

PATIENCE = 60.0


def ignore(_path: str, _status: str, _records: int, _seconds: float) -> None:
    pass


def maker(*models: Model, iterations: int = 0, other: str = "tensorflow") -> LoaderMaker:
    configured = {model.name: model for model in models}
    return LoaderMaker(
        lambda _: FakeLoader(),
        lambda: configured,
        other=other,
        iterations=iterations,
        note=ignore,
    )


@pytest.mark.parametrize(
    ("platform", "other", "kind"),
    [
        ("tensorflow", "echo", FakeLoader),
        ("echo", "tensorflow", EchoLoader),
        (None, "tensorflow", FakeLoader),
        (None, "echo", EchoLoader),
    ],
)
def test_a_version_is_loaded_by_its_models_platform(
    platform: str | None, other: str, kind: type
) -> None:
    models = [] if platform is None else [BareModel("m", Path("/m"), platform=platform)]
    made = maker(*models, other=other)(ServableId("m", 1), Path("/m/1"))
    assert type(made) is kind


def test_a_platform_that_is_not_there_is_the_versions_error() -> None:
    made = maker(BareModel("m", Path("/m"), platform="none"))
    with pytest.raises(InvalidArgument, match="unsupported platform none"):
        made(ServableId("m", 1), Path("/m/1"))


def test_warmup_is_around_any_loader() -> None:
    id, path = ServableId("m", 1), Path("/m/1")
    assert isinstance(maker(iterations=2)(id, path), WarmingLoader)
    assert isinstance(maker(iterations=0)(id, path), FakeLoader)


def test_other_sources_have_no_say_about_configured_models(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []

    class Target:
        def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Path]]) -> None:
            heard.append(f"{name} {len(versions)}")

    gate = Gate(Target(), lambda: {"ours": BareModel("ours", Path("/m"))})
    gate.set_aspired_versions("ours", [])
    gate.set_aspired_versions("theirs", [ServableData(ServableId("theirs", 1), Path("/t"))])
    assert heard == ["theirs 1"]
    assert "ours is configured" in caplog.text


def test_a_version_that_does_not_fit_is_not_loaded() -> None:
    config = ServerConfig(
        (BareModel("m", Path("/m")),),
        grpc_port=None,
        rest_port=None,
        loading=Loading(memory_limit_bytes=10),
    )
    with Server(config, lambda _: FakeLoader(size=11)) as server:
        assert server.wait_until_settled(PATIENCE)
        (status,) = server.models.status("m")
        assert isinstance(status.error, ResourceExhausted)
        assert status.error.hint == "It needs 11 bytes."


@pytest.mark.parametrize(
    ("unload_first", "expected"),
    [
        (False, ["load 1", "load 2", "unload 1"]),
        (True, ["load 1", "unload 1", "load 2"]),
    ],
)
def test_which_comes_first_when_a_version_replaces_another(
    unload_first: bool, expected: list[str]
) -> None:
    done: list[str] = []
    all_done = threading.Event()

    def note(what: str) -> None:
        done.append(what)
        if len(done) == len(expected):
            all_done.set()

    class Loader(FakeLoader):
        def __init__(self, path: Path) -> None:
            super().__init__()
            self.version = path.name

        def load(self) -> None:
            note(f"load {self.version}")

        def unload(self) -> None:
            note(f"unload {self.version}")

    def model(version: int) -> BareModel:
        return BareModel("m", Path(f"/m/{version}"), version)

    config = ServerConfig(
        (model(1),),
        grpc_port=None,
        rest_port=None,
        loading=Loading(resource_preserving=unload_first),
    )
    with Server(config, Loader) as server:
        assert server.wait_until_settled(PATIENCE)
        server.reconfigure([model(2)])
        assert all_done.wait(PATIENCE)
    assert done[:3] == expected
