"""`servable run`: run a signature of a SavedModel on files and expressions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from servable.cli.failure import USAGE, Failure, reported

if TYPE_CHECKING:
    from servable.tensors import Array, Signature


@click.command(short_help="Run a signature of a SavedModel once.")
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The SavedModel.",
)
@click.option("--tag_set", required=True, metavar="TAGS", help="The MetaGraph, by all its tags.")
@click.option("--signature_def", "key", required=True, metavar="NAME", help="The signature.")
@click.option("--inputs", default="", help='"ALIAS=FILE" or "ALIAS=FILE[NAME]", .npy or .npz.')
@click.option("--input_exprs", default="", help='"ALIAS=EXPRESSION": literals and some numpy.')
@click.option("--input_examples", default="", help='"ALIAS=[{FEATURE: [VALUE, ...]}]".')
@click.option(
    "--outdir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write each output to ALIAS.npy in this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def run(
    directory: Path,
    tag_set: str,
    key: str,
    inputs: str,
    input_exprs: str,
    input_examples: str,
    outdir: Path | None,
    overwrite: bool,
) -> None:
    """Run a signature once and print its outputs, as `saved_model_cli run` does.

    Several inputs are separated by ";". Values are cast to the dtype that the signature
    names. Expressions are parsed, not evaluated as Python: literals, np.ones, np.zeros,
    np.full, np.arange, np.array, np.random.rand and a few more, + - * /, astype and
    reshape. Pickles are refused. A signature without inputs needs none of these options.

    \b
    Examples:
      servable run --dir ./export --tag_set serve --signature_def serving_default \\
        --inputs 'x=data.npz[x]'
      servable run --dir ./export --tag_set serve --signature_def serving_default \\
        --input_exprs 'x=np.ones((1, 4)); y=[[1.5]]' --outdir ./out
      servable run --dir ./export --tag_set serve --signature_def classify \\
        --input_examples 'inputs=[{"age": [41], "name": ["Ada"]}]'

    Exit codes: 0 answered, 1 the model or the values are refused, 2 something in the
    command itself.
    """
    tags = [tag.strip() for tag in tag_set.split(",")]
    if not (inputs or input_exprs or input_examples):
        _check_takes_nothing(directory, tags, key)
    from servable import load
    from servable.cli.run_inputs import read_inputs
    from servable.cli.waiting import waiting

    with reported(USAGE):
        given = read_inputs(inputs, input_exprs, input_examples)
    with reported(), waiting(f"running {directory}"), load(directory, tags) as model:
        function = model.signatures.get(key)
        if function is None:
            raise Failure(
                f'Could not find signature "{key}". '
                f"Please choose from: {', '.join(sorted(model.signatures))}",
                exit_code=USAGE,
            )
        with reported(USAGE):
            arrays = _arrays(given, function.signature)
        outputs = function(**arrays)
    for alias in sorted(outputs):
        click.echo(f"Result for output key {alias}:\n{outputs[alias]}")
        if outdir is not None:
            _write(outputs[alias], alias, outdir, overwrite)


def _check_takes_nothing(directory: Path, tags: list[str], key: str) -> None:
    from servable.savedmodel.reader import read

    with reported():
        signature = read(directory).meta_graph(tags).signatures.get(key)
    if signature is None or signature.inputs:
        raise Failure(
            "At least one of --inputs, --input_exprs or --input_examples must be required",
            hint="For example --input_exprs 'x=np.ones((1, 4))'.",
            exit_code=USAGE,
        )


def _arrays(given: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    from servable.cli.run_inputs import fed
    from servable.errors import InvalidArgument

    arrays = {}
    for alias, value in given.items():
        spec = signature.inputs.get(alias)
        if spec is None:
            known = '", "'.join(signature.inputs)
            raise InvalidArgument(
                f'"{alias}" is not a valid input key. Please choose from "{known}", '
                "or use --show option.",
                hint="The inputs: " + ", ".join(f"{a} ({s})" for a, s in signature.inputs.items()),
            )
        if spec.dtype is not None:
            try:
                arrays[alias] = fed(value, spec.dtype)
            except InvalidArgument as error:
                raise InvalidArgument(f"input {alias}: {error.message}") from error
    return arrays


def _write(array: Array, alias: str, outdir: Path, overwrite: bool) -> None:
    import numpy as np

    if Path(alias).name != alias:
        raise Failure(f"the output {alias!r} can not be a file name; run without --outdir")
    path = outdir / f"{alias}.npy"
    if path.exists() and not overwrite:
        raise Failure(
            f'Output file {path} already exists. Add "--overwrite" to overwrite the existing '
            "output files."
        )
    if array.dtype == object:
        # As an object array numpy could only pickle them.
        if any(item.endswith(b"\0") for item in array.flat):
            raise Failure(f"output {alias}: a string ends in a zero byte, which .npy would lose")
        array = np.asarray(array, np.bytes_)
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        raise Failure(f"{path} can not be written: {error.strerror or error}") from error
    click.echo(f"Output {alias} is saved to {path}")
