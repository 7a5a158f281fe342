"""`servable warmup`: the requests that a version answers before anybody may ask it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.contracts import Servable, ServableId
    from servable.recording.summary import Summary
    from servable.servables.loaders import Engine
    from servable.tensors import Signature

_VERSION = click.argument("version", metavar="DIR", type=click.Path(exists=True, file_okay=False))
_FORCE = click.option("--force", is_flag=True, help="Replace the warmup file that is there.")


@click.group(short_help="Requests that a version answers before it is available.")
def warmup() -> None:
    """Make and look at warmup files.

    A version folder may hold recorded requests, in
    assets.extra/tf_serving_warmup_requests. The server replays them when it has loaded the
    version, and serves it when they are answered: whatever is slow the first time has then
    happened. TensorFlow Serving reads the same file.

    \b
    Examples:
      servable warmup make ./models/digits/2         of values that are made up
      servable warmup record ./models/ranker/4 /var/log/ranker
      servable warmup show ./models/ranker/4
    """


@warmup.command(short_help="Make a warmup file from a log of requests.")
@_VERSION
@click.argument("logs", nargs=-1, required=True, metavar="LOG...", type=click.Path(path_type=Path))
@click.option("--model", default="", help="Take only requests to this model.")
@click.option(
    "--most",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="How many requests at most; no server replays more than 1000.",
)
@click.option(
    "--every",
    is_flag=True,
    help="Take requests as they come; otherwise one of each kind, signature, dtypes and shapes.",
)
@_FORCE
def record(
    version: str, logs: tuple[Path, ...], model: str, most: int, every: bool, force: bool
) -> None:
    """Make the warmup file of the version in DIR from requests that were logged.

    A LOG is a file, a folder of them, or the prefix that `servable serve --log-requests` was
    given; the server may be running. Answers are left out.

    \b
    Examples:
      servable serve ./models/ranker --log-requests /var/log/ranker --log-rate 0.01
      servable warmup record ./models/ranker/4 /var/log/ranker
    """
    from servable.cli.doctor import version_folder
    from servable.recording.making import choose, store
    from servable.recording.summary import files_of

    with reported():
        files = [file for log in logs for file in files_of(log)]
        if not files:
            raise Failure(f"no log at {', '.join(map(str, logs))}", exit_code=USAGE)
        records = choose(files, model, most, every=every)
        if not records:
            raise Failure(
                f"nothing in {len(files)} files can be replayed",
                hint=f"servable warmup show {files[0]} tells what there is.",
            )
        path = store(version_folder(Path(version)), iter(records), replace=force)
    click.echo(f"{len(records)} requests in {path}")


@warmup.command(short_help="Make a warmup file from a model's signatures.")
@_VERSION
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    help="Signature to ask; repeat for several. serving_default by default, all if it is missing.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[ALIAS=]VALUE",
    help="As for `servable predict`; values are made up for all inputs if none is given.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 100_000),
    multiple=True,
    default=(1,),
    show_default=True,
    help="Rows of a request whose values are made up; repeat for a request of each size.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "native", "tensorflow"]),
    default="auto",
    show_default=True,
    help="As for `servable serve`.",
)
@_FORCE
def make(
    version: str,
    signatures: tuple[str, ...],
    inputs: tuple[str, ...],
    rows: tuple[int, ...],
    engine: Engine,
    force: bool,
) -> None:
    """Make the warmup file of the version in DIR from what its signatures say.

    The model is loaded and every request is tried out first.

    \b
    Examples:
      servable warmup make ./models/digits/2
      servable warmup make ./models/digits/2 --rows 1 --rows 32
      servable warmup make ./export --signature score --input 'x=[[1.0, 2.0]]'
    """
    from servable.cli.doctor import model_name, version_folder
    from servable.contracts import ServableId
    from servable.recording.making import store
    from servable.recording.warmup import WARMUP_FILE, Replay
    from servable.servables.loaders import loader_for

    path = version_folder(Path(version))
    id = ServableId(model_name(path), 1)
    with reported():
        if (path / WARMUP_FILE).exists() and not force:
            raise Failure(f"{path / WARMUP_FILE} exists", hint="--force replaces it.")
        loader = loader_for(path, engine=engine)
        loader.load()
        try:
            servable = loader.servable()
            records = [
                made
                for name in _chosen(servable, signatures)
                for made in _records(id, name, servable.signatures[name], inputs, rows)
            ]
            replay = Replay(id, servable)
            for made in records:
                replay.records += 1
                replay.send(made, path / WARMUP_FILE)
        finally:
            loader.unload()
        written = store(path, iter(records), replace=force)
    click.echo(f"{len(records)} requests in {written}")


def _chosen(servable: Servable, wanted: tuple[str, ...]) -> tuple[str, ...]:
    known = servable.signatures
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Failure(
            f"the model has no signature {unknown[0]!r}",
            hint="It has: " + ", ".join(sorted(known)),
            exit_code=USAGE,
        )
    if not wanted:
        return ("serving_default",) if "serving_default" in known else tuple(known)
    return wanted


def _records(
    id: ServableId,
    name: str,
    signature: Signature,
    inputs: tuple[str, ...],
    rows: tuple[int, ...],
) -> list[bytes]:
    from servable.cli.inputs import tensors_for
    from servable.recording import making

    if inputs:
        with reported(USAGE):
            given = tensors_for(inputs, signature)
        return [making.record(id, name, signature, given)]
    return [
        making.record(id, name, signature, making.make_up(name, signature, count))
        for count in making.row_counts(signature, rows)
    ]


@warmup.command(short_help="Show what a warmup file or a log of requests holds.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def show(path: Path, as_json: bool) -> None:
    """Show the records of PATH: a file, a version folder or base path, or a folder of logs.

    \b
    Examples:
      servable warmup show ./models/ranker/4
      servable warmup show /var/log/servable --json

    Exit codes: 0 all could be read, 1 a file is damaged; what is before the damage is
    shown.
    """
    from servable.cli.doctor import version_folder
    from servable.cli.json_out import render
    from servable.errors import ServableError
    from servable.recording import tfrecord
    from servable.recording.summary import files_of, summarise

    files = files_of(version_folder(path) if path.is_dir() else path)
    if not files:
        raise Failure(f"no warmup file and no logs in {path}")
    found: list[tuple[Path, Summary]] = []
    damage: list[Failure] = []
    for file in files:
        try:
            for data in tfrecord.read(file):
                found.append((file, summarise(data)))
        except ServableError as error:
            damage.append(Failure(f"{file}: {error.message}", hint=error.hint))
    if as_json:
        records = [_document(file, summary) for file, summary in found]
        click.echo(render({"records": records}, pretty=sys.stdout.isatty()))
    else:
        _print(found)
    for failure in damage:
        failure.show()
    if damage:
        sys.exit(1)


def _document(file: Path, summary: Summary) -> dict[str, object]:
    return {
        "file": str(file),
        "kind": _kind(summary),
        "model": summary.model,
        "signature": summary.signature,
        "inputs": summary.inputs,
        "bytes": summary.size,
        "logged_at": summary.seconds or None,
        "problem": summary.problem,
    }


def _print(found: list[tuple[Path, Summary]]) -> None:
    from servable.cli.tables import print_table

    print_table(
        ["#", "kind", "model", "signature", "inputs", "bytes"],
        (
            (
                number,
                _kind(summary),
                summary.model,
                summary.signature or ("serving_default" if not summary.problem else ""),
                summary.problem
                or "; ".join(f"{alias}: {spec}" for alias, spec in summary.inputs.items()),
                summary.size,
            )
            for number, (_, summary) in enumerate(found, 1)
        ),
    )


def _kind(summary: Summary) -> str:
    return summary.kind.name.lower() if summary.kind else ""
