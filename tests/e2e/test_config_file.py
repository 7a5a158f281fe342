"""A server in this process that takes its models from a file, and from requests."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from servable.client import GrpcClient
from servable.config.models import ModelConfig, read_list
from servable.config.text import parse
from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    ServableError,
    Unavailable,
)
from servable.pb import config_pb2
from servable.server.assemble import Server
from servable.server.config import BareModel, ServerConfig
from servable.sources.filesystem import WatchedModel

HALF_PLUS_TWO = Path(__file__).parents[1] / "data" / "models" / "tf1_half_plus_two"
PATIENCE = 60.0

Eventually = Callable[[Callable[[], bool]], None]


class Desk:
    """A folder of models, and a config file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "models.config"

    def put(self, *folders: str) -> None:
        for folder in folders:
            copied = self.root / "copying" / folder
            shutil.copytree(HALF_PLUS_TWO, copied)
            (self.root / folder).parent.mkdir(exist_ok=True)
            copied.rename(self.root / folder)

    def list(self, **models: str) -> None:
        """Write the config file: name -> what is said about it beside its folder."""
        new = self.config.with_suffix(".new")
        new.write_text(self.text(**models))
        new.replace(self.config)

    def text(self, **models: str) -> str:
        configs = (
            f"config {{ name: '{name}' base_path: '{self.root / name}' "
            f"model_platform: 'tensorflow' {more} }}"
            for name, more in models.items()
        )
        return f"model_config_list {{ {' '.join(configs)} }}"

    @contextmanager
    def serving(self, *models: WatchedModel | BareModel) -> Iterator[Asked]:
        config = ServerConfig(
            models,
            "127.0.0.1",
            grpc_port=0,
            rest_port=0,
            poll_seconds=0.02,
            config_file=self.config if self.config.exists() else None,
            config_poll_seconds=0.02,
        )
        with Server(config) as server, GrpcClient(f"127.0.0.1:{server.grpc_port}") as client:
            yield Asked(server, client)


class Asked:
    def __init__(self, server: Server, client: GrpcClient) -> None:
        self.server = server
        self.client = client

    def version(self, name: str, label: str | None = None) -> int | str | None:
        """The version that answers, or why none does."""
        x = np.array([2.0], np.float32)
        try:
            return self.client.predict(name, {"x": x}, label=label).version
        except ServableError as error:
            return error.message


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


POLICY = "model_version_policy { all {} }"


def label(name: str, version: int) -> str:
    return f"version_labels {{ key: '{name}' value: {version} }} "


def test_broken_models_do_not_keep_others_from_being_served(
    desk: Desk, eventually: Eventually
) -> None:
    desk.put("good/1")
    (desk.root / "broken" / "1").mkdir(parents=True)
    (desk.root / "broken" / "1" / "saved_model.pb").write_bytes(b"\xff\xff")
    desk.list(broken="", missing="", good=label("stable", 1))

    with desk.serving() as asked:
        eventually(lambda: asked.version("good") == 1)
        eventually(lambda: asked.version("good", "stable") == 1)
        assert asked.version("missing") == "Servable not found for request: Latest(missing)"


def test_a_label_moves_when_its_next_version_is_available(
    desk: Desk, eventually: Eventually
) -> None:
    desk.put("m/1")
    desk.list(m=label("stable", 1) + POLICY)
    with desk.serving() as asked:
        eventually(lambda: asked.version("m", "stable") == 1)

        desk.list(m=label("stable", 2) + label("old", 1) + POLICY)
        eventually(lambda: asked.version("m", "old") == 1)
        assert asked.version("m", "stable") == 1

        desk.put("m/2")
        eventually(lambda: asked.version("m", "stable") == 2)
        assert asked.version("m", "old") == 1


def test_models_on_the_command_line_stay_beside_those_of_the_file(
    desk: Desk, eventually: Eventually
) -> None:
    desk.put("fixed/1", "a/1", "b/1")
    desk.list(a="")
    with desk.serving(WatchedModel("fixed", desk.root / "fixed")) as asked:
        eventually(lambda: asked.version("a") == asked.version("fixed") == 1)

        desk.list(b="")
        eventually(lambda: asked.version("b") == 1)
        eventually(lambda: asked.version("a") != 1)
        assert asked.version("fixed") == 1


@pytest.mark.parametrize("content", ["garbage", "custom_model_config {}"])
def test_a_server_is_not_made_from_a_file_that_can_not_be_used(desk: Desk, content: str) -> None:
    desk.config.write_text(content)

    with pytest.raises(ServableError), desk.serving():
        pass


def test_two_models_of_one_name_in_file_and_command_line_are_refused_at_the_start(
    desk: Desk,
) -> None:
    desk.put("m/1")
    desk.list(m="")

    with (
        pytest.raises(InvalidArgument, match="two models are called m"),
        desk.serving(BareModel("m", desk.root / "m" / "1")),
    ):
        pass


def test_a_program_may_say_what_is_served(desk: Desk, eventually: Eventually) -> None:
    desk.put("m/1", "n/7")
    with desk.serving(BareModel("bare", desk.root / "m" / "1")) as asked:
        eventually(lambda: asked.version("bare") == 1)

        asked.server.reconfigure([WatchedModel("n", desk.root / "n")], {"n": {"stable": 7}})
        assert asked.server.wait_until_settled(PATIENCE)

        assert asked.version("n", "stable") == 7
        eventually(lambda: asked.version("bare") != 1)


def read(text: str) -> Sequence[ModelConfig]:
    return read_list(
        parse(config_pb2.ModelServerConfig, text.encode(), "request").model_config_list
    )


def test_a_reload_by_request_replaces_everything_and_waits(
    desk: Desk, eventually: Eventually
) -> None:
    desk.put("m/1", "n/7")
    with desk.serving(BareModel("bare", desk.root / "m" / "1")) as asked:
        eventually(lambda: asked.version("bare") == 1)

        asked.server.models.reload(read(desk.text(n="")))
        assert asked.version("n") == 7
        eventually(lambda: asked.version("bare") != 1)

        with pytest.raises(FailedPrecondition):
            asked.server.models.reload(read(desk.text(n=label("stable", 8))))
        assert asked.version("n") == 7


def test_a_server_that_stops_lets_nobody_wait(desk: Desk, eventually: Eventually) -> None:
    (desk.root / "empty").mkdir()
    refusals: list[str] = []
    with desk.serving() as asked:

        def reload() -> None:
            try:
                asked.server.models.reload(read(desk.text(empty="")))
            except Unavailable as error:
                refusals.append(error.message)

        waiting = threading.Thread(target=reload)
        waiting.start()
        eventually(lambda: "empty" in asked.server.models.configured())
    waiting.join(PATIENCE)

    assert refusals == ["The server is stopping."]
