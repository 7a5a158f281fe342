"""`servable serve`: serve models until told to stop."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.admin_key import read_admin_key
from servable.cli.failure import USAGE, Failure, reported
from servable.cli.options import EVERYWHERE, Seconds, listening, reachable
from servable.cli.remote_options import Fetching, fetching
from servable.cli.serve_options import Tending, tending
from servable.cli.signals import leave, stop_requested, wait_for

if TYPE_CHECKING:
    from servable.engine.backends.openvino_threads import Hint
    from servable.servables.loaders import Engine
    from servable.servables.settings import EngineSettings, Precision
    from servable.server.config import Model, ServerConfig
    from servable.server.observe import LogFormat

log = logging.getLogger("servable.serve")


@click.command(short_help="Serve models over gRPC and REST.")
@click.argument("models", nargs=-1, metavar="[NAME=]PATH...")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A model_config_list of TensorFlow Serving, for more models, policies of their own and "
    "version labels. Read again at every --poll-seconds.",
)
@listening("0.0.0.0")
@tending
@fetching
@click.option(
    "--versions",
    default="latest",
    show_default=True,
    metavar="POLICY",
    help="Which versions of each model: latest, latest:N for the N highest, all, or numbers "
    "such as 1,2.",
)
@click.option(
    "--poll-seconds",
    type=Seconds(),
    default=1.0,
    show_default=True,
    help="Pause between looks for new versions; 0 looks once.",
)
@click.option(
    "--grace-seconds",
    type=Seconds(),
    default=30.0,
    show_default=True,
    help="How long running requests may take after Ctrl-C or SIGTERM.",
)
@click.option(
    "--drain-seconds",
    type=Seconds(),
    default=0.5,
    show_default=True,
    help="How much of that new requests are still taken, while probes say that the server stops.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 512),
    default=1,
    show_default=True,
    help="Processes that share the ports, each with all models and its part of the CPUs: for "
    "more than one core of Python. Linux and macOS.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "native", "tensorflow"]),
    default="auto",
    show_default=True,
    help="What computes SavedModels. native needs no TensorFlow; auto asks TensorFlow, if it is "
    "installed, for models with an op that native lacks.",
)
@click.option(
    "--precision",
    type=click.Choice(["f32", "bf16", "f16"]),
    default="f32",
    show_default=True,
    help="What float32 arithmetic may be rounded to where the processor has it: faster, with "
    "answers that differ in the third digit.",
)
@click.option(
    "--performance-hint",
    type=click.Choice(["auto", "latency", "throughput"]),
    default="auto",
    show_default=True,
    help="How the CPUs are divided among requests. latency gives all of them to one at a time, "
    "throughput shares them among several, auto does either by how much a request computes.",
)
@click.option(
    "--compile-cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep what was compiled here for the next start; as large as the models.",
)
@click.option(
    "--max-loop-steps",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="A loop in a model that runs longer is ended, and its request refused.",
)
@click.option(
    "--grpc-socket", default="", metavar="PATH", help="Answer gRPC on this UNIX socket as well."
)
@click.option(
    "--ssl-config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An SSLConfig of TensorFlow Serving: key and certificate of both ports.",
)
@click.option(
    "--admin-key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Whoever shows the key in this file, or in SERVABLE_ADMIN_KEY, may change what is served "
    "(see `servable models`). Without a key only this machine may.",
)
@click.option("--cors", is_flag=True, help="Let web pages of any origin call the REST API.")
@click.option("--gzip", is_flag=True, help="Compress REST answers for clients that ask for it.")
@click.option(
    "--hints/--no-hints",
    default=True,
    show_default=True,
    help="Tell clients how to mend a request that is refused, beside the error.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json writes one object a line.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
def serve(
    tending: Tending,
    fetching: Fetching,
    models: tuple[str, ...],
    config_file: Path | None,
    host: str,
    grpc_port: int,
    rest_port: int,
    versions: str,
    poll_seconds: float,
    grace_seconds: float,
    drain_seconds: float,
    workers: int,
    engine: Engine,
    precision: Precision,
    performance_hint: Hint,
    compile_cache: Path | None,
    max_loop_steps: int,
    grpc_socket: str,
    ssl_config: Path | None,
    admin_key_file: Path | None,
    cors: bool,
    gzip: bool,
    hints: bool,
    log_format: LogFormat,
    log_level: str,
) -> None:
    """Serve TensorFlow SavedModels over gRPC and REST.

    PATH is a base path, whose subfolders are versions named by numbers, or one
    SavedModel folder, which is served as version 1. A URL (s3://, gs://, https://, ...) is a
    base path as well; its versions are fetched into a cache. The model is called NAME, or
    after the folder. New versions are loaded as they appear, and take over without a request
    failing. Ctrl-C and SIGTERM stop when the running requests are answered; a second
    one stops at once.

    \b
    Examples:
      servable serve ./models/ranker
      servable serve ranker=/models/ranker mnist=/models/mnist --versions latest:2
      servable serve half_plus_two=./export --host 127.0.0.1 --rest-port 9000
      servable serve --config models.config
      servable serve s3://models/ranker --remote-cache-dir /var/cache/servable

    Exit codes: 0 stopped, 1 could not listen, 2 something in the command itself.
    """
    from servable.cli.models import parse_models, parse_source
    from servable.servables.settings import EngineSettings
    from servable.server import heap, observe
    from servable.server.config import ServerConfig, parse_versions
    from servable.server.config_file import read_tls
    from servable.transport.options import GrpcOptions, RestOptions

    if not models and config_file is None and not tending.sources:
        raise Failure(
            "nothing to serve", hint="Name a folder, or a file with --config.", exit_code=USAGE
        )
    with reported(USAGE):
        tls = read_tls(ssl_config) if ssl_config else None
        config = ServerConfig(
            models=parse_models(models, parse_versions(versions), tending.platform),
            loading=tending.loading(),
            log=tending.log(),
            batching=tending.batched(),
            remote=fetching.options(),
            sources=tuple(map(parse_source, tending.sources)),
            platform=tending.platform,
            host=host,
            grpc_port=grpc_port,
            rest_port=rest_port,
            poll_seconds=poll_seconds,
            grace_seconds=grace_seconds,
            drain_seconds=drain_seconds,
            engine=engine,
            settings=EngineSettings(
                precision, compile_cache, max_loop_steps, hint=performance_hint
            ),
            config_file=config_file,
            config_poll_seconds=poll_seconds,
            admin_key=read_admin_key(admin_key_file),
            grpc=GrpcOptions(socket_path=grpc_socket, tls=tls, hints=hints),
            rest=RestOptions(cors=cors, gzip=gzip, tls=tls, hints=hints),
        )
        _check_installed(engine)
    observe.configure(log_level, log_format)
    heap.share_heaps()
    if workers > 1:
        from servable.cli.serve_workers import serve_together

        serve_together(config, workers, log_level, log_format, announce)
        return
    with stop_requested() as stop:
        from servable.server.assemble import Server  # slow, and only now sure to be needed

        with reported(USAGE):
            server = Server(config)
        with reported():
            server.start()
        try:
            ports = (server.grpc_port, server.rest_port)
            announce(config, *ports, server.models.configured().values())
            wait_for(stop)
            log.info("stopping; running requests have %g s", grace_seconds)
        finally:
            server.stop()
    log.info("stopped")
    leave()


def _check_installed(engine: Engine) -> None:
    if engine == "tensorflow":
        from servable.servables.loaders import check_installed  # slow to import

        check_installed(engine)


def announce(
    config: ServerConfig,
    grpc_port: int,
    rest_port: int,
    models: Iterable[Model],
    workers: int = 1,
) -> None:
    """Log where the server listens, and what it serves."""
    host = config.host
    url = reachable(host)
    scheme = "https" if config.rest.tls else "http"
    log.info("gRPC on %s:%d, REST on %s://%s:%d", url, grpc_port, scheme, url, rest_port)
    if config.grpc.socket_path:
        log.info("gRPC on the UNIX socket %s", config.grpc.socket_path)
    if host in EVERYWHERE:
        log.info("listening on all interfaces (%s); --host 127.0.0.1 is this machine only", host)
    log.info("%s", computing(config.settings, workers))
    for model in models:
        log.info("%s", _described(model))


def computing(settings: EngineSettings, workers: int = 1) -> str:
    """Say how many CPUs compute, and for what."""
    from servable.cpus import cpu_budget

    cpus = settings.threads or cpu_budget()
    each = f" in each of {workers} workers" if workers > 1 else ""
    return f"computing with {cpus} CPU{'s' * (cpus > 1)}{each}, performance hint {settings.hint}"


def _described(model: Model) -> str:
    from servable.server.config import BareModel
    from servable.sources.remote.path import RemotePath
    from servable.sources.versions import sort_out

    if isinstance(model, BareModel):
        return f"{model.name}: the model {model.path}, as version {model.version}"
    if isinstance(model.base_path, RemotePath):
        return f"{model.name}: the versions under {model.base_path}"
    try:
        children = sort_out(os.listdir(model.base_path))
    except OSError as error:
        return f"{model.name}: {model.base_path}: {error.strerror or error}; looking again"
    if not children.versions:
        first = model.base_path / "1"
        return f"{model.name}: no version yet; waiting for one to appear, such as {first}"
    return f"{model.name}: the versions under {model.base_path}"
