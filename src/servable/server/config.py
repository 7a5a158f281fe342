"""The settings of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from servable.batching.choice import Batching, natural
from servable.config.models import TENSORFLOW
from servable.config.request_logs import LoggingConfig
from servable.contracts import Source
from servable.core.labels import LabelRule, Table
from servable.errors import InvalidArgument
from servable.servables.settings import DEFAULTS, EngineSettings
from servable.sources.filesystem import All, Latest, Specific, VersionPolicy, WatchedModel
from servable.sources.remote.options import RemoteOptions
from servable.transport.options import GrpcOptions, RestOptions

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
        platform: who loads it.
    """

    name: str
    path: Path
    version: int = 1
    platform: str = TENSORFLOW


Model: TypeAlias = WatchedModel | BareModel


@dataclass(frozen=True, slots=True)
class Loading:
    """How versions are loaded and unloaded.

    Attributes:
        load_threads, unload_threads: how many versions at once.
        max_retries: attempts after the first one, unless no attempt can succeed.
        retry_seconds: pause between attempts; negative for none.
        resource_preserving: unload the old version before the new one is loaded, so that
            one is in memory at a time; requests in between find none.
        memory_limit_bytes: what all versions may need together, by their loaders'
            estimates; None for no limit.
        warmup_iterations: how often each recorded request is replayed before a version is
            available; 0 replays none.
    """

    load_threads: int = 2
    unload_threads: int = 1
    max_retries: int = 5
    retry_seconds: float = 60.0
    resource_preserving: bool = False
    memory_limit_bytes: int | None = None
    warmup_iterations: int = 1

    @property
    def patience_seconds(self) -> float:
        """How long all attempts and pauses take for a version that can not be loaded."""
        return max(self.max_retries, 0) * max(self.retry_seconds, 0.0)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What to serve, and where.

    Attributes:
        models: no two of the same name.
        config_file: a file with a `model_config_list` to serve beside them.
        config_poll_seconds: pause between looks at that file; 0 reads it once.
        labels: model -> label -> version, for `models`.
        host: the address to listen on; `0.0.0.0` is every IPv4 interface.
        grpc_port, rest_port: 0 picks a free port, None opens none.
        poll_seconds: pause between looks for new versions; 0 looks once, a negative number
            never.
        grace_seconds: how long running requests may take when the server stops.
        drain_seconds: how much of that it goes on as before, but for telling probes and
            clients to go elsewhere: the time that a load balancer needs to notice.
        engine: what computes SavedModels.
        label_rule: what becomes of labels of versions that are not AVAILABLE.
        reload_rule: the same, where a request brings the labels.
        unload_when_empty: whether a model of a list whose last version disappears goes out
            of service, as in TensorFlow Serving.
        tags: the MetaGraph of a SavedModel that is served, by its exact set of tags.
        prefer_tflite: whether a `model.tflite` is served rather than a SavedModel beside it.
        settings: of the engine.
        sources: makers of sources of other kinds, of `contracts.Source[Path]`.
        platform: who loads the versions of these.
        remote: how versions behind a URL are fetched and kept.
        log: how requests are logged, for models that do not say so in `config_file`; None
            for not at all.
        batching: computes requests to the same version together; None for one by one.
        admin_key: what clients must show to change what is served; "" for none, then only
            those on this machine may.
        grpc, rest: settings of the two servers.
    """

    models: tuple[Model, ...] = ()
    host: str = "0.0.0.0"
    grpc_port: int | None = GRPC_PORT
    rest_port: int | None = REST_PORT
    poll_seconds: float = 1.0
    grace_seconds: float = 30.0
    drain_seconds: float = 0.0
    engine: Engine = "auto"
    config_file: Path | None = None
    config_poll_seconds: float = 0.0
    labels: Table = field(default_factory=dict)
    label_rule: LabelRule = LabelRule.WHEN_READY
    reload_rule: LabelRule = LabelRule.READY_ONLY
    unload_when_empty: bool = False
    loading: Loading = Loading()
    tags: tuple[str, ...] = ("serve",)
    prefer_tflite: bool = False
    settings: EngineSettings = DEFAULTS
    sources: tuple[Callable[[], Source[Path]], ...] = ()
    platform: str = TENSORFLOW
    remote: RemoteOptions = field(default_factory=RemoteOptions)
    log: LoggingConfig | None = None
    batching: Batching | None = natural
    admin_key: str = field(default="", repr=False)
    grpc: GrpcOptions = field(default_factory=GrpcOptions)
    rest: RestOptions = field(default_factory=RestOptions)

    def __post_init__(self) -> None:
        by_name(self.models)
        if self.grpc_port == self.rest_port and self.grpc_port:
            raise InvalidArgument(
                f"gRPC and REST cannot share port {self.grpc_port}", hint="Give each its own."
            )


def by_name(models: Iterable[Model]) -> Mapping[str, Model]:
    """Return the models by their names.

    Raises:
        InvalidArgument: two have the same.
    """
    named: dict[str, Model] = {}
    for model in models:
        if model.name in named:
            raise InvalidArgument(
                f"two models are called {model.name}", hint="Give each a name: NAME=PATH."
            )
        named[model.name] = model
    return named


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


def versions_text(policy: VersionPolicy) -> str:
    """Return how `parse_versions` would be told a policy."""
    match policy:
        case All():
            return "all"
        case Latest(n):
            return "latest" if n <= 1 else f"latest:{n}"
        case Specific(listed):
            return ",".join(map(str, sorted(listed)))
