"""From what a caller passes to what the wire carries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from servable.errors import InvalidArgument
from servable.tensors import Array


def tensors(inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Return every input as an array; text becomes an object array of UTF-8 bytes.

    Raises:
        InvalidArgument: an input is ragged, or holds something other than
            numbers, booleans, `str` and `bytes`.
    """
    return {alias: tensor(f"input {alias!r}", value) for alias, value in inputs.items()}


def tensor(where: str, value: ArrayLike) -> Array:
    """Return one value as an array; `where` names it in error texts. See `tensors`."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidArgument(
            f"{where} is no tensor: {error}",
            hint="Lists at the same depth must have the same length.",
        ) from error
    if array.dtype.kind not in "OSU":
        return array
    # numpy's own text dtypes drop trailing zero bytes; as objects, values stay as they were.
    objects = np.asarray(value, dtype=object)
    texts = np.empty(objects.shape, dtype=object)
    for index, item in np.ndenumerate(objects):
        texts[index] = _text(where, item)
    return texts


def _text(where: str, item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    if isinstance(item, int | float):
        raise InvalidArgument(
            f"{where} mixes {item!r:.40} with other kinds, or is beyond 64 bits",
            hint="A tensor holds numbers or text, not both, and integers below 2**64.",
        )
    raise InvalidArgument(
        f"{where} holds a {type(item).__name__}, which no tensor can hold",
        hint="Use numbers, booleans, str or bytes.",
    )
