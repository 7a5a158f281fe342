"""Arrays to and from the JSON of the predict API's columnar format."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from servable.client.api import DEFAULT_SIGNATURE
from servable.errors import Internal, Unimplemented
from servable.tensors import STRING, Array, Signature, TensorSpec

# The kinds of numpy dtypes that JSON values of each kind arrive as; floats take the rest.
_JSON_KINDS = {"i": "iu", "u": "iu", "b": "b"}


class Mismatch(Internal):
    """An answer that does not have the signature's outputs."""


def request_body(signature: str, inputs: Mapping[str, Array]) -> bytes:
    """Return the body of a predict request with a columnar `inputs` object.

    Raises:
        Unimplemented: an input is complex, or empty with sizes behind the 0, which the REST
            API cannot say.
    """
    arrays = {alias: _writable(alias, array) for alias, array in inputs.items()}
    body = {
        "signature_name": signature or DEFAULT_SIGNATURE,
        "inputs": {alias: _plain(array) for alias, array in arrays.items()},
    }
    if all(array.dtype.kind != "f" or np.isfinite(array).all() for array in arrays.values()):
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    # The API writes NaN and Infinity as bare tokens; orjson would turn them into null.
    return json.dumps(body, default=lambda array: array.tolist()).encode()


def parse(body: bytes) -> Any:
    """Parse an answer; NaN and Infinity tokens and bytes that are no UTF-8 are accepted.

    Bytes that are no UTF-8 come back as lone surrogates, so that strings can be
    turned into the bytes they were.

    Raises:
        Internal: the answer is no JSON at all.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        start = body[:80].decode("utf-8", "replace")
        raise Internal(
            f"the server's answer is not JSON: {start!r}",
            hint="Is this address a server that speaks TensorFlow Serving's REST API?",
        ) from error


def outputs_of(
    document: Mapping[str, Any], signature: Signature, wanted: Sequence[str]
) -> dict[str, Array]:
    """Return the arrays of a columnar answer, with the dtypes that the signature names.

    Args:
        document: the parsed answer.
        signature: the one that was run; an answer with a single output does not
            name it.
        wanted: the aliases to return; () for all.

    Raises:
        Mismatch: the answer does not have the signature's outputs, or one of them has
            values of another kind than its dtype.
    """
    value = document.get("outputs")
    named: Any = {next(iter(signature.outputs)): value} if len(signature.outputs) == 1 else value
    try:
        return {
            alias: _array(named[alias], signature.outputs[alias])
            for alias in wanted or signature.outputs
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Mismatch(
            f"the server's answer does not fit the signature's outputs: {error!r}",
            hint="Name a version: another one may have become the newest in between.",
        ) from error


def _writable(alias: str, array: Array) -> Array:
    """Return the same values in a layout and dtype that orjson can read in place."""
    if array.dtype.kind == "c":
        raise Unimplemented(
            f"input {alias!r} is {array.dtype}, which the REST API cannot carry",
            hint="Use gRPC for complex tensors.",
        )
    if 0 in array.shape[:-1]:
        raise Unimplemented(
            f"input {alias!r} has the shape {array.shape}, which the REST API cannot say",
            hint="Lists show no sizes behind a size of 0. Use gRPC, or leave out empty batches.",
        )
    if array.dtype.kind == "V":  # bfloat16 and its kin
        array = array.astype(np.float32)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)


def _plain(array: Array) -> Any:
    if array.dtype == object:
        return _base64(array.tolist())
    return array if array.shape else array.item()


def _base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_base64(item) for item in value]
    return {"b64": base64.b64encode(value).decode("ascii")}


def _array(value: Any, spec: TensorSpec) -> Array:
    if spec.dtype is None:
        return np.asarray(value)
    if spec.dtype is not STRING:
        return _with_inner_sizes(_numbers(value, spec.dtype.numpy), spec)
    array = np.asarray(value, dtype=object)
    for index, item in np.ndenumerate(array):
        array[index] = _bytes(item)
    return _with_inner_sizes(array, spec)


def _with_inner_sizes(array: Array, spec: TensorSpec) -> Array:
    """Add the sizes that lists can not say, those behind a size of 0; 0 for an unknown one."""
    if array.size or spec.shape is None:
        return array
    return array.reshape(*array.shape, *(size or 0 for size in spec.shape[array.ndim :]))


def _numbers(value: Any, dtype: np.dtype[Any]) -> Array:
    """Return numbers as an array; numpy alone would take 1.5 for an integer, or true for 1.0."""
    array = np.asarray(value)
    if array.dtype.kind in _JSON_KINDS.get(dtype.kind, "iuf") or not array.size:
        return array.astype(dtype)
    # numpy makes floats of integers that only some of its own dtypes can hold.
    exact = np.asarray(value, dtype=object)
    if dtype.kind in "iu" and all(type(item) is int for item in exact.reshape(-1)):
        return exact.astype(dtype)
    raise ValueError(f"{array.dtype} values where {dtype} belongs")


def _bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode("utf-8", "surrogateescape")
    return base64.b64decode(item["b64"])
