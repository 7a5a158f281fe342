"""The columnar layout: `{"inputs": ...}` in, `{"outputs": ...}` out.

Each value is a whole tensor; nothing is stacked and no dimension is added.
"""

from __future__ import annotations

from collections.abc import Mapping

from servable.errors import InvalidArgument
from servable.tensors import Array, Signature
from servable.wire import json_values
from servable.wire.json_debug import Json
from servable.wire.json_tensors import is_base64, tensor


def decode(root: dict[str, Json], signature: Signature) -> dict[str, Array]:
    """Return the inputs in `root["inputs"]`; names that the signature lacks are ignored.

    Raises:
        InvalidArgument: an input is missing or at fault; the text is the peer's.
        Unimplemented: JSON has no form for an input's dtype.
    """
    value = root["inputs"]
    if isinstance(value, dict) and not is_base64(value):
        arrays = {}
        for alias, spec in signature.inputs.items():
            if alias not in value:
                raise InvalidArgument(f"Missing named input: {alias} in 'inputs' object.")
            arrays[alias] = tensor(value[alias], spec.dtype)
        return arrays
    if len(signature.inputs) > 1:
        raise InvalidArgument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    [(alias, spec)] = signature.inputs.items()
    return {alias: tensor(value, spec.dtype)}


def encode(outputs: Mapping[str, Array]) -> bytes:
    """Return a single output as itself, several by name.

    Raises:
        InvalidArgument: there is no output, or a dtype has no form in JSON.
    """
    if not outputs:
        raise InvalidArgument("Cannot convert empty tensor map to JSON")
    values = {alias: json_values.values(alias, array) for alias, array in outputs.items()}
    if len(values) == 1:
        return json_values.dumps({"outputs": next(iter(values.values()))})
    return json_values.dumps({"outputs": values})
