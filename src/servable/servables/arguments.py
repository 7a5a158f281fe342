"""Values of a Python program, made into the arrays that a signature or function takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.tensors import STRING, Array, DType, Shape, Signature, TensorSpec, from_numpy

# Which kinds of Python values may stand for a dtype of which kind; as in numpy's "kind".
_ACCEPTED = {"b": "b", "i": "i", "u": "i", "f": "if", "c": "ifc", "V": "if", "O": "OSU"}


def arguments(name: str, signature: Signature, given: Mapping[str, Any]) -> dict[str, Array]:
    """Check and convert what a signature is called with.

    Arrays must have the dtype that the signature names; other values are converted where
    no number changes its meaning. Inputs with a default may be left out.

    Args:
        name: of the signature, for error texts.
        given: alias -> array, list or scalar.

    Returns:
        One array for each input.

    Raises:
        InvalidArgument: an input is missing, unknown, or has another dtype or shape; the
            hint lists what is expected.
    """
    expected = "It takes " + (
        ", ".join(f"{alias} ({spec})" for alias, spec in signature.inputs.items()) or "nothing"
    )
    unknown = sorted(given.keys() - signature.inputs.keys())
    if unknown:
        raise InvalidArgument(
            f"signature {name} has no input {', '.join(unknown)}", hint=f"{expected}."
        )
    missing = [a for a in signature.inputs if a not in given and a not in signature.defaults]
    if missing:
        raise InvalidArgument(
            f"signature {name} needs the input {', '.join(missing)}", hint=f"{expected}."
        )
    arrays = {}
    for alias, spec in signature.inputs.items():
        if alias not in given:
            arrays[alias] = signature.defaults[alias]
            continue
        try:
            arrays[alias] = checked(given[alias], spec)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"signature {name}: input {alias}: {error.message}", hint=f"{expected}."
            ) from error
    return arrays


def checked(value: Any, spec: TensorSpec) -> Array:
    """Return a value as an array of a spec's dtype and a shape that fits.

    Raises:
        InvalidArgument: it has another dtype or shape.
    """
    if spec.dtype is None:
        raise InvalidArgument("the model does not say what dtype it takes")
    array = converted(value, spec.dtype)
    if not fits(array.shape, spec.shape):
        raise InvalidArgument(f"the shape is {list(array.shape)}; expected {spec}")
    return array


def converted(value: Any, dtype: DType) -> Array:
    """Return a value as an array of a dtype.

    Raises:
        InvalidArgument: it is an array of another dtype, or holds what the dtype can not.
    """
    array = _array(value)
    if isinstance(value, np.ndarray | np.generic):
        try:
            actual = from_numpy(array.dtype)
        except KeyError:
            raise InvalidArgument(f"no tensor has the dtype {array.dtype}") from None
        if actual.numpy != dtype.numpy:
            raise InvalidArgument(f"the dtype is {actual.name}; expected {dtype.name}")
    elif array.size and array.dtype.kind not in _ACCEPTED.get(dtype.numpy.kind, ""):
        raise InvalidArgument(f"values of {array.dtype} do not stand for {dtype.name}")
    if dtype is STRING:
        return as_strings(array)
    made = array.astype(dtype.numpy, copy=False)
    if array.dtype.kind in "iu" and made.dtype.kind in "iu" and not np.array_equal(made, array):
        raise InvalidArgument(f"a number is outside the range of {dtype.name}")
    return made


def as_strings(array: Array) -> Array:
    """Return an array of bytes and text as an array of bytes.

    Raises:
        InvalidArgument: an element is neither.
    """
    made = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        item: Any = array[place]
        if isinstance(item, str):
            try:
                item = item.encode()
            except UnicodeEncodeError as error:
                raise InvalidArgument(f"a text can not be written as UTF-8: {error}") from None
        if not isinstance(item, bytes):
            raise InvalidArgument(f"a string is expected, not {type(item).__name__}")
        made[place] = bytes(item)
    return made


def fits(shape: tuple[int, ...], expected: Shape) -> bool:
    """Whether a shape is one of those that the expected one, which may leave sizes open, means."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        known is None or size == known for size, known in zip(shape, expected, strict=True)
    )


def _array(value: Any) -> Array:
    if isinstance(value, str | bytes):
        scalar = np.empty((), object)
        scalar[()] = value
        return scalar
    try:
        array = np.asarray(value)
        # Not as numpy's fixed-size strings, which lose zeros at the end.
        return np.asarray(value, object) if array.dtype.kind in "SU" else array
    except ValueError as error:
        raise InvalidArgument(f"not an array: {error}") from None
