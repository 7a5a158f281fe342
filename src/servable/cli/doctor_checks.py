"""What `servable doctor` asks of a loaded model: a sample request, and TensorFlow's answers."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from servable.cli.failure import USAGE, Failure
from servable.cli.json_out import plain, render
from servable.contracts import Servable
from servable.errors import ServableError
from servable.servables.compare import (
    OTHER_SIZES,
    Difference,
    differences,
    random_inputs,
    takes_rows,
)
from servable.servables.tensorflow_model import TensorFlowLoader
from servable.tensors import Array, Signature
from servable.wire.json_example import example
from servable.wire.json_predict import PredictBody, encode

BATCHES = (1, 3)
"""Numbers of rows that answers are compared for."""

SEED = 2026


@dataclass(frozen=True, slots=True)
class Sample:
    """A request body for a signature.

    Attributes:
        body: JSON; only the outline of it if `complete` is false.
        error: why the model did not answer it; "" if it did, or was not asked.
    """

    body: str
    complete: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One request, answered twice.

    Attributes:
        rows: how many; None where the signature or a recording fixes the shapes.
        note: why there is nothing to compare; "" if there is.
    """

    signature: str
    rows: int | None
    differences: tuple[Difference, ...] = ()
    note: str = ""


def sample(name: str, signature: Signature, servable: Servable | None) -> Sample | None:
    """Return a request body, tried out if it is complete; None if JSON has no form for it."""
    found = example(name, signature)
    if found is None:
        return None
    if servable is None or not found.complete:
        return Sample(found.body, found.complete)
    try:
        layout, inputs = PredictBody(found.body.encode()).decode(signature)
        outputs = servable.run(name, inputs, list(signature.outputs))
    except ServableError as refusal:
        return Sample(found.body, True, refusal.message)
    try:
        encode(layout, outputs)
    except ServableError:
        # Outputs with numbers of rows that differ can only be told in columns.
        return Sample(_in_columns(name, inputs), True)
    return Sample(found.body, True)


def _in_columns(name: str, inputs: Mapping[str, Array]) -> str:
    chosen = {} if name == "serving_default" else {"signature_name": name}
    columns = {alias: plain(array) for alias, array in inputs.items()}
    return render({**chosen, "inputs": columns}, pretty=False)


def compare_with_tensorflow(
    path: Path, servable: Servable, stage: Callable[[str], None]
) -> list[Comparison]:
    """Ask the model and TensorFlow the same random requests.

    Raises:
        ServableError: TensorFlow can not load the model.
    """
    stage("loading with TensorFlow")
    loader = TensorFlowLoader(path)
    loader.load()
    try:
        return [
            _compared(name, rows, servable, loader.servable())
            for name, signature in servable.signatures.items()
            for rows in (BATCHES if takes_rows(signature) else (None,))
        ]
    finally:
        loader.unload()


def _compared(name: str, rows: int | None, servable: Servable, reference: Servable) -> Comparison:
    signature = servable.signatures[name]
    refusal = ""
    for size in OTHER_SIZES:
        inputs = random_inputs(signature, rows or 1, size, np.random.default_rng(SEED))
        if inputs is None:
            return Comparison(name, rows, note="not tried: no random values for its inputs' dtypes")
        try:
            theirs = reference.run(name, inputs, list(signature.outputs))
        except ServableError as error:
            refusal = refusal or _first_line(error)
            continue
        try:
            ours = servable.run(name, inputs, list(signature.outputs))
        except ServableError as error:
            return Comparison(name, rows, note=f"only TensorFlow answers: {_first_line(error)}")
        return Comparison(name, rows, tuple(differences(ours, theirs)))
    return Comparison(name, rows, note=f"TensorFlow refuses random inputs: {refusal}")


def compare_with_file(file: Path, servable: Servable) -> list[Comparison]:
    """Ask the model what was recorded: `inputs/ALIAS` and `outputs/ALIAS` in a .npz file.

    Another signature than serving_default is named first, as in `SIGNATURE/inputs/ALIAS`.

    Raises:
        Failure: the file can not be read, or holds something else.
    """
    recorded: dict[str, dict[str, dict[str, Array]]] = {}
    for key, array in _arrays(file).items():
        head, _, alias = key.rpartition("/")
        name, _, side = head.rpartition("/")
        if side not in ("inputs", "outputs"):
            raise Failure(
                f"{file} holds an array called {key}",
                hint="Call them inputs/ALIAS and outputs/ALIAS.",
                exit_code=USAGE,
            )
        sides = recorded.setdefault(name or "serving_default", {"inputs": {}, "outputs": {}})
        sides[side][alias] = array
    return [_replayed(n, s["inputs"], s["outputs"], servable) for n, s in recorded.items()]


def _replayed(
    name: str, inputs: Mapping[str, Array], outputs: Mapping[str, Array], servable: Servable
) -> Comparison:
    signature = servable.signatures.get(name)
    if signature is None:
        return Comparison(name, None, note="the model has no such signature")
    if inputs.keys() != signature.inputs.keys():
        return Comparison(
            name, None, note=f"the signature's inputs are {', '.join(signature.inputs)}"
        )
    try:
        ours = servable.run(name, inputs, [a for a in outputs if a in signature.outputs])
    except ServableError as error:
        return Comparison(name, None, note=_first_line(error))
    return Comparison(name, None, tuple(differences(ours, outputs)))


def _arrays(file: Path) -> dict[str, Array]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {key: _as_strings(archive[key]) for key in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise Failure(
            f"{file} is not a .npz file that can be read: {error}", exit_code=USAGE
        ) from error


def _as_strings(array: Array) -> Array:
    """Text of numpy's own kinds as objects that are bytes."""
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    return array.astype(object) if array.dtype.kind == "S" else array


def _first_line(error: ServableError) -> str:
    return error.message.partition("\n")[0]
