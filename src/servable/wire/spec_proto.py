"""ModelSpec messages <-> what handlers know as a model spec."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from servable.contracts import ModelSpec, ServableId
from servable.errors import InvalidArgument
from servable.pb import serving_pb2

M = TypeVar("M", bound=Message)


def parse(kind: type[M], data: bytes, name: str = "") -> M:
    """Return the message in `data`.

    Args:
        kind: the message's type.
        data: its bytes.
        name: what error texts call the type; by default its own name.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        name = name or message.DESCRIPTOR.full_name
        raise InvalidArgument(
            f"The request is not a serialized {name}: {error}",
            hint=f"Send the bytes of a {name} message.",
        ) from None
    return message


def read_spec(message: serving_pb2.ModelSpec) -> ModelSpec:
    """Return what a request's `model_spec` says; presence counts, also of 0 and ""."""
    choice = message.WhichOneof("version_choice")
    return ModelSpec(
        name=message.name,
        version=message.version.value if choice == "version" else None,
        label=message.version_label if choice == "version_label" else None,
        signature_name=message.signature_name,
    )


def write_spec(message: serving_pb2.ModelSpec, id: ServableId, signature_name: str = "") -> None:
    """Fill in a response's `model_spec`: the version that answered, never a label."""
    message.name = id.name
    message.version.value = id.version
    message.signature_name = signature_name
