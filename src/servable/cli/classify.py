"""`servable classify` and `servable regress`: send examples to a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from servable.cli.connecting import Connection, as_json, connecting, versioned
from servable.cli.failure import USAGE, Failure, reported

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _with_examples(command: CommandT) -> CommandT:
    decorated: Any = command
    for option in reversed(
        [
            click.argument("model"),
            click.option(
                "--example",
                "examples",
                multiple=True,
                metavar="JSON",
                help="An object of features, or a list of them; @FILE for a file. Repeat at will.",
            ),
            click.option(
                "--context", metavar="JSON", help="Features that every example has; @FILE too."
            ),
            versioned,
            click.option(
                "--signature", default="", help="Signature to run; serving_default by default."
            ),
            as_json,
        ]
    ):
        decorated = option(decorated)
    result: CommandT = decorated
    return result


@click.command(short_help="Ask a server for the classes of some examples.")
@connecting
@_with_examples
def classify(
    connection: Connection,
    model: str,
    examples: tuple[str, ...],
    context: str | None,
    version: int | None,
    label: str | None,
    signature: str,
    as_json: bool,
) -> None:
    """Ask the server at HOST:PORT for the classes of some examples.

    Whole numbers become int64 features and others float features: write 1.0 for a float.
    Bytes that are no text are {"b64": "..."}.

    \b
    Examples:
      servable classify localhost:8500 income --example '{"age": 42.0, "job": "cook"}'
      servable classify localhost:8501 income --example @people.json --json
      servable classify localhost:8500 ranker --context '{"user": "u1"}' --example '{"item": 3}'

    Works with TensorFlow Serving too. Exit codes: 0 answered, 1 refused or
    unreachable, 2 something in the command itself.
    """
    values, shared = _read(examples, context)
    with reported(), connection.open() as client:
        answer = client.classify(
            model, values, context=shared, version=version, label=label, signature=signature
        )
    classes = [
        list(zip(labels, scores.astype(str).astype(float).tolist(), strict=True))
        for labels, scores in zip(answer.labels.tolist(), answer.scores, strict=True)
    ]
    if as_json:
        _print_json(model, answer.version, [[list(pair) for pair in row] for row in classes])
        return
    from servable.cli.tables import print_table

    rows = [(index, *pair) for index, row in enumerate(classes) for pair in row]
    print_table(["example", "class", "score"], rows)


@click.command(short_help="Ask a server for one number for each example.")
@connecting
@_with_examples
def regress(
    connection: Connection,
    model: str,
    examples: tuple[str, ...],
    context: str | None,
    version: int | None,
    label: str | None,
    signature: str,
    as_json: bool,
) -> None:
    """Ask the server at HOST:PORT for one number for each example.

    Whole numbers become int64 features and others float features: write 1.0 for a float.

    \b
    Examples:
      servable regress localhost:8500 half_plus_two \\
          --signature regress_x_to_y --example '{"x": 1.0}'
      servable regress localhost:8501 price --example @houses.json --json

    Works with TensorFlow Serving too. Exit codes: 0 answered, 1 refused or
    unreachable, 2 something in the command itself.
    """
    values, shared = _read(examples, context)
    with reported(), connection.open() as client:
        answer = client.regress(
            model, values, context=shared, version=version, label=label, signature=signature
        )
    numbers = answer.values.astype(str).astype(float).tolist()
    if as_json:
        _print_json(model, answer.version, numbers)
        return
    from servable.cli.tables import print_table

    print_table(["example", "value"], enumerate(numbers))


def _read(
    examples: tuple[str, ...], context: str | None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    from servable.cli.example_values import examples_from

    with reported(USAGE):
        values = examples_from(examples)
        shared = [] if context is None else examples_from([context])
    if len(shared) > 1:
        raise Failure("there is one context for all examples", exit_code=USAGE)
    return values, shared[0] if shared else None


def _print_json(model: str, version: int | None, results: list[Any]) -> None:
    from servable.cli.json_out import render

    document: dict[str, Any] = {"model": model, "version": version, "results": results}
    if version is None:
        del document["version"]
    click.echo(render(document, pretty=False))
