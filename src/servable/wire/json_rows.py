"""The row layout: `{"instances": [...]}` in, `{"predictions": [...]}` out.

An instance is one row of a batch. A signature with one input takes plain values; one
with several takes objects that name all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable.errors import InvalidArgument, ServableError
from servable.tensors import Array, DType, Signature
from servable.wire import json_values
from servable.wire.json_debug import Json, debug_string
from servable.wire.json_tensors import in_bulk, is_base64, tensor


def decode(root: dict[str, Json], signature: Signature) -> dict[str, Array]:
    """Return the inputs in `root["instances"]`: one row for each instance.

    Raises:
        InvalidArgument: with the peer's text, naming the first instance at fault.
    """
    instances = root["instances"]
    if not isinstance(instances, list):
        raise InvalidArgument(
            f"JSON Value: {debug_string(root)} Expecting 'instances' to be an list/array"
        )
    if not instances:
        raise InvalidArgument(f"JSON Value: {debug_string(root)} No values in 'instances' array")
    if _is_object(instances[0]):
        return _decode_objects(instances, signature)
    if len(signature.inputs) > 1:
        raise InvalidArgument(
            "instances is a plain list, but expecting list of objects as multiple input "
            "tensors required as per tensorinfo_map"
        )
    [(alias, spec)] = signature.inputs.items()
    return {alias: _decode_values(instances, spec.dtype)}


def encode(outputs: Mapping[str, Array]) -> bytes:
    """Return outputs as one prediction for each row.

    Raises:
        InvalidArgument: there is no output, one has no rows or another number of
            rows than the first, or a dtype has no form in JSON.
    """
    _check_rows(outputs)
    if len(outputs) == 1:
        [(alias, array)] = outputs.items()
        return json_values.dumps({"predictions": json_values.values(alias, array)})
    columns = [json_values.rows(alias, array) for alias, array in outputs.items()]
    predictions = [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]
    return json_values.dumps({"predictions": predictions})


def _check_rows(outputs: Mapping[str, Array]) -> None:
    if not outputs:
        raise InvalidArgument("Cannot convert empty tensor map to JSON")
    first = -1
    for alias, array in outputs.items():
        if not array.ndim:
            raise InvalidArgument(f"Tensor name: {alias} has no shape information ")
        if first < 0:
            first = len(array)
        elif len(array) != first:
            raise InvalidArgument(
                f"Tensor name: {alias} has inconsistent batch size: {len(array)} expecting: {first}"
            )


def _is_object(value: Json) -> bool:
    """Whether an instance names its inputs; a base64 object is a value."""
    return isinstance(value, dict) and not is_base64(value)


class _Column:
    """One input's elements, which must all have the shape of the first."""

    def __init__(self, dtype: DType | None) -> None:
        self._dtype = dtype
        self._elements: list[Array] = []

    def add(self, value: Json) -> None:
        element = tensor(value, self._dtype)
        first = self._elements[0] if self._elements else element
        if element.size != first.size:
            raise InvalidArgument(f"Expecting tensor size: {first.size} but got: {element.size}")
        if element.shape != first.shape:
            raise InvalidArgument(
                f"Expecting shape {_text(first.shape)} but got: {_text(element.shape)}"
            )
        self._elements.append(element)

    def array(self) -> Array:
        return np.stack(self._elements)


def _decode_values(instances: list[Json], dtype: DType | None) -> Array:
    array = in_bulk(instances, dtype)
    if array is not None:
        return array
    column = _Column(dtype)
    for i, instance in enumerate(instances):
        if _is_object(instance):
            raise InvalidArgument(f"Expecting value/list but got object at item {i} of input list")
        try:
            column.add(instance)
        except ServableError as error:
            # Whatever its code was inside, the peer reports INVALID_ARGUMENT.
            raise InvalidArgument(
                f"Failed to process element: {i} of 'instances' list. Error: {error.status_text}"
            ) from None
    return column.array()


def _decode_objects(instances: list[Json], signature: Signature) -> dict[str, Array]:
    arrays = _objects_in_bulk(instances, signature)
    if arrays is not None:
        return arrays
    columns = {alias: _Column(spec.dtype) for alias, spec in signature.inputs.items()}
    for i, instance in enumerate(instances):
        if not _is_object(instance):
            raise InvalidArgument(f"Expecting object but got list at item {i} of input list")
        for key, value in instance.items():
            try:
                if key not in columns:
                    raise InvalidArgument(f"JSON object: does not have named input: {key}")
                columns[key].add(value)
            except ServableError as error:
                raise InvalidArgument(
                    f"Failed to process element: {i} key: {key} of 'instances' list. "
                    f"Error: {error.status_text}"
                ) from None
        if len(instance) != len(columns):
            raise InvalidArgument(
                f"Failed to process element: {i} of 'instances' list. JSON object: "
                f"{debug_string(instance)} keys must be equal to: {','.join(sorted(columns))}"
            )
    return {alias: column.array() for alias, column in columns.items()}


def _objects_in_bulk(instances: list[Json], signature: Signature) -> dict[str, Array] | None:
    """Return what the walk would return, or None if any instance is unusual."""
    names = signature.inputs.keys()
    if not all(type(instance) is dict and instance.keys() == names for instance in instances):
        return None
    arrays = {}
    for alias, spec in signature.inputs.items():
        array = in_bulk([instance[alias] for instance in instances], spec.dtype)
        if array is None:
            return None
        arrays[alias] = array
    return arrays


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
