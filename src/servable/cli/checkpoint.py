"""`servable checkpoint`: look into TensorFlow checkpoints and convert them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.savedmodel.index import Entry


@click.group(short_help="Look into TensorFlow checkpoints and convert them.")
def checkpoint() -> None:
    """Look into TensorFlow checkpoints and convert them, without TensorFlow.

    A checkpoint is named by its path without `.index`, or by a folder, of which the
    newest is taken; a SavedModel stands for its variables.

    \b
    Examples:
      servable checkpoint list ./training
      servable checkpoint show ./training/model-1000 dense/kernel
      servable checkpoint convert ./training/model-1000 weights.npz
      servable checkpoint convert weights.npz ./restored/model
      servable checkpoint convert ./training/model-9 ./export/1 --input x=x:0 --output y=y:0

    Exit codes: 0 done, 1 refused, 2 something in the command itself.
    """


@checkpoint.command("list")
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
def list_(path: str, as_json: bool) -> None:
    """List the tensors of the checkpoint PATH: name, dtype, shape, bytes."""
    from servable.checkpoint import load_checkpoint
    from servable.cli.json_out import render
    from servable.cli.tables import print_table

    with reported(), load_checkpoint(path) as variables:
        entries = {name: variables.entries[name] for name in sorted(variables.entries)}
    if as_json:
        rows = [
            {"name": n, "dtype": e.dtype.name, "shape": list(e.shape), "bytes": _size(e)}
            for n, e in entries.items()
        ]
        click.echo(render({"tensors": rows}, pretty=False))
        return
    print_table(
        ("tensor", "dtype", "shape", "bytes", "slices"),
        [
            (n, e.dtype.name, list(e.shape), f"{_size(e):,}", len(e.slices) or "")
            for n, e in entries.items()
        ],
    )
    numbers = sum(e.elements for e in entries.values())
    click.echo(
        f"{len(entries)} tensors, {numbers:,} elements, {sum(map(_size, entries.values())):,} bytes"
    )


@checkpoint.command("show")
@click.argument("path")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print all values as JSON.")
def show(path: str, name: str, as_json: bool) -> None:
    """Print the tensor NAME of the checkpoint PATH; long ones are shortened."""
    import numpy as np

    from servable.checkpoint import load_variable
    from servable.cli.json_out import plain, render
    from servable.tensors import from_numpy

    with reported():
        array = load_variable(path, name)
    if as_json:
        click.echo(render({"name": name, "value": plain(array)}, pretty=False))
        return
    click.echo(f"{name}: {from_numpy(array.dtype).name} {list(array.shape)}")
    shown = array.astype(np.float32) if array.dtype.kind == "V" else array
    with np.printoptions(threshold=200, edgeitems=3, linewidth=100):
        click.echo(str(shown))


@checkpoint.command("convert")
@click.argument("source")
@click.argument("target")
@click.option("--meta", metavar="FILE", help="The .meta file, if it is called otherwise.")
@click.option("--input", "inputs", multiple=True, metavar="ALIAS=TENSOR", help="Of the signature.")
@click.option(
    "--output", "outputs", multiple=True, metavar="ALIAS=TENSOR", help="Makes a SavedModel."
)
@click.option("--signature", default="serving_default", show_default=True)
@click.option("--tags", default="serve", show_default=True, metavar="TAG,TAG")
@click.option("--keep-training-ops", is_flag=True, help="Keep what the signature does not reach.")
def convert(
    source: str,
    target: str,
    meta: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    signature: str,
    tags: str,
    keep_training_ops: bool,
) -> None:
    """Convert SOURCE to TARGET.

    A checkpoint becomes a .npz file if TARGET ends so, and a SavedModel if --output says
    what it answers with, by the .meta file beside it; a .npz file becomes a checkpoint;
    a checkpoint becomes one of one data file otherwise.
    """
    with reported():
        if outputs:
            _to_saved_model(
                source, target, meta, inputs, outputs, signature, tags, keep_training_ops
            )
        elif source.endswith(".npz"):
            _from_npz(source, target)
        elif target.endswith(".npz"):
            _to_npz(source, target)
        else:
            _copy(source, target)
    click.echo(f"wrote {target}")


def _to_saved_model(
    source: str,
    target: str,
    meta: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    signature: str,
    tags: str,
    keep_training_ops: bool,
) -> None:
    from servable.checkpoint import checkpoint_to_saved_model, find_prefix, read_meta
    from servable.cli.byte_progress import byte_progress
    from servable.cli.edit import pairs
    from servable.edit import build_signature_def, tensor_info_of

    prefix = find_prefix(source)
    graph = read_meta(meta or prefix).message
    built = build_signature_def(
        {alias: tensor_info_of(graph, tensor) for alias, tensor in pairs(inputs).items()},
        {alias: tensor_info_of(graph, tensor) for alias, tensor in pairs(outputs).items()},
    )
    with byte_progress("writing", _total(source)) as progress:
        checkpoint_to_saved_model(
            prefix,
            target,
            {signature: built},
            meta=meta,
            tags=[tag.strip() for tag in tags.split(",") if tag.strip()],
            keep_training_ops=keep_training_ops,
            progress=progress,
        )


def _from_npz(source: str, target: str) -> None:
    from servable.checkpoint import from_npz
    from servable.cli.byte_progress import byte_progress

    if target.endswith(".npz"):
        raise Failure("a .npz file becomes a checkpoint, not another one", exit_code=USAGE)
    total = Path(source).stat().st_size if Path(source).is_file() else 0
    with byte_progress("writing", total) as progress:
        from_npz(source, target, progress=progress)


def _to_npz(source: str, target: str) -> None:
    from servable.checkpoint import to_npz
    from servable.cli.byte_progress import byte_progress

    with byte_progress("writing", _total(source)) as progress:
        to_npz(source, target, progress=progress)


def _copy(source: str, target: str) -> None:
    from servable.checkpoint import copy_checkpoint
    from servable.cli.byte_progress import byte_progress

    with byte_progress("writing", _total(source)) as progress:
        copy_checkpoint(source, target, progress=progress)


def _total(source: str) -> int:
    from servable.checkpoint import load_checkpoint

    with load_checkpoint(source) as variables:
        return sum(map(_size, variables.entries.values()))


def _size(entry: Entry) -> int:
    """Return the bytes of a tensor; for one in slices, those of all slices together."""
    if entry.size or not entry.slices:
        return entry.size
    return math.prod(entry.shape) * entry.dtype.numpy.itemsize
