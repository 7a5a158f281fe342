"""What a graph reads from the tf.Examples that it is fed, for people who must write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.tensors import STRING, DType, Shape, TensorSpec


def example_features(function: Function) -> dict[str, TensorSpec]:
    """Return the features that are parsed from a function's arguments, by name.

    The function was compiled before: the attributes of its nodes are what they should be.

    A spec's shape is that of one example; the shape of a feature that may have any number of
    values is (None,). Where a name is computed, its node is left out.
    """
    found = {}
    for node in function.nodes.values():
        if node.op in _NAMES and node.inputs and function.nodes[node.inputs[0].node].op == ARG:
            keys = _constants(function, node.inputs[_NAMES[node.op](node)])
            for key, (dtype, shape) in zip(keys, _described(node), strict=False):
                name = key.decode("utf-8", "replace")
                found[name] = TensorSpec(name, dtype, shape)
    return found


def _described(node: Node) -> Iterator[tuple[DType, Shape]]:
    """Dtype and shape of each feature: sparse ones, dense ones, ragged ones."""
    attrs: Any = node.attrs
    for dtype in attrs["sparse_types"]:
        yield dtype, (None,)
    yield from zip(attrs["Tdense"], attrs["dense_shapes"], strict=False)
    for dtype in attrs.get("ragged_value_types", ()):
        yield dtype, (None,)


def _vectors(_: Node) -> slice:
    """Where a ParseExampleV2 has names: one vector for each of the three kinds."""
    return slice(2, 5)


def _scalars(node: Node) -> slice:
    """Where a ParseExample has names: one scalar for each feature."""
    attrs: Any = node.attrs
    return slice(2, 2 + len(attrs["sparse_types"]) + len(attrs["Tdense"]))


_NAMES: Mapping[str, Callable[[Node], slice]] = {
    "ParseExampleV2": _vectors,
    "ParseExample": _scalars,
}


def _constants(function: Function, values: Sequence[Value]) -> list[bytes]:
    """Return the elements of all these, or nothing if one is no constant string."""
    nodes = [function.nodes[value.node] for value in values]
    if any(node.op != CONST or node.dtypes != (STRING,) for node in nodes):
        return []
    arrays: list[Any] = [node.attrs["value"] for node in nodes]
    return [key for array in arrays for key in array.reshape(-1).tolist()]
