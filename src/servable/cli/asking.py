"""`servable status`, `servable metadata` and `servable reload`: what a server serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servable.cli.connecting import Connection, as_json, connecting, versioned
from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.pb.config_pb2 import ModelServerConfig
    from servable.tensors import TensorSpec


@click.command(short_help="Show the versions of a model on a server.")
@connecting
@click.argument("model")
@click.option("--version", type=int, help="Only this version.")
@as_json
def status(connection: Connection, model: str, version: int | None, as_json: bool) -> None:
    """Show where the versions of MODEL on the server at HOST:PORT are in their lives.

    \b
    Examples:
      servable status localhost:8500 digits
      servable status localhost:8501 digits --version 2 --json

    Works with TensorFlow Serving too. Exit codes: 0 answered, 1 refused or
    unreachable, 2 something in the command itself.
    """
    with reported(), connection.open() as client:
        states = client.status(model, version=version)
    rows = [(s.version, s.state, s.code.name, s.message) for s in states]
    if as_json:
        names = ("version", "state", "code", "message")
        document = {
            "model": model,
            "versions": [dict(zip(names, row, strict=True)) for row in rows],
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    from servable.cli.tables import print_table

    print_table(["version", "state", "code", "message"], rows)


@click.command(short_help="Show the signatures of a model on a server.")
@connecting
@click.argument("model")
@versioned
@as_json
def metadata(
    connection: Connection, model: str, version: int | None, label: str | None, as_json: bool
) -> None:
    """Show the signatures of MODEL on the server at HOST:PORT.

    \b
    Examples:
      servable metadata localhost:8500 digits
      servable metadata localhost:8501 digits --version 2 --json

    Works with TensorFlow Serving too. Exit codes: 0 answered, 1 refused or
    unreachable, 2 something in the command itself.
    """
    with reported(), connection.open() as client:
        answer = client.metadata(model, version=version, label=label)
    if as_json:
        signatures = {
            name: {
                "method_name": signature.method_name,
                "inputs": {alias: _spec(spec) for alias, spec in signature.inputs.items()},
                "outputs": {alias: _spec(spec) for alias, spec in signature.outputs.items()},
            }
            for name, signature in answer.signatures.items()
        }
        document = {"model": answer.model, "version": answer.version, "signatures": signatures}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    from servable.cli.tables import print_table

    click.echo(f"{answer.model}, version {answer.version}")
    rows = [
        (name, direction, alias, spec)
        for name, signature in answer.signatures.items()
        for direction, specs in (("in", signature.inputs), ("out", signature.outputs))
        for alias, spec in specs.items()
    ]
    print_table(["signature", "", "alias", "tensor"], rows)


@click.command(short_help="Replace the list of models that a server serves.")
@connecting
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Report how much a counter grew."
)
@as_json
def reload(connection: Connection, config: Path, metrics: tuple[str, ...], as_json: bool) -> None:
    """Make the server at HOST:PORT serve the models that the file CONFIG lists, and no others.

    CONFIG is a ModelServerConfig in protobuf's text form, as `--model_config_file` takes it.
    The paths in it are the server's. gRPC only.

    \b
    Examples:
      servable reload localhost:8500 models.config
      servable reload localhost:8500 models.config --timeout 600
      servable reload localhost:8500 models.config --metric /tensorflow/serving/request_count

    Works with TensorFlow Serving too. Exit codes: 0 the models are served, 1 refused or
    unreachable, 2 something in the command itself.
    """
    from servable.client import GrpcClient

    listed = _config(config)
    with reported(), connection.open() as client:
        if not isinstance(client, GrpcClient):
            raise Failure(
                f"{connection.address} is a REST port, and models are reloaded over gRPC",
                hint="Name the server's gRPC port; 8500 is the usual one.",
                exit_code=USAGE,
            )
        grown = client.reload(listed, metrics=metrics)
    names = [model.name for model in listed.model_config_list.config]
    if as_json:
        click.echo(json.dumps({"models": names, "metrics": dict(grown)}, ensure_ascii=False))
        return
    click.echo("Serving " + (", ".join(names) or "no models") + ".")
    if grown:
        from servable.cli.tables import print_table

        print_table(["metric", "increase"], grown.items())


def _config(path: Path) -> ModelServerConfig:
    from google.protobuf import text_format

    from servable.pb.config_pb2 import ModelServerConfig

    try:
        return text_format.Parse(path.read_text(), ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise Failure(
            f"{path} is no model configuration: {error}",
            hint='For example: model_config_list { config { name: "m" base_path: "/models/m" } }',
            exit_code=USAGE,
        ) from error


def _spec(spec: TensorSpec) -> dict[str, Any]:
    shape = None if spec.shape is None else list(spec.shape)
    return {"dtype": spec.dtype.name if spec.dtype else None, "shape": shape, "name": spec.name}
