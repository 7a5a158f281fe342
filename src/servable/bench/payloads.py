"""The inputs of the requests: made up from a signature, or rows of given arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from servable import tensors
from servable.errors import FailedPrecondition, InvalidArgument
from servable.servables.compare import random_inputs, takes_rows
from servable.tensors import Array, Signature

DIFFERENT = 16
"""How many different requests are made up, or cut from arrays; they are sent in turn."""

MOST_BYTES = 2**26
"""What they may take together; fewer are made of large ones."""

_OTHER_SIZE = 1  # stands for unknown sizes that are not the number of rows

_NEEDS_EXAMPLES = ("tensorflow/serving/classify", "tensorflow/serving/regress")

Inputs = Mapping[str, Array]


def made_up(name: str, signature: Signature, rows: int, seed: int) -> list[Inputs]:
    """Return the inputs of some requests: the same for the same seed.

    Floats are normal, uint8 is anything, other integers are from 0 to 3, so that they may be
    indices; strings are words. Unknown sizes are `rows` at the front and 1 elsewhere.

    Raises:
        FailedPrecondition: the signature reads tf.Examples, or a dtype that nothing can be
            made of.
    """
    if signature.method_name in _NEEDS_EXAMPLES:
        raise FailedPrecondition(
            f"Signature {name} reads serialized tf.Examples, which can not be made up", hint=GIVE
        )
    made: list[Inputs] = []
    random = np.random.default_rng(seed)
    while len(made) < DIFFERENT and (not made or (len(made) + 1) * _size(made[0]) <= MOST_BYTES):
        inputs = random_inputs(signature, rows, _OTHER_SIZE, random)
        if inputs is None:
            raise FailedPrecondition(
                f"No values can be made up for signature {name}: {signature}", hint=GIVE
            )
        made.append(inputs)
    return made


GIVE = (
    "Give values with --input ALIAS=file.npy, or recorded requests with --traffic FILE "
    "(`servable serve --log-requests`, `servable warmup make`)."
)


def cut(given: Inputs, signature: Signature, rows: int) -> list[Inputs]:
    """Return the inputs of some requests, each with the next `rows` rows of given arrays.

    After the last row comes the first again. Inputs whose first size the signature fixes,
    and all of them if none leaves it open, are sent whole.

    Raises:
        InvalidArgument: an array has no rows, or they do not have the same number.
    """
    cuttable = {
        alias: array
        for alias, array in given.items()
        if takes_rows(_only(signature, alias)) and array.ndim
    }
    counts = {len(array) for array in cuttable.values()}
    if not counts:
        return [given]
    if len(counts) > 1 or 0 in counts:
        raise InvalidArgument(
            f"the inputs have {', '.join(map(str, sorted(counts)))} rows",
            hint="All inputs need the same number of rows, at least one.",
        )
    (count,) = counts
    pieces = min(DIFFERENT, -(-count // rows))
    indices = [np.arange(piece * rows, (piece + 1) * rows) % count for piece in range(pieces)]
    return [{**given, **{a: array[index] for a, array in cuttable.items()}} for index in indices]


def row_count(inputs: Inputs, signature: Signature) -> int:
    """Return how many rows a request asks about; 1 where there is no such thing."""
    for alias, array in inputs.items():
        if array.ndim and alias in signature.inputs and takes_rows(_only(signature, alias)):
            return len(array)
    return 1


def reads_strings(signature: Signature) -> bool:
    """Whether any input is of strings, which may have to be tf.Examples or files."""
    return any(spec.dtype is tensors.STRING for spec in signature.inputs.values())


def _only(signature: Signature, alias: str) -> Signature:
    return Signature({alias: signature.inputs[alias]}, {})


def _size(inputs: Inputs) -> int:
    return sum(array.nbytes for array in inputs.values())
