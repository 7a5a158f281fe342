"""`servable serve`: serve models until told to stop."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from servable.cli.failure import USAGE, reported
from servable.cli.options import EVERYWHERE, Seconds, listening, reachable
from servable.cli.signals import leave, stop_requested, wait_for

if TYPE_CHECKING:
    from servable.servables.loaders import Engine
    from servable.server.assemble import Server
    from servable.server.config import BareModel
    from servable.server.observe import LogFormat
    from servable.sources.filesystem import WatchedModel

log = logging.getLogger("servable.serve")


@click.command(short_help="Serve models over gRPC and REST.")
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]PATH...")
@listening("0.0.0.0")
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
    "--engine",
    type=click.Choice(["auto", "native", "tensorflow"]),
    default="auto",
    show_default=True,
    help="What computes SavedModels. native needs no TensorFlow; auto asks TensorFlow, if it is "
    "installed, for models with an op that native lacks.",
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
    models: tuple[str, ...],
    host: str,
    grpc_port: int,
    rest_port: int,
    versions: str,
    poll_seconds: float,
    grace_seconds: float,
    engine: Engine,
    log_format: LogFormat,
    log_level: str,
) -> None:
    """Serve TensorFlow SavedModels over gRPC and REST.

    PATH is a base path, whose subfolders are versions named by numbers, or one
    SavedModel folder, which is served as version 1. The model is called NAME, or after
    the folder. New versions are loaded as they appear, and take over without a request
    failing. Ctrl-C and SIGTERM stop when the running requests are answered; a second
    one stops at once.

    \b
    Examples:
      servable serve ./models/ranker
      servable serve ranker=/models/ranker mnist=/models/mnist --versions latest:2
      servable serve half_plus_two=./export --host 127.0.0.1 --rest-port 9000

    Exit codes: 0 stopped, 1 could not listen, 2 something in the command itself.
    """
    from servable.cli.models import parse_models
    from servable.server import observe
    from servable.server.config import ServerConfig, parse_versions

    with reported(USAGE):
        config = ServerConfig(
            models=parse_models(models, parse_versions(versions)),
            host=host,
            grpc_port=grpc_port,
            rest_port=rest_port,
            poll_seconds=poll_seconds,
            grace_seconds=grace_seconds,
            engine=engine,
        )
        _check_installed(engine)
    observe.configure(log_level, log_format)
    with stop_requested() as stop:
        from servable.server.assemble import Server  # slow, and only now sure to be needed

        server = Server(config)
        with reported():
            server.start()
        try:
            _announce(server)
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


def _announce(server: Server) -> None:
    host = server.config.host
    url = reachable(host)
    log.info("gRPC on %s:%d, REST on http://%s:%d", url, server.grpc_port, url, server.rest_port)
    if host in EVERYWHERE:
        log.info("listening on all interfaces (%s); --host 127.0.0.1 is this machine only", host)
    for model in server.config.models:
        log.info("%s", _described(model))


def _described(model: WatchedModel | BareModel) -> str:
    from servable.server.config import BareModel
    from servable.sources.versions import sort_out

    if isinstance(model, BareModel):
        return f"{model.name}: the model {model.path}, as version {model.version}"
    if not sort_out(os.listdir(model.base_path)).versions:
        first = model.base_path / "1"
        return f"{model.name}: no version yet; waiting for one to appear, such as {first}"
    return f"{model.name}: the versions under {model.base_path}"
