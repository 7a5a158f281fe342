"""`servable demo`: serve the models that ship with the package, and show that they work."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import click

from servable.cli.failure import Failure, reported
from servable.cli.options import listening, reachable
from servable.cli.signals import stop_requested, wait_for

if TYPE_CHECKING:
    import threading

    from servable.cli.demo_check import Row
    from servable.client import Client
    from servable.server.assemble import Server
    from servable.tensors import Array

_MODEL = "digits"
_VERSIONS = (1, 2)
_NETS = {1: "dense", 2: "convolutional"}
_LOAD_SECONDS = 120.0
_LOOK_SECONDS = 0.02


@click.command(short_help="See it work, with models that ship with the package.")
@click.option("--check", is_flag=True, help="Exit after the table: 0 if all is well, else 1.")
@listening("127.0.0.1")
def demo(check: bool, host: str, grpc_port: int, rest_port: int) -> None:
    """Serve two versions of a handwritten-digit classifier, and test them.

    Both were trained with Keras on scikit-learn's digits. The demo sends 360 images
    that neither has seen, one in each request, over gRPC and over REST, and shows how
    many are recognised and how long an answer takes. Then it serves on until Ctrl-C.

    \b
    Examples:
      servable demo
      servable demo --check                        exit 0 if version 2 gets 97 % right
      servable demo --grpc-port 0 --rest-port 0    if the usual ports are taken
    """
    from servable.demos import digits
    from servable.server import observe
    from servable.server.assemble import Server
    from servable.server.config import ServerConfig
    from servable.sources.filesystem import All, WatchedModel

    observe.configure("warning")
    models = (WatchedModel(_MODEL, digits.MODELS, All()),)
    with stop_requested() as stop, reported():
        server = Server(ServerConfig(models, host, grpc_port, rest_port))
        server.start()
        try:
            images, labels = digits.heldout()
            _show_addresses(server, images[0])
            rows = _measured(server, images, labels, stop)
            if not stop.is_set():
                _show_table(rows, len(labels))
                _finish(rows, check, stop)
        finally:
            server.stop()


def _show_addresses(server: Server, image: Array) -> None:
    import orjson

    host = reachable(server.config.host)
    url = f"http://{host}:{server.rest_port}/v1/models/{_MODEL}"
    body = orjson.dumps({"instances": [image.tolist()]}).decode()
    click.echo(f"gRPC    {host}:{server.grpc_port}   model {_MODEL}, versions 1 and 2")
    click.echo(f"REST    {url}")
    click.echo("\nAsk it yourself what this held-out image shows:\n")
    click.echo(f"curl -d '{body}' {url}:predict\n")


def _measured(server: Server, images: Array, labels: Array, stop: threading.Event) -> list[Row]:
    """Send every image to both versions over both protocols; fewer rows if told to stop."""
    from rich.console import Console
    from rich.progress import Progress

    from servable.cli.demo_check import measure
    from servable.client import GrpcClient, RestClient

    host = reachable(server.config.host)
    rows: list[Row] = []
    console = Console(stderr=True)
    with (
        GrpcClient(f"{host}:{server.grpc_port}") as grpc,
        RestClient(f"{host}:{server.rest_port}") as rest,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        _wait_for_versions(grpc, stop)
        for version in _VERSIONS:
            for protocol, client in (("gRPC", grpc), ("REST", rest)):
                if stop.is_set():
                    return rows
                task = progress.add_task(f"version {version} over {protocol}", total=len(images))
                rows.append(
                    measure(
                        client,
                        protocol,
                        _MODEL,
                        version,
                        images,
                        labels,
                        on_answer=partial(progress.advance, task),
                    )
                )
    return rows


def _wait_for_versions(client: Client, stop: threading.Event) -> None:
    """Return when all versions are available, or the user has had enough."""
    from servable.errors import NotFound

    deadline = time.monotonic() + _LOAD_SECONDS
    while not stop.is_set():
        try:
            states = {state.version: state for state in client.status(_MODEL)}
        except NotFound:  # nobody has looked at the folder yet
            states = {}
        missing = [v for v in _VERSIONS if v not in states or states[v].state != "AVAILABLE"]
        if not missing:
            return
        ended = [states[v] for v in missing if v in states and states[v].state == "END"]
        if ended or time.monotonic() > deadline:
            reason = ended[0].message if ended else f"not loaded after {_LOAD_SECONDS:g} s"
            raise Failure(f"{_MODEL} {missing[0]} did not become available: {reason}")
        stop.wait(_LOOK_SECONDS)


def _show_table(rows: list[Row], images: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{images} held-out images, one in each request", title_justify="left")
    for heading in ("version", "net", "protocol"):
        table.add_column(heading)
    for heading in ("recognised", "accuracy", "median latency"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row.version),
            _NETS[row.version],
            row.protocol,
            f"{round(row.accuracy * images)}/{images}",
            f"{row.accuracy:.1%}",
            f"{row.median_seconds * 1000:.2f} ms",
        )
    Console().print(table)


def _finish(rows: list[Row], check: bool, stop: threading.Event) -> None:
    """Judge the answers; without --check, serve on."""
    from servable.cli.demo_check import complaints

    found = "; ".join(complaints(rows))
    if check:
        if found:
            raise Failure(found)
        return
    if found:
        click.echo(f"Not as it should be: {found}", err=True)
    click.echo("\nServing until Ctrl-C.")
    wait_for(stop)
