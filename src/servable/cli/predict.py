"""`servable predict`: ask a server for one prediction."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from servable.cli.connecting import Connection, as_json, connecting, versioned
from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.client import Metadata
    from servable.tensors import Signature


@click.command(short_help="Ask a server for one prediction.")
@connecting
@click.argument("model")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[ALIAS=]VALUE",
    help="JSON, a .npy or .json file, or an image; @FILE for any file. Repeat for each input; "
    "the alias may be left out if the model has one input.",
)
@versioned
@click.option("--signature", default="", help="Signature to run; serving_default by default.")
@click.option("--output", "outputs", multiple=True, metavar="ALIAS", help="Output to print; all.")
@as_json
def predict(
    connection: Connection,
    model: str,
    inputs: tuple[str, ...],
    version: int | None,
    label: str | None,
    signature: str,
    outputs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask the server at HOST:PORT to run MODEL, and print the outputs as JSON.

    Values are converted to the dtype that the model's signature names. An image
    becomes what the signature wants: its bytes for a string input; otherwise pixels,
    resized, in grey or colour, 0..255 for whole numbers and 0..1 for floats.

    \b
    Examples:
      servable predict localhost:8500 half_plus_two --input 'x=[1.0, 2.0, 5.0]'
      servable predict localhost:8501 digits --input digit.png
      servable predict localhost:8500 ranker --input user=@user.json --input items=items.npy
      servable predict localhost:8500 digits --input digit.png --version 1 | jq .outputs

    Works with TensorFlow Serving too. Exit codes: 0 answered, 1 refused or
    unreachable, 2 something in the command itself.
    """
    from servable.cli.inputs import tensors_for
    from servable.cli.json_out import plain, render

    with reported(), connection.open() as client:
        metadata = client.metadata(model, version=version, label=label)
        chosen = _signature(metadata, signature)
        with reported(USAGE):
            tensors = tensors_for(inputs, chosen)
            _check_outputs(outputs, chosen)
        answer = client.predict(
            model,
            tensors,
            version=version,
            label=label,
            signature=signature,
            outputs=outputs,
        )
    document = {
        "model": model,
        "version": answer.version,
        "outputs": {alias: plain(array) for alias, array in answer.outputs.items()},
    }
    if answer.version is None:
        del document["version"]
    click.echo(render(document, pretty=sys.stdout.isatty() and not as_json))


def _signature(metadata: Metadata, name: str) -> Signature:
    found = metadata.signatures.get(name or "serving_default")
    if found is None:
        raise Failure(
            f"{metadata.model} version {metadata.version} has no signature "
            f"{name or 'serving_default'!r}",
            hint="It has: " + ", ".join(sorted(metadata.signatures)),
            exit_code=USAGE,
        )
    return found


def _check_outputs(outputs: tuple[str, ...], signature: Signature) -> None:
    unknown = [alias for alias in outputs if alias not in signature.outputs]
    if unknown:
        raise Failure(
            f"the signature has no output {unknown[0]}",
            hint="It has: " + ", ".join(signature.outputs),
            exit_code=USAGE,
        )
