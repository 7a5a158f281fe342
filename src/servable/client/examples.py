"""From Python values to tf.Example messages, and to the JSON that stands for them over REST."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike

from servable.client.arrays import tensor
from servable.errors import InvalidArgument
from servable.pb import example_pb2, inference_pb2

ExampleLike: TypeAlias = Mapping[str, ArrayLike] | bytes | example_pb2.Example
"""Features by name, the bytes of a tf.Example, or the message itself."""


def make_example(value: ExampleLike, where: str = "the example") -> example_pb2.Example:
    """Return a value as a message.

    An array of any rank becomes its elements in C order, since a feature is a list.
    Whole numbers and booleans become int64, other numbers float32; an empty list without
    a dtype becomes a feature of no kind, which a parser counts as missing.

    Args:
        value: see `ExampleLike`.
        where: names the value in error texts.

    Raises:
        InvalidArgument: bytes that are no tf.Example, or a feature of something other
            than numbers, booleans and strings.
    """
    if isinstance(value, example_pb2.Example):
        return value
    message = example_pb2.Example()
    if isinstance(value, bytes):
        try:
            message.ParseFromString(value)
        except DecodeError as error:
            raise InvalidArgument(
                f"{where} is not a serialized tf.Example: {error}",
                hint="Give a mapping of feature names to values, or Example.SerializeToString().",
            ) from error
        return message
    if not isinstance(value, Mapping):
        raise InvalidArgument(
            f"{where} is a {type(value).__name__}",
            hint="Give a mapping of feature names to values, or a serialized tf.Example.",
        )
    for name, values in value.items():
        if not isinstance(name, str):
            raise InvalidArgument(
                f"{where} has a feature whose name is {name!r:.100}", hint="Names are str."
            )
        _fill(message.features.feature[name], values, f"feature {name!r} of {where}")
    return message


def input_message(
    examples: Sequence[ExampleLike], context: ExampleLike | None
) -> inference_pb2.Input:
    """Return examples, and the context they share if there is one, as a request's input.

    Raises:
        InvalidArgument: as for `make_example`.
    """
    message = inference_pb2.Input()
    if context is None:
        message.example_list.examples.extend(_all(examples))
    else:
        shared = message.example_list_with_context
        shared.examples.extend(_all(examples))
        shared.context.CopyFrom(make_example(context, "the context"))
    return message


def request_body(
    signature: str, examples: Sequence[ExampleLike], context: ExampleLike | None
) -> bytes:
    """Return the JSON body of a classify or regress request.

    Raises:
        InvalidArgument: as for `make_example`.
    """
    document: dict[str, Any] = {"examples": [_plain(message) for message in _all(examples)]}
    if signature:
        document["signature_name"] = signature
    if context is not None:
        document["context"] = _plain(make_example(context, "the context"))
    # json writes 1.0 as 1.0 and NaN as NaN: the API tells kinds apart by how numbers look.
    return json.dumps(document).encode()


def _all(examples: Sequence[ExampleLike]) -> list[example_pb2.Example]:
    if isinstance(examples, Mapping | bytes | str) or not isinstance(examples, Iterable):
        raise InvalidArgument(
            "the examples are not a list", hint="Put a single example into a list: [example]."
        )
    return [make_example(value, f"example {index}") for index, value in enumerate(examples)]


def _fill(feature: example_pb2.Feature, values: ArrayLike, where: str) -> None:
    array = tensor(where, values).reshape(-1)
    match array.dtype.kind:
        case "O":
            feature.bytes_list.value.extend(array.tolist())
        case "b" | "i":
            feature.int64_list.value.extend(array.astype(np.int64).tolist())
        case "u" if not array.size or array.max() < 2**63:
            feature.int64_list.value.extend(array.tolist())
        case "f" | "V" if array.size or isinstance(values, np.ndarray):
            feature.float_list.value.extend(array.astype(np.float32).tolist())
        case "f":
            pass  # numpy makes floats of [], which says nothing about its kind
        case _:
            raise InvalidArgument(
                f"{where} is of {array.dtype}, which no feature can hold",
                hint="Features hold int64, float32 or strings.",
            )


def _plain(message: example_pb2.Example) -> dict[str, Any]:
    return {name: _values(feature) for name, feature in sorted(message.features.feature.items())}


def _values(feature: example_pb2.Feature) -> list[Any]:
    match feature.WhichOneof("kind"):
        case "bytes_list":
            return [
                {"b64": base64.b64encode(value).decode("ascii")}
                for value in feature.bytes_list.value
            ]
        case "float_list":
            return list(feature.float_list.value)
        case "int64_list":
            return list(feature.int64_list.value)
        case _:
            return []
