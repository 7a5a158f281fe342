"""`servable model_server`: the server behind TensorFlow Serving's own flags."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from servable import __version__
from servable.cli.model_server_parse import CommandLine, parse, usage
from servable.cli.signals import leave, stop_requested, wait_for
from servable.errors import InvalidArgument, ServableError

if TYPE_CHECKING:
    from servable.server.assemble import Server

log = logging.getLogger("servable.model_server")

FAILED = 255
"""Exit status of everything that goes wrong at the start."""

_LOOK_SECONDS = 0.2
_FIRST_WORD_SECONDS = 10.0


@click.command(
    name="model_server",
    short_help="Serve with TensorFlow Serving's own flags.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def model_server(arguments: tuple[str, ...]) -> None:
    """Serve models the way `tensorflow_model_server` does.

    \b
    Examples:
      servable model_server --model_name=ranker --model_base_path=/models/ranker
      servable model_server --model_config_file=/models/models.config --rest_api_port=8501
      servable model_server --help

    It takes the same flags and config files, opens its ports when all models are
    available, and ends with status 255 if they can not be served. Files that are
    incomplete, damaged or unreadable are given as long as TensorFlow Serving's retries
    take: --max_num_load_retries times --load_retry_interval_micros.
    """
    if "--help" in arguments:
        click.echo(usage())
        sys.exit(FAILED)
    try:
        line = parse(arguments)
    except ServableError as error:
        click.echo(error.message, err=True)
        click.echo(usage())
        sys.exit(FAILED)
    if line.on("version"):
        click.echo(f"TensorFlow ModelServer: Servable {__version__}")
        click.echo("TensorFlow Library: none")
        return
    if line.unknown:
        click.echo(f"unknown argument: {line.unknown[0]}\n{usage()}")
    _serve(line)


def _serve(line: CommandLine) -> None:
    from servable.server import heap, observe

    observe.configure()
    heap.share_heaps()
    for flag in line.without_effect():
        log.warning("--%s: %s", flag.name, flag.here)
    with stop_requested() as stop:
        server = _loading(line)
        try:
            if _settled(server, stop):
                _listen(server)
                wait_for(stop)
            log.info("stopping; running requests have %g s", server.config.grace_seconds)
        finally:
            server.stop()
    log.info("stopped")
    leave()


def _loading(line: CommandLine) -> Server:
    """Return a server that has begun to load its models, and listens nowhere yet."""
    try:
        from servable.cli.model_server_settings import settings
        from servable.server.assemble import Server

        server = Server(settings(line))
        server.load()
    except ServableError as error:
        _fail(error)
    if line.number("rest_api_port") == line.number("port") != 0:
        log.error("--rest_api_port and --port are the same; the REST API is not exported")
    return server


def _settled(server: Server, stop: threading.Event) -> bool:
    """Wait until every model is available; False to stop instead.

    A model without a version, or without a base path, is waited for as long as it takes.
    """
    waited, next_word = 0.0, _FIRST_WORD_SECONDS
    while not server.wait_until_settled(_LOOK_SECONDS):
        if stop.is_set():
            return False
        waited += _LOOK_SECONDS
        if waited >= next_word:
            next_word *= 2
            names = ", ".join(sorted(server.models.configured()))
            log.warning("the ports open when a version of each of these is available: %s", names)
    try:
        server.check_available()
    except ServableError as error:
        _fail(error)
    return True


def _listen(server: Server) -> None:
    from servable.cli.serve import computing

    config = server.config
    log.info("%s", computing(config.settings))
    try:
        server.listen_grpc()
    except ServableError as error:
        log.error("%s%s", error.message, error.hint and f" ({error.hint})")
        _fail(InvalidArgument("Failed to BuildAndStart gRPC server"))
    if config.grpc.profiler:
        log.info("Profiler service is enabled")
    if config.grpc_port is not None:
        log.info("Running gRPC ModelServer at %s:%d ...", config.host, server.grpc_port)
    if config.grpc.socket_path:
        log.info("Running gRPC ModelServer at UNIX socket %s ...", config.grpc.socket_path)
    try:
        server.listen_rest()
    except ServableError as error:
        log.error("Failed to start HTTP Server at localhost:%s: %s", config.rest_port, error)
    else:
        if config.rest_port is not None:
            log.info("Exporting HTTP/REST API at:localhost:%d ...", server.rest_port)


def _fail(error: ServableError) -> NoReturn:
    """Say why the server can not start, in the peer's words, and end."""
    if error.hint:
        log.error("%s", error.hint)
    click.echo(f"Failed to start server. Error: {error.status_text}")
    sys.exit(FAILED)
