"""Conditions under which islands may hold an op.

OpenVINO takes indices and sizes as they come: what is out of range it clamps, wraps or
fills with zeros where TensorFlow refuses, and it allocates whatever a size asks for. So
an island holds such an op only where no request can say these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from servable.graph.ir import CONST, Node, Value
from servable.tensors import Array

Among: TypeAlias = Callable[[Node, Mapping[str, Node]], bool]
"""Whether an island may hold a node, one of the given ones."""

_SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank"})

# Arithmetic that makes sizes of sizes.
_PASS_ON = frozenset(
    {
        "Add",
        "AddV2",
        "Cast",
        "ConcatV2",
        "ExpandDims",
        "FloorDiv",
        "FloorMod",
        "GatherV2",
        "Maximum",
        "Minimum",
        "Mul",
        "Pack",
        "Prod",
        "Reshape",
        "Squeeze",
        "StridedSlice",
        "Sub",
    }
)

_MOST_VISITED = 200
"""Nodes that one question looks at; real shape arithmetic has some tens."""


def constant(value: Value, nodes: Mapping[str, Node]) -> Array | None:
    """The value of a constant; None for anything else."""
    node = nodes[value.node]
    array = node.attrs.get("value")
    return array if node.op == CONST and isinstance(array, np.ndarray) else None


def constants(*positions: int) -> Among:
    """The inputs at these positions must be constants."""
    return lambda node, nodes: all(constant(node.inputs[p], nodes) is not None for p in positions)


def from_shapes(*positions: int) -> Among:
    """The inputs at these positions must follow from shapes and constants alone."""

    def among(node: Node, nodes: Mapping[str, Node]) -> bool:
        left = [node.inputs[p].node for p in positions]
        seen: set[str] = set()
        while left:
            source = nodes[left.pop()]
            if source.name in seen or source.op in _SHAPES or source.op == CONST:
                continue
            seen.add(source.name)
            if source.op not in _PASS_ON or len(seen) > _MOST_VISITED:
                return False
            left += [value.node for value in source.inputs]
        return True

    return among


def known_rank(value: Value, nodes: Mapping[str, Node]) -> int | None:
    """The rank of a tensor, where it is plain to see."""
    node = nodes[value.node]
    array = constant(value, nodes)
    if array is not None:
        return array.ndim
    if node.op != "Reshape":
        return None
    return known_length(node.inputs[1], nodes)


def known_length(value: Value, nodes: Mapping[str, Node]) -> int | None:
    """The length of a vector, where it is plain to see."""
    array = constant(value, nodes)
    if array is not None:
        return array.size
    node = nodes[value.node]
    return len(node.inputs) if node.op == "Pack" else None
