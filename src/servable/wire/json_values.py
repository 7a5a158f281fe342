"""Arrays -> JSON text, by the peer's rules for what each dtype looks like.

Two differences from the peer are deliberate. Floats are written in the fewest digits
that read back to the same number (0.2, 0.33333334, 9000000.0) where the peer prints
six digits of `%g` and falls back to nine or seventeen (0.2, 0.333333343, 9e+06): the
numbers are equal, the text is shorter, and writing it takes a tenth of the time.
And there is no indentation, which readers of JSON skip.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import Array

_NUMBERS = frozenset(
    dtype.numpy
    for dtype in (
        tensors.FLOAT, tensors.DOUBLE, tensors.INT8, tensors.INT16, tensors.INT32, tensors.INT64,
        tensors.UINT8, tensors.UINT32, tensors.UINT64, tensors.BOOL,
    )
)  # fmt: skip

_OBJECT = np.dtype(object)


def dumps(document: Any) -> bytes:
    """Return JSON text of a document whose leaves are what `values` returns."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def values(alias: str, array: Array) -> Any:
    """Return something that `dumps` writes as the nested lists of `array`.

    Strings are written as text, or as base64 objects if the output's alias ends in
    `_bytes`. NaN and the infinities are written as the bare words that the peer and
    Python use, although strict JSON has no such words.

    Raises:
        InvalidArgument: the dtype has no form in JSON.
    """
    if array.dtype == _OBJECT:
        return _strings(array, as_base64=alias.endswith("_bytes"))
    if array.dtype not in _NUMBERS:
        if array.size:
            raise InvalidArgument(
                f"Failed to write JSON value for tensor type: {_dtype_name(array)}",
                hint="Ask for this output over gRPC.",
            )
        array = np.empty(array.shape, np.bool_)
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    # An empty index turns an array without dimensions into a scalar, as orjson needs it.
    # Twice as fast as all() for few elements, and as fast for many.
    if array.dtype.kind == "f" and b"\0" in np.isfinite(array).tobytes():
        return _with_words(array)
    return array[()]


def rows(alias: str, array: Array) -> Sequence[Any]:
    """Return one value for each row of an array; see `values`."""
    whole = values(alias, array)
    if isinstance(whole, orjson.Fragment):
        return [values(alias, np.asarray(row)) for row in array]
    return whole  # type: ignore[no-any-return]  # a list, or an array with a dimension


def _strings(array: Array, *, as_base64: bool) -> Any:
    """Return nested lists; an array without dimensions becomes its one element."""
    encoded = np.empty(array.size, object)
    encoded[:] = [_base64(item) if as_base64 else _text(item) for item in array.reshape(-1)]
    return encoded.reshape(array.shape).tolist()


def _base64(item: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(item).decode()}


def _text(item: bytes) -> str | orjson.Fragment:
    try:
        return item.decode()
    except UnicodeDecodeError:
        # The peer passes such bytes through as they are.
        quoted = json.dumps(item.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return orjson.Fragment(quoted.encode("utf-8", "surrogateescape"))


def _with_words(array: Array) -> orjson.Fragment:
    """Write an array in which orjson would make null of what is not finite."""
    pieces = dumps(array[()]).split(b"null")
    flat = array.reshape(-1)
    text = [pieces[0]]
    for number, piece in zip(flat[~np.isfinite(flat)].tolist(), pieces[1:], strict=True):
        text += (json.dumps(number).encode(), piece)
    return orjson.Fragment(b"".join(text))


def _dtype_name(array: Array) -> str:
    try:
        return tensors.from_numpy(array.dtype).name
    except KeyError:
        return str(array.dtype)
