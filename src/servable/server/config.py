"""The settings of a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servable.errors import InvalidArgument
from servable.sources.filesystem import All, Latest, Specific, VersionPolicy, WatchedModel

if TYPE_CHECKING:
    from servable.servables.loaders import Engine

GRPC_PORT = 8500
REST_PORT = 8501


@dataclass(frozen=True, slots=True)
class BareModel:
    """One model folder, without version folders around it.

    Attributes:
        path: the folder with `saved_model.pb`, or a model of another format.
        version: the number it is served under.
    """

    name: str
    path: Path
    version: int = 1


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What to serve, and where.

    Attributes:
        models: no two of the same name.
        host: the address to listen on; `0.0.0.0` is every IPv4 interface.
        grpc_port, rest_port: 0 picks a free port.
        poll_seconds: pause between looks for new versions.
        grace_seconds: how long running requests may take when the server stops.
        engine: what computes SavedModels.
    """

    models: tuple[WatchedModel | BareModel, ...]
    host: str = "0.0.0.0"
    grpc_port: int = GRPC_PORT
    rest_port: int = REST_PORT
    poll_seconds: float = 1.0
    grace_seconds: float = 30.0
    engine: Engine = "auto"

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        for name in names:
            if names.count(name) > 1:
                raise InvalidArgument(
                    f"two models are called {name}", hint="Give each a name: NAME=PATH."
                )
        if self.grpc_port == self.rest_port != 0:
            raise InvalidArgument(
                f"gRPC and REST cannot share port {self.grpc_port}", hint="Give each its own."
            )


def parse_versions(text: str) -> VersionPolicy:
    """Return the policy that `latest`, `latest:N`, `all` or a list such as `1,2` names.

    Raises:
        InvalidArgument: it is none of these.
    """
    kind, _, count = text.partition(":")
    try:
        if text == "all":
            return All()
        if kind == "latest":
            wanted = int(count) if count else 1
            if wanted > 0 and text != "latest:":
                return Latest(wanted)
        else:
            return Specific(tuple(sorted({int(number) for number in text.split(",")})))
    except ValueError:
        pass
    raise InvalidArgument(
        f"{text!r} does not say which versions",
        hint="Write latest, latest:2 for the two highest, all, or numbers such as 1,2.",
    )
