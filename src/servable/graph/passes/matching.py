"""Questions that passes ask about the values of a function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.tensors import Array


class Match:
    """Questions about the values of one function."""

    def __init__(self, function: Function) -> None:
        self.nodes = function.nodes
        self._args = {name: i for i, name in enumerate(function.args)}

    def argument(self, value: Value) -> int | None:
        """The number of the argument that a value is."""
        return self._args.get(value.node) if self.nodes[value.node].op == ARG else None

    def constant(self, value: Value) -> Array | None:
        """The constant that a value is."""
        found = self.nodes[value.node].attrs.get("value")
        is_const = self.nodes[value.node].op == CONST
        return found if is_const and isinstance(found, np.ndarray) else None

    def op(self, value: Value, *ops: str) -> Node | None:
        """The node behind a value, if its op is one of these and the value its only output."""
        node = self.nodes[value.node]
        return node if node.op in ops and value.index == 0 else None

    def pairs(self, value: Value, *ops: str) -> Iterator[tuple[Value, Value]]:
        """The operands of a commutative op, in both orders."""
        node = self.op(value, *ops)
        if node is not None and len(node.inputs) == 2:
            a, b = node.inputs
            yield a, b
            yield b, a

    def unary(self, value: Value, op: str) -> Value | None:
        """The operand of an op of one input."""
        node = self.op(value, op)
        return node.inputs[0] if node else None

    def product(self, value: Value) -> tuple[Value, Array] | None:
        """x and w of a product x w with a constant matrix."""
        node = self.op(value, "MatMul")
        if node is None or node.attrs["transpose_a"] or node.attrs["transpose_b"]:
            return None
        weight = self.constant(node.inputs[1])
        return (node.inputs[0], weight) if weight is not None and weight.ndim == 2 else None

    def part(self, value: Value, parts: int) -> tuple[Value, int, int | None] | None:
        """What a value is a part of, which, and its width if known, if it is one of equal parts
        of the last axis."""
        node = self.nodes[value.node]
        if node.op == "Split" and len(node.dtypes) == parts:
            axis = self.constant(node.inputs[0])
            if axis is not None and int(axis) in (1, -1):
                return node.inputs[1], value.index, None
        if node.op == "StridedSlice":
            return self._slice_part(node, parts)
        return None

    def _slice_part(self, node: Node, parts: int) -> tuple[Value, int, int] | None:
        """`x[:, a:b]` as one of equal parts; whoever knows the whole's width checks the part's."""
        bounds = [self.constant(v) for v in node.inputs[1:]]
        if any(b is None or b.shape != (2,) for b in bounds):
            return None
        begin, end, strides = ([int(x) for x in b] for b in bounds if b is not None)
        masks = (
            node.attrs["ellipsis_mask"],
            node.attrs["new_axis_mask"],
            node.attrs["shrink_axis_mask"],
        )
        begin_mask, end_mask = node.attrs["begin_mask"], node.attrs["end_mask"]
        if any(masks) or strides != [1, 1] or not isinstance(begin_mask, int):
            return None
        if not isinstance(end_mask, int) or not begin_mask & 1 or not end_mask & 1:
            return None
        first = 0 if begin_mask & 2 else begin[1]
        if end_mask & 2:
            # The last part: it begins at (parts - 1) widths.
            whole = first > 0 and first % (parts - 1) == 0
            return (node.inputs[0], parts - 1, first // (parts - 1)) if whole else None
        width = end[1] - first
        if width <= 0 or first % width or first // width >= parts:
            return None
        return node.inputs[0], first // width, width
