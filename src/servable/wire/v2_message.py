"""What an inference request of the Open Inference Protocol says, over HTTP or gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from servable.errors import InvalidArgument, Unimplemented
from servable.tensors import Array

Parameter = bool | int | float | str
MAX_TENSORS = 10_000
"""Inputs, or outputs, of one request."""


class InferMessage(NamedTuple):
    """The contents of an inference request.

    Attributes:
        id: what the client calls it; repeated in the answer.
        signature_name: what its parameters ask for; "" if they do not say.
        inputs: name -> array.
        outputs: the outputs wanted, each with whether in the binary form; empty for all.
        binary: whether outputs that nobody named are in the binary form.
    """

    id: str
    signature_name: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, bool]
    binary: bool


def signature_name(parameters: Mapping[str, Parameter]) -> str:
    """Return the signature that a request's parameters ask for.

    Raises:
        InvalidArgument: it is no string.
        Unimplemented: the parameters ask for a sequence of requests.
    """
    if parameters.get("sequence_id", 0) not in (0, ""):
        raise Unimplemented("This server has no models with a state over sequences of requests.")
    name = parameters.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument("The parameter signature_name is no string.")
    return name


def check_tensor(name: str, parameters: Mapping[str, Parameter]) -> None:
    """Refuse what parameters of a tensor can ask for, and this server can not do.

    Raises:
        Unimplemented: they ask for shared memory or for classification.
    """
    if "shared_memory_region" in parameters:
        raise Unimplemented(
            f"{name} is in shared memory, which this server does not map.",
            hint="Send the data with the request.",
        )
    if parameters.get("classification", 0):
        raise Unimplemented(
            f"{name} is asked for as a classification.", hint="Ask for the output, and sort it."
        )


def flag(parameters: Mapping[str, Parameter], name: str, default: bool) -> bool:
    """Return a parameter that is true or false.

    Raises:
        InvalidArgument: it is something else.
    """
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidArgument(f"The parameter {name} is neither true nor false.")
    return value


def unique(kind: str, names: Sequence[str]) -> None:
    """Refuse a name that comes twice, and more tensors than any model has.

    Raises:
        InvalidArgument: as above.
    """
    if len(names) > MAX_TENSORS:
        raise InvalidArgument(f"The request has more than {MAX_TENSORS} {kind}s.")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgument(f"The {kind} {name[:200]} comes twice.")
        seen.add(name)
