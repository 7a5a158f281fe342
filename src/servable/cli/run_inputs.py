"""The inputs of `servable run`: files, expressions and tf.Examples, as saved_model_cli writes them.

Several inputs are separated by `;`. Of an input that is given in several ways the
expression counts more than the file, and the example more than both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from servable.cli.expressions import evaluate
from servable.errors import InvalidArgument, NotFound
from servable.pb import example_pb2
from servable.servables.arguments import as_strings
from servable.tensors import STRING, Array, DType

_FILE = re.compile(r"([^=]+)=([^\[\]]+)(?:\[([^\[\]]+)\])?")
_MOST_INT64 = 2**63


def read_inputs(files: str, expressions: str, examples: str) -> dict[str, Any]:
    """Return the values by alias.

    Raises:
        InvalidArgument: a text or a file can not be understood.
        NotFound: there is no such file, or it has no such array.
    """
    given: dict[str, Any] = {}
    for text in _parts(files):
        match = _FILE.fullmatch(text)
        if match is None:
            raise InvalidArgument(
                f"--inputs {text!r} is not understood",
                hint='Write "ALIAS=FILE" or "ALIAS=FILE[NAME]", with ";" between inputs.',
            )
        given[match[1]] = load(Path(match[2]), match[3])
    for text in _parts(expressions):
        alias, expression = _assignment("--input_exprs", text)
        given[alias] = evaluate(expression)
    for text in _parts(examples):
        alias, expression = _assignment("--input_examples", text)
        given[alias] = _examples(alias, evaluate(expression))
    return given


def load(path: Path, name: str | None = None) -> Array:
    """Read an array from a .npy or .npz file; `name` says which of several.

    Raises:
        NotFound: there is no such file or array.
        InvalidArgument: it is no such file, is a pickle, or holds several arrays.
    """
    try:
        data = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as error:
        raise InvalidArgument(
            f"{path} is no .npy or .npz file of plain arrays: {error}",
            hint="Pickles are refused, since reading one can run any code. Save with np.save or "
            "np.savez, strings with dtype 'S'.",
        ) from None
    if isinstance(data, np.ndarray):
        return data
    with data:
        names = data.files
        if name is None and len(names) == 1:
            name = names[0]
        if name is None:
            raise InvalidArgument(
                f"Input file {path} contains more than one ndarrays. Please specify the name of "
                "ndarray to use.",
                hint=f"{path}[NAME], of: {', '.join(names)}",
            )
        if name not in names:
            raise NotFound(
                f'Input file {path} does not contain variable with name "{name}".',
                hint=f"It has: {', '.join(names)}",
            )
        try:
            array: Array = data[name]
        except ValueError as error:
            raise InvalidArgument(f"{path}[{name}]: {error}") from None
        return array


def fed(value: Any, dtype: DType) -> Array:
    """Return a value as TensorFlow's sessions feed it: cast to the tensor's dtype.

    Raises:
        InvalidArgument: it can not be cast, or a whole number would change its value.
    """
    try:
        if dtype is STRING:
            return as_strings(np.asarray(value, object))
        array = np.asarray(value)
        with np.errstate(all="ignore"):
            made = array.astype(dtype.numpy)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"the value is no {dtype.name}: {error}") from None
    if isinstance(value, int) and made != value:
        raise InvalidArgument(f"{value} is outside the range of {dtype.name}")
    return made


def _parts(text: str) -> list[str]:
    return [part for part in text.split(";") if part.strip()]


def _assignment(flag: str, text: str) -> tuple[str, str]:
    alias, equals, expression = text.partition("=")
    if not equals or not alias.strip():
        raise InvalidArgument(
            f"{flag} {text!r} is not understood",
            hint='Write "ALIAS=EXPRESSION", with ";" between inputs.',
        )
    return alias.strip(), expression


def _examples(alias: str, value: Any) -> list[bytes]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise InvalidArgument(
            f"input {alias}: tf.Examples are a list of dictionaries",
            hint=f"""For example --input_examples '{alias}=[{{"age": [41], "name": ["Ada"]}}]'.""",
        )
    return [_example(item) for item in value]


def _example(features: Mapping[Any, Any]) -> bytes:
    example = example_pb2.Example()
    for name, values in features.items():
        if not isinstance(name, str) or not isinstance(values, list) or not values:
            raise InvalidArgument(f"feature {name!r}: the values must be a list of at least one")
        kind = type(values[0])
        try:
            feature = example.features.feature[name]
            if kind is float:
                feature.float_list.value.extend(values)
            elif kind is int:
                if any(not -_MOST_INT64 <= value < _MOST_INT64 for value in values):
                    raise TypeError("a number is outside the range of int64")
                feature.int64_list.value.extend(values)
            elif kind in (str, bytes):
                feature.bytes_list.value.extend(
                    value.encode() if isinstance(value, str) else value for value in values
                )
            else:
                raise TypeError(f"{kind.__name__} values have no place in a tf.Example")
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"feature {name!r}: {error}") from None
    return example.SerializeToString()
